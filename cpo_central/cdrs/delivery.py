"""Delivers the outbox: CDRs in order, each destination on its own, until each is acknowledged.

A receipt ends it, a refusal parks the CDR for a person, and no answer means again later. Many that wait go in
one message; if that is not answered as a whole, they go one by one. A receiver that is there but cannot answer
for one CDR does not hold up those behind it, apart from its credit.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import structlog

from cascade.client import backoff
from cascade.errors import (
    CallFailed,
    StoreError,
)
from cascade.handover import BATCH, HELD_MAX, NOT_ANSWERED, NOT_AS_A_WHOLE, Held
from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus, CdrStatusBatch, Noted, ReceiptStatus
from cascade.roaming.model import Refusal
from cpo_central.cdrs.outbox import CdrState, Destination, Outbox, Route, Settled

log = structlog.get_logger()


class Receiver(Protocol):
    """Takes CDRs."""

    async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        """Deliver 1 to BATCH_MAX CDRs of one destination; returns what became of each, in their order.

        Raises:
            RoamingRefused: several were refused as a batch; each may be taken all the same.
            CallFailed: nothing is known of any.
        """
        ...


class Delivery:
    """Empties the outbox.

    Args:
        store: the CDRs and their outbox.
        hub: takes those of the route `hub`.
        peers: takes those of the route `peer`.
        retry_s: the first and the longest wait before a destination is tried again, in seconds.
    """

    def __init__(self, *, store: Outbox, hub: Receiver, peers: Receiver, retry_s: tuple[float, float]) -> None:
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
        waits = self._waits()
        while True:
            held = Held()
            self._hub_is_back.clear()
            try:
                while await self._round(destination, held):
                    if not held:
                        waits = self._waits()
                if not held:
                    return
            except (CallFailed, StoreError):
                pass  # told with the CDR that was tried
            except Exception:
                log.exception(
                    "delivery_failed", route=destination.route.value, operator=destination.home_operator_id
                )
            await self._pause(destination, next(waits))

    def _waits(self) -> Iterator[float]:
        return backoff(*self._retry_s, self._rng)

    async def _pause(self, destination: Destination, wait_s: float) -> None:
        if destination.route is Route.PEER:
            await asyncio.sleep(wait_s)
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._hub_is_back.wait()
        except TimeoutError:
            return

    async def _round(self, destination: Destination, held: Held) -> bool:
        """Deliver the next that wait and are not held; False if there are none.

        Args:
            destination: theirs.
            held: those that the receiver could not answer for, and their credits; grows.

        Raises:
            CallFailed: the receiver cannot be reached.
            StoreError: what it said could not be written down.
        """
        waiting = self._store.waiting(destination, BATCH + len(held))
        cdrs = [cdr for cdr in waiting if not held.holds(cdr)][:BATCH]
        if not cdrs or len(held) >= HELD_MAX:
            return False
        if len(cdrs) == 1 or not await self._deliver_together(destination, cdrs):
            for cdr in cdrs:
                if not held.holds(cdr):
                    await self._deliver_alone(destination, cdr, held)
        return True

    async def _deliver_together(self, destination: Destination, cdrs: Sequence[Cdr]) -> bool:
        """Deliver several; False if they were not answered for as a whole, and may be each."""
        try:
            await self._deliver(destination, cdrs)
        except NOT_AS_A_WHOLE as error:
            log.info(
                "batch_not_taken",
                route=destination.route.value,
                operator=destination.home_operator_id,
                count=len(cdrs),
                because=str(error),
            )
            return False
        except (CallFailed, StoreError) as error:
            await self._failed(cdrs[0], error)
            raise
        return True

    async def _deliver_alone(self, destination: Destination, cdr: Cdr, held: Held) -> None:
        try:
            await self._deliver(destination, [cdr])
        except NOT_ANSWERED as error:
            held.hold(cdr)
            await self._failed(cdr, error)
        except (CallFailed, StoreError) as error:
            await self._failed(cdr, error)
            raise

    async def _failed(self, cdr: Cdr, error: Exception) -> None:
        log.warning("cdr_waits", cdr_id=str(cdr.cdr_id), because=str(error))
        try:
            await self._store.failed(cdr, str(error))
        except StoreError as broken:
            log.warning("cdr_waits", cdr_id=str(cdr.cdr_id), because=str(broken))

    async def _deliver(self, destination: Destination, cdrs: Sequence[Cdr]) -> None:
        """Deliver, and write down together what the receiver says of each."""
        began = time.perf_counter()
        outcomes = await self._receivers[destination.route].deliver(cdrs)
        settled = [
            _settled(destination.route, cdr, outcome) for cdr, outcome in zip(cdrs, outcomes, strict=True)
        ]
        await self._store.settle(settled)
        ms = round((time.perf_counter() - began) * 1000, 3)
        for one in settled:
            log.info(
                "cdr",
                cdr_id=str(one.cdr_id),
                stage="delivered" if one.receipt else "parked",
                route=destination.route.value,
                operator=destination.home_operator_id,
                status=one.state.value,
                reason=one.reason,
                ms=ms,
            )


def _settled(route: Route, cdr: Cdr, outcome: CdrReceipt | Refusal) -> Settled:
    """What an outcome means; a receipt for something else is none."""
    if isinstance(outcome, Refusal):
        return Settled(cdr.cdr_id, CdrState.PARKED, None, str(outcome))
    if (outcome.cdr_id, outcome.digest) != (cdr.cdr_id, cdr.digest()):
        reason = "WrongReceipt: the receiver acknowledged another CDR"
        return Settled(cdr.cdr_id, CdrState.PARKED, None, reason)
    return Settled(cdr.cdr_id, _state(route, outcome.status), outcome, None)


def _state(route: Route, status: ReceiptStatus) -> CdrState:
    """What a receipt means: the hub's says that it has the CDR, a peer's that the home operator has it."""
    if route is Route.HUB:
        return CdrState.RECEIVED
    return CdrState.ACCEPTED if status is ReceiptStatus.ACCEPTED else CdrState.DELIVERED


class StatusDesk:
    """Notes what the hub says has become of our CDRs."""

    def __init__(self, store: Outbox) -> None:
        self._store = store

    async def note(self, status: CdrStatus) -> Noted:
        """The CdrStatus handler of the hub link."""
        return await self._note([status])

    async def note_batch(self, batch: CdrStatusBatch) -> Noted:
        """The CdrStatusBatch handler of the hub link."""
        return await self._note(batch.statuses)

    async def _note(self, statuses: Sequence[CdrStatus]) -> Noted:
        for status, known in zip(statuses, await self._store.note(statuses), strict=True):
            log.info(
                "cdr",
                cdr_id=str(status.cdr_id),
                stage="status",
                route=Route.HUB.value,
                status=status.status.value,
                reason=status.reason if known else "not one of our CDRs",
            )
        return Noted()
