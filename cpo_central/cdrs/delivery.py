"""Delivers the outbox: CDRs in order, each destination on its own, until each is acknowledged.

A receipt ends it, a refusal parks the CDR for a person, and no answer means again later. A receiver that is
there but cannot answer for one CDR does not hold up those behind it.
"""

import asyncio
import random
import time
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog

from cascade.client import backoff
from cascade.errors import BadResultError, CallFailed, PeerError, RoamingRefused, StoreError
from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus, Noted, ReceiptStatus
from cpo_central.cdrs.store import CdrState, CdrStore, Destination, Route

log = structlog.get_logger()

ROUND = 100
"""CDRs read from the outbox at once."""


class Receiver(Protocol):
    """Takes CDRs."""

    async def deliver(self, cdr: Cdr) -> CdrReceipt:
        """Deliver one; raises RoamingRefused or CallFailed."""
        ...


class Delivery:
    """Empties the outbox.

    Args:
        store: the CDRs and their outbox.
        hub: takes those of the route `hub`.
        peers: takes those of the route `peer`.
        retry_s: the first and the longest wait before a destination is tried again, in seconds.
    """

    def __init__(
        self, *, store: CdrStore, hub: Receiver, peers: Receiver, retry_s: tuple[float, float]
    ) -> None:
        self._store = store
        self._receivers = {Route.HUB: hub, Route.PEER: peers}
        self._retry_s = retry_s
        self._rng = random.SystemRandom()
        self._woken = asyncio.Event()
        self._hub_is_back = asyncio.Event()
        self._carriers: dict[Destination, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """There may be something new in the outbox."""
        self._woken.set()

    def hub_is_back(self) -> None:
        """The hub is linked again: do not wait any longer to try it."""
        self._hub_is_back.set()
        self.wake()

    async def run(self) -> None:
        """Deliver for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for destination in self._store.destinations():
                        if destination not in self._carriers:
                            carrier = group.create_task(self._carry(destination))
                            self._carriers[destination] = carrier
                            carrier.add_done_callback(partial(self._gone, destination))
                    await self._woken.wait()
                    self._woken.clear()
        finally:
            self._carriers.clear()

    def _gone(self, destination: Destination, _: asyncio.Task[None]) -> None:
        self._carriers.pop(destination, None)
        self.wake()  # a row may have come while it was leaving

    async def _carry(self, destination: Destination) -> None:
        """Deliver to one destination until nothing waits for it."""
        waits = backoff(*self._retry_s, self._rng)
        while cdrs := self._store.waiting(destination, ROUND):
            self._hub_is_back.clear()
            if await self._round(destination, cdrs):
                waits = backoff(*self._retry_s, self._rng)
            else:
                await self._pause(destination, next(waits))

    async def _pause(self, destination: Destination, wait_s: float) -> None:
        if destination.route is Route.PEER:
            await asyncio.sleep(wait_s)
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._hub_is_back.wait()
        except TimeoutError:
            return

    async def _round(self, destination: Destination, cdrs: list[Cdr]) -> bool:
        """Try each in order, a credit only after what it cancels; whether all of them are settled."""
        unsettled: set[UUID] = set()
        for cdr in cdrs:
            if cdr.credit_reference_id in unsettled:
                unsettled.add(cdr.cdr_id)
                continue
            try:
                await self._deliver(destination, cdr)
            except (PeerError, BadResultError) as error:
                unsettled.add(cdr.cdr_id)
                await self._failed(cdr, error)
            except (CallFailed, StoreError) as error:
                await self._failed(cdr, error)
                return False
        return not unsettled

    async def _failed(self, cdr: Cdr, error: CallFailed | StoreError) -> None:
        log.warning("cdr_waits", cdr_id=str(cdr.cdr_id), because=str(error))
        try:
            await self._store.failed(cdr, str(error))
        except StoreError as broken:
            log.warning("cdr_waits", cdr_id=str(cdr.cdr_id), because=str(broken))

    async def _deliver(self, destination: Destination, cdr: Cdr) -> None:
        began = time.perf_counter()
        try:
            receipt = await self._receivers[destination.route].deliver(cdr)
            if receipt.cdr_id != cdr.cdr_id or receipt.digest != cdr.digest():
                raise RoamingRefused("WrongReceipt", "the receiver acknowledged another CDR")  # noqa: TRY301
        except RoamingRefused as refused:
            await self._store.park(cdr, str(refused))
            _report(cdr, "parked", destination, CdrState.PARKED, str(refused), began)
            return
        state = _state(destination.route, receipt.status)
        await self._store.delivered(receipt, state)
        _report(cdr, "delivered", destination, state, None, began)


def _state(route: Route, status: ReceiptStatus) -> CdrState:
    """What a receipt means: the hub's says that it has the CDR, a peer's that the home operator has it."""
    if route is Route.HUB:
        return CdrState.RECEIVED
    return CdrState.ACCEPTED if status is ReceiptStatus.ACCEPTED else CdrState.DELIVERED


def _report(
    cdr: Cdr, stage: str, destination: Destination, state: CdrState, reason: str | None, began: float
) -> None:
    log.info(
        "cdr",
        cdr_id=str(cdr.cdr_id),
        stage=stage,
        route=destination.route.value,
        operator=destination.home_operator_id,
        status=state.value,
        reason=reason,
        ms=round((time.perf_counter() - began) * 1000, 3),
    )


class StatusDesk:
    """Notes what the hub says has become of our CDRs."""

    def __init__(self, store: CdrStore) -> None:
        self._store = store

    async def note(self, status: CdrStatus) -> Noted:
        """The CdrStatus handler of the hub link."""
        known = await self._store.note(status)
        log.info(
            "cdr",
            cdr_id=str(status.cdr_id),
            stage="status",
            route=Route.HUB.value,
            status=status.status.value,
            reason=status.reason if known else "not one of our CDRs",
        )
        return Noted()
