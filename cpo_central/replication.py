"""Keeping the whitelist replica up to date: the hub pushes changes, and we pull what we have missed."""

import asyncio

import structlog

from cascade.exchange import ask
from cascade.link import Link
from cascade.roaming.tokens import PullWhitelist, WhitelistApplied, WhitelistChanged, WhitelistPage
from cpo_central.whitelist import ListVersion, WhitelistStore

log = structlog.get_logger()


class Replication:
    """The replica's traffic with the hub, over whatever link there is."""

    def __init__(self, whitelist: WhitelistStore) -> None:
        self._whitelist = whitelist
        self.behind = asyncio.Event()
        """Set when the hub has shown that it is ahead of us: pull."""

    async def pull(self, link: Link) -> None:
        """Ask the hub until it has no more changes.

        Raises:
            RoamingRefused: the hub does not give us a list.
            CallFailed: no answer came; what was pulled of the list in use is kept.
        """
        self.behind.clear()
        asked, changes = self._whitelist.current, 0
        while True:
            page = await ask(link, PullWhitelist(epoch=asked.epoch, version=asked.version), WhitelistPage)
            reached = ListVersion(page.epoch, page.version)
            if page.epoch == self._whitelist.current.epoch:
                if not await self._whitelist.apply(asked, page.version, page.changes):
                    asked = self._whitelist.current  # a push was faster
                    continue
            else:
                if page.epoch != asked.epoch:
                    await self._whitelist.begin(page.epoch)
                await self._whitelist.grow(page.epoch, page.changes)
                if not page.more:
                    await self._whitelist.replace(reached)
            stuck, asked, changes = reached == asked, reached, changes + len(page.changes)
            if stuck or not page.more:
                log.info("whitelist", epoch=reached.epoch, version=reached.version, changes=changes, how="pull")
                return

    async def changed(self, push: WhitelistChanged) -> WhitelistApplied:
        """Apply what the hub pushes, if it continues what we have; if not, we pull."""
        start = ListVersion(push.epoch, push.from_version)
        if start == self._whitelist.current and await self._whitelist.apply(
            start, push.to_version, push.changes
        ):
            log.info(
                "whitelist", epoch=push.epoch, version=push.to_version, changes=len(push.changes), how="push"
            )
        elif self._whitelist.current != (push.epoch, push.to_version):
            self.behind.set()
        current = self._whitelist.current
        return WhitelistApplied(epoch=current.epoch, version=current.version)
