"""Whitelist distribution: pushing changes to the operators that hold a replica (scenario 1).

An operator joins by pulling. From then on each change is pushed to it, in pages, in order. If an answer shows
that its replica is elsewhere, or no answer comes, it is left alone until it pulls again: the next link, or the
replica itself, sees to that.
"""

import asyncio
from dataclasses import dataclass

import structlog

from cascade.errors import CallFailed, RoamingRefused
from cascade.roaming.tokens import PAGE_MAX, PullWhitelist, WhitelistApplied, WhitelistChanged, WhitelistPage
from nap.bus.port import Bus
from nap.records import Mode
from nap.store.port import Store

log = structlog.get_logger()


@dataclass(slots=True)
class _Replica:
    epoch: int
    applied: int
    """The version that the operator has said it has."""
    scanned: int
    """Up to where there is nothing for this operator beyond `applied`."""
    pushing: asyncio.Task[None] | None = None


class Distribution:
    """The replicas of linked operators."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._replicas: dict[str, _Replica] = {}

    def pull(self, visited: str, message: PullWhitelist) -> WhitelistPage:
        """Answer one page; with the last page the operator joins."""
        page = self._store.tokens.whitelist_page(
            visited, epoch=message.epoch, version=message.version, limit=message.limit
        )
        if page.more:
            self.forget(visited)
        else:
            self._replicas[visited] = _Replica(page.epoch, page.version, page.version)
        return page

    def forget(self, visited: str) -> None:
        """The operator's link is gone, or it starts over."""
        replica = self._replicas.pop(visited, None)
        if replica is not None and replica.pushing is not None:
            replica.pushing.cancel()

    def wake(self) -> None:
        """Tokens may have changed: push to every replica that is behind."""
        _, version = self._store.tokens.version()
        for visited, replica in self._replicas.items():
            if replica.scanned < version and replica.pushing is None:
                replica.pushing = asyncio.create_task(self._push(visited, replica))

    async def _push(self, visited: str, replica: _Replica) -> None:
        try:
            while self._replicas.get(visited) is replica and await self._push_page(visited, replica):
                pass
        except (CallFailed, RoamingRefused) as error:
            log.warning("whitelist_push_failed", visited=visited, because=str(error))
            self._replicas.pop(visited, None)
        finally:
            replica.pushing = None

    async def _push_page(self, visited: str, replica: _Replica) -> bool:
        """Push the next page; False if there was nothing, or the replica is elsewhere."""
        operator = self._store.operators.get(visited)
        page = self._store.tokens.whitelist_page(
            visited, epoch=replica.epoch, version=replica.scanned, limit=PAGE_MAX
        )
        if operator is None or Mode.WHITELIST not in operator.wants or page.epoch != replica.epoch:
            self._replicas.pop(visited, None)
            return False
        if not page.changes:
            replica.scanned = page.version
            return False
        message = WhitelistChanged(
            epoch=page.epoch, from_version=replica.applied, to_version=page.version, changes=page.changes
        )
        applied = await self._bus.ask(visited, message, WhitelistApplied)
        if (applied.epoch, applied.version) != (page.epoch, page.version):
            self._replicas.pop(visited, None)
            return False
        replica.applied = replica.scanned = page.version
        return True
