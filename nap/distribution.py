"""Whitelist distribution: pushing changes to the operators that hold a replica (scenario 1).

An operator joins by pulling. From then on each change is pushed to it, in pages, in order; what it does not
answer is pushed again. If an answer shows that its replica is elsewhere it is left alone until it pulls again,
which it knows that it has to. Who could not know, as its list is no more, is told by a change that leads to
version 0.
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

RETRY_S = 5.0
"""How long a linked operator that did not answer a push is left alone."""


NO_EPOCH = 0
"""That of a list which is not there yet; an epoch is made of the time."""


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
        self._refused: set[str] = set()
        """Who has asked for the list, and has not agreed to get it."""

    def pull(self, visited: str, message: PullWhitelist) -> WhitelistPage:
        """Answer one page; with the last page the operator joins.

        Raises:
            RoamingRefused: the list is not among what the operator has agreed to get; if that changes while
                it is linked, it is told to ask again.
        """
        if not self._is_wanted(visited):
            self._refused.add(visited)
            raise RoamingRefused(
                "NotAgreed", "whitelist is not among the modes of your agreement: ask the hub's operator"
            )
        page = self._store.tokens.whitelist_page(
            visited, epoch=message.epoch, version=message.version, limit=message.limit
        )
        self.forget(visited)
        if not page.more:
            self._replicas[visited] = _Replica(page.epoch, page.version, page.version)
        return page

    def forget(self, visited: str) -> None:
        """The operator's link is gone, or it starts over."""
        self._refused.discard(visited)
        replica = self._replicas.pop(visited, None)
        if replica is not None and replica.pushing is not None:
            replica.pushing.cancel()

    def wake(self) -> None:
        """Tokens or agreements may have changed: push to every replica that is behind, or to be no more."""
        for visited in [refused for refused in self._refused if self._is_wanted(refused)]:
            self._refused.discard(visited)
            self._replicas[visited] = _Replica(NO_EPOCH, 0, 0)
        newest = self._store.tokens.version()
        for visited, replica in self._replicas.items():
            is_behind = (replica.epoch, replica.scanned) != newest or not self._is_wanted(visited)
            if is_behind and replica.pushing is None:
                replica.pushing = asyncio.create_task(self._push(visited, replica))

    def _is_wanted(self, visited: str) -> bool:
        operator = self._store.operators.get(visited)
        return operator is not None and Mode.WHITELIST in operator.wants

    async def _push(self, visited: str, replica: _Replica) -> None:
        """Tell an operator what is new until there is nothing, or it must pull."""
        try:
            while news := self._news(visited, replica):
                if not await self._tell(visited, replica, news):
                    del self._replicas[visited]
                    return
        except RoamingRefused as refused:
            log.warning("whitelist_push_refused", visited=visited, because=str(refused))
            del self._replicas[visited]
        finally:
            replica.pushing = None

    def _news(self, visited: str, replica: _Replica) -> WhitelistChanged | None:
        """The next page of what the operator does not have; None if it has all."""
        page = self._store.tokens.whitelist_page(
            visited, epoch=replica.epoch, version=replica.scanned, limit=PAGE_MAX
        )
        if not self._is_wanted(visited) or page.epoch != replica.epoch:
            return WhitelistChanged(epoch=page.epoch, from_version=0, to_version=0, changes=())
        if page.changes:
            return WhitelistChanged(
                epoch=page.epoch, from_version=replica.applied, to_version=page.version, changes=page.changes
            )
        replica.scanned = page.version
        return None

    async def _tell(self, visited: str, replica: _Replica, news: WhitelistChanged) -> bool:
        """Whether it may be told more; it may not if it is elsewhere now than where the news lead."""
        try:
            applied = await self._bus.ask(visited, news, WhitelistApplied)
        except CallFailed as error:
            log.warning("whitelist_push_failed", visited=visited, because=str(error))
            await asyncio.sleep(RETRY_S)
            return True
        replica.applied = replica.scanned = news.to_version
        return bool(news.changes) and (applied.epoch, applied.version) == (news.epoch, news.to_version)
