"""Asking home operators directly (scenario 3): the hub is asked once who and where, then no more.

A referral and its link are kept for as long as the ticket holds and they are used now and then. When a link is
lost it is dialled once more with the same ticket; if that fails the hub is asked for a new referral, once.
Those who ask about the same home at the same time share one look-up and one dial.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from cascade.client import bearer, dial, link_url
from cascade.errors import CallFailed, LinkLostError, RoamingRefused
from cascade.exchange import ask
from cascade.handover import hand_over
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming.cdrs import Cdr, CdrReceipt
from cascade.roaming.endpoints import Referral
from cascade.roaming.model import Refusal, id_key
from cascade.trace import FrameTrace
from cpo_central.drivers.authorizer import Upstream
from cpo_central.roaming.hub_client import MAX_SIZE

log = structlog.get_logger()

T = TypeVar("T")


class NoReferralError(CallFailed):
    """The hub refers us to nobody, at least now."""


class _HomeChangedError(RoamingRefused):
    """The hub refers us to another operator than the one that authorized the session."""

    def __init__(self, operator_id: str) -> None:
        super().__init__("HomeChanged", f"the token has moved from {operator_id} to another operator")


class Directory(Protocol):
    """Who knows where home operators are: the hub."""

    async def lookup(self, id_tag: str) -> Referral:
        """Ask who may be asked about a token; raises RoamingRefused or CallFailed."""
        ...


@dataclass(slots=True, eq=False)
class _Home:
    """A home operator that we may ask."""

    referral: Referral
    id_keys: set[str]
    """The tokens that it was looked up for."""
    link: Link | None = None
    dialling: asyncio.Task[Link] | None = None
    users: int = 0
    idle: asyncio.TimerHandle | None = None
    forgotten: bool = False

    def knows(self, key: str) -> int:
        """How well a token fits: the length of what is known of it; -1 if it is not this home's."""
        if key in self.id_keys:
            return len(key) + 1
        fitting = [len(p) for p in self.referral.id_tag_prefixes if key.startswith(id_key(p))]
        return max(fitting, default=-1)


class PeerClient:
    """Our end of the links to home operators.

    Args:
        operator_id: ours.
        directory: the hub.
        limits: time-outs and sizes of links.
        trace: shows frames.
        idle_s: a link that is unused for so long is closed and its referral forgotten; 0: after each use.
        tls: for wss:// endpoints.
    """

    def __init__(
        self,
        *,
        operator_id: str,
        directory: Directory,
        limits: LinkLimits,
        trace: FrameTrace,
        idle_s: float,
        tls: ssl.SSLContext,
    ) -> None:
        self._operator_id = operator_id
        self._directory = directory
        self._limits = limits
        self._trace = trace
        self._idle_s = idle_s
        self._tls = tls
        self._homes: dict[str, _Home] = {}
        self._lookups: dict[str, asyncio.Task[_Home]] = {}
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def authorize(self, id_tag: str, spent: dict[str, float]) -> Upstream:
        """Ask the home operator about a driver.

        Args:
            id_tag: the driver's.
            spent: gets the seconds of `lookup` and `dial`, where there was one, and of `ask`.

        Raises:
            CallFailed: hub or home did not answer, or the hub refers us to nobody.
        """

        async def use(home: _Home, link: Link) -> Upstream:
            message_id = link.new_message_id()
            answer = await _timed(
                spent, "ask", link.call("Authorize", {"idTag": id_tag}, message_id=message_id)
            )
            return Upstream(answer["idTagInfo"], message_id, home.referral.operator_id)

        return await self._with_home(id_tag, self._find(id_key(id_tag)), use, spent)

    async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        """Give a home operator CDRs, all of which name it: see `hand_over`.

        A token may have moved or gone since; the hub's referral for any of them will do.

        Raises:
            RoamingRefused: several were refused as a batch, or their tokens have moved.
            CallFailed: it did not answer, or the hub does not refer us to it now.
        """
        operator_id = cdrs[0].home_operator_id or ""

        async def use(home: _Home, link: Link) -> Sequence[CdrReceipt | Refusal]:
            if home.referral.operator_id != operator_id:
                raise _HomeChangedError(operator_id)
            return await hand_over(partial(ask, link), cdrs)

        fault: NoReferralError | _HomeChangedError
        for id_tag in dict.fromkeys(cdr.id_tag for cdr in cdrs):
            try:
                return await self._with_home(id_tag, self._homes.get(operator_id), use, {})
            except (NoReferralError, _HomeChangedError) as error:
                fault = error
        if len(cdrs) == 1 and isinstance(fault, _HomeChangedError):
            return [Refusal(code=fault.code, detail=fault.detail)]
        raise fault

    async def stop(self) -> None:
        """Close every link."""
        for home in list(self._homes.values()):
            self._forget(home)
        await asyncio.gather(*(link.close() for link in self._links))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one use --------------------------------------------------------------------------------------------

    async def _with_home(
        self,
        id_tag: str,
        known: _Home | None,
        use: Callable[[_Home, Link], Awaitable[T]],
        spent: dict[str, float],
    ) -> T:
        if known is not None and known.referral.expiry > datetime.now(UTC):
            with self._using(known):
                try:
                    if known.link is not None and not known.link.lost:
                        with suppress(LinkLostError):
                            return await use(known, known.link)
                    return await use(known, await self._linked(known, spent))
                except LinkLostError as lost:
                    log.info("referral_forgotten", peer=known.referral.operator_id, because=str(lost))
                    self._forget(known)
        elif known is not None:
            self._forget(known)
        home = await _timed(spent, "lookup", self._referred(id_tag))
        with self._using(home):
            try:
                return await use(home, await self._linked(home, spent))
            except LinkLostError:
                self._forget(home)
                raise

    @contextmanager
    def _using(self, home: _Home) -> Iterator[None]:
        """While it is used a home is not idle."""
        home.users += 1
        if home.idle is not None:
            home.idle.cancel()
            home.idle = None
        try:
            yield
        finally:
            home.users -= 1
            if home.users == 0 and (home.forgotten or self._idle_s == 0):
                self._forget(home)
            elif home.users == 0:
                home.idle = asyncio.get_running_loop().call_later(self._idle_s, self._forget, home)

    def _forget(self, home: _Home) -> None:
        """Use this referral no more; its link closes when nobody uses it."""
        home.forgotten = True
        if self._homes.get(home.referral.operator_id) is home:
            del self._homes[home.referral.operator_id]
        if home.idle is not None:
            home.idle.cancel()
            home.idle = None
        if home.users == 0 and home.link is not None:
            self._spawn(home.link.close())

    # --- referrals ------------------------------------------------------------------------------------------

    def _find(self, key: str) -> _Home | None:
        """The home that fits a token best."""
        best = max(self._homes.values(), key=lambda home: home.knows(key), default=None)
        return best if best is not None and best.knows(key) >= 0 else None

    async def _referred(self, id_tag: str) -> _Home:
        key = id_key(id_tag)
        if self._lookups:  # one that is under way may be for the same home
            await asyncio.wait(self._lookups.values())
            home = self._find(key)
            if home is not None:
                return home
        if key not in self._lookups:
            lookup = asyncio.create_task(self._look_up(id_tag))
            self._lookups[key] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(key))
            lookup.add_done_callback(_retrieve)
        return await asyncio.shield(self._lookups[key])

    async def _look_up(self, id_tag: str) -> _Home:
        try:
            referral = await self._directory.lookup(id_tag)
        except RoamingRefused as refused:
            raise NoReferralError(str(refused)) from refused
        home = self._homes.setdefault(referral.operator_id, _Home(referral, set()))
        home.referral = referral
        home.id_keys.add(id_key(id_tag))
        return home

    # --- links ----------------------------------------------------------------------------------------------

    async def _linked(self, home: _Home, spent: dict[str, float]) -> Link:
        if home.link is not None and not home.link.lost:
            return home.link
        if home.dialling is None:
            home.dialling = asyncio.create_task(self._dial(home))
            home.dialling.add_done_callback(_retrieve)
        return await _timed(spent, "dial", asyncio.shield(home.dialling))

    async def _dial(self, home: _Home) -> Link:
        try:
            url = link_url(home.referral.url, self._operator_id)
            connection = await dial(
                url,
                subprotocols=(WINDOWED_SUBPROTOCOL, SUBPROTOCOL),
                max_size=MAX_SIZE,
                authorization=bearer(home.referral.ticket),
                tls=self._tls if url.startswith("wss:") else None,
                open_timeout_s=self._limits.call_timeout_s,
            )
            peer = home.referral.operator_id
            home.link = Link(connection, peer=peer, handlers={}, limits=self._limits, trace=self._trace)
            self._spawn(self._read(home.link))
            return home.link
        finally:
            home.dialling = None

    async def _read(self, link: Link) -> None:
        self._links.add(link)
        log.info("peer_linked", peer=link.peer)
        reason = await link.run()
        self._links.discard(link)
        log.info("peer_unlinked", peer=link.peer, because=reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _timed(spent: dict[str, float], part: str, work: Awaitable[T]) -> T:
    began = time.perf_counter()
    try:
        return await work
    finally:
        spent[part] = spent.get(part, 0.0) + time.perf_counter() - began


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Whoever waits is told of a failure; if nobody waits any more it is no news."""
    if not task.cancelled():
        task.exception()
