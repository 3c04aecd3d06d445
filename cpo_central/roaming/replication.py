"""Keeping the whitelist replica up to date: the hub pushes changes, and we pull what we have missed."""

import asyncio

import structlog

from cascade.errors import RoamingRefused, StoreError
from cascade.exchange import ask
from cascade.link import Link
from cascade.roaming.tokens import PullWhitelist, WhitelistApplied, WhitelistChanged, WhitelistPage
from cpo_central.drivers.whitelist import ListVersion, WhitelistStore

log = structlog.get_logger()


class Replication:
    """The replica's traffic with the hub, over whatever link there is."""

    def __init__(self, whitelist: WhitelistStore) -> None:
        self._whitelist = whitelist
        self.behind = asyncio.Event()
        """Set when the hub has shown that it is ahead of us: pull."""

    async def pull(self, link: Link) -> None:
        """Ask the hub until it has no more changes; each page while the one before it is written.

        Raises:
            RoamingRefused: the hub does not give us a list; if that is not agreed upon, ours is forgotten.
            CallFailed: no answer came; what was pulled of the list in use is kept.
            StoreError: a page could not be written; likewise.
        """
        self.behind.clear()
        try:
            await self._pull(link)
        except RoamingRefused as refused:
            if refused.code == "NotAgreed":
                await self._whitelist.replace(ListVersion(0, 0))
            raise

    async def _pull(self, link: Link) -> None:
        asked, changes = self._whitelist.current, 0
        asking = _ask(link, asked)
        try:
            while True:
                page = await asking
                reached = ListVersion(page.epoch, page.version)
                more = page.more and reached != asked
                if more:
                    asking = _ask(link, reached)
                if not await self._write(asked, page):
                    await asking  # it leads on from where we are not
                    asked = self._whitelist.current
                    asking = _ask(link, asked)
                    continue
                asked, changes = reached, changes + len(page.changes)
                if not more:
                    log.info("whitelist", epoch=asked.epoch, version=asked.version, changes=changes, how="pull")
                    return
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _write(self, asked: ListVersion, page: WhitelistPage) -> bool:
        """Write what was answered to `asked`; False if a push was faster."""
        if page.epoch == self._whitelist.current.epoch:
            return await self._whitelist.apply(asked, page.version, page.changes)
        if page.epoch != asked.epoch:
            await self._whitelist.begin(page.epoch)
        await self._whitelist.grow(page.epoch, page.changes)
        if not page.more:
            await self._whitelist.replace(ListVersion(page.epoch, page.version))
        return True

    async def changed(self, push: WhitelistChanged) -> WhitelistApplied:
        """Apply what the hub pushes, if it continues what we have; if not, we pull.

        Raises:
            StoreError: it could not be written; we pull.
        """
        start = ListVersion(push.epoch, push.from_version)
        try:
            applied = start == self._whitelist.current and await self._whitelist.apply(
                start, push.to_version, push.changes
            )
        except StoreError:
            self.behind.set()
            raise
        if applied:
            log.info(
                "whitelist", epoch=push.epoch, version=push.to_version, changes=len(push.changes), how="push"
            )
        elif self._whitelist.current != (push.epoch, push.to_version):
            self.behind.set()
        current = self._whitelist.current
        return WhitelistApplied(epoch=current.epoch, version=current.version)


def _ask(link: Link, start: ListVersion) -> asyncio.Task[WhitelistPage]:
    message = PullWhitelist(epoch=start.epoch, version=start.version)
    return asyncio.create_task(ask(link, message, WhitelistPage))
