"""CDR forwarding: from the hub's custody home, and the outcome back to the visited operator.

The store is the queue. Each operator has one courier at most: it carries CDRs home in the order they came, as
many in one message as wait, then the outcomes of the operator's own CDRs; it rests when there is nothing left,
or when its link fails, and is woken by a new CDR or a new link. Nothing is forgotten that was not acknowledged.

A backlog costs the others little: one message for each operator is under way, its next only when that is
settled, and between any two steps those are served who have asked meanwhile.

What is not answered together is offered one by one. An operator that cannot answer for one CDR is offered those
behind it all the same, except its credit, and that one again after a rest.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from cascade.errors import BadResultError, CallFailed, PeerError, RoamingRefused, StoreError
from cascade.handover import BATCH, HELD_MAX, NOT_ANSWERED, NOT_AS_A_WHOLE, Held, hand_over
from cascade.roaming.cdrs import (
    CdrReceipt,
    CdrStatus,
    CdrStatusBatch,
    DeliveryStatus,
    Noted,
    ReceiptStatus,
)
from cascade.roaming.model import Refusal
from nap.bus.port import Bus
from nap.records import CdrOutcome, CdrState, StoredCdr
from nap.store.port import Store
from nap.telemetry import Metrics

log = structlog.get_logger()

RETRY_S = 5.0
"""How long a courier rests when a linked operator does not answer, or the store does not take the outcome."""


@dataclass(slots=True)
class _Round:
    """What a courier has found out since its last rest."""

    held: Held = field(default_factory=Held)
    """CDRs that the operator could not answer for."""
    delivers: bool = True
    """Whether the operator takes CDRs at all."""
    tells: bool = True
    """Whether the operator can be told what has become of its own."""


class Forwarding:
    """The couriers."""

    def __init__(self, store: Store, bus: Bus, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._woken: set[str] = set()
        self._relinked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Operators that have a new link since their courier's last round began."""

    def linked(self, operator_id: str) -> None:
        """An operator has a new link: what made its courier rest may be over."""
        self._relinked[operator_id].set()
        self.wake(operator_id)

    def wake(self, operator_id: str) -> None:
        """There may be something to carry to this operator."""
        if not self._bus.linked(operator_id):
            return
        self._woken.add(operator_id)
        if operator_id not in self._couriers:
            self._couriers[operator_id] = asyncio.create_task(self._carry(operator_id))

    async def stop(self) -> None:
        """Send the couriers home; what they had in hand stays in the store."""
        couriers = list(self._couriers.values())
        for courier in couriers:
            courier.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)

    async def _carry(self, operator_id: str) -> None:
        try:
            while operator_id in self._woken:
                self._woken.discard(operator_id)
                self._relinked[operator_id].clear()
                await self._round(operator_id)
        finally:
            del self._couriers[operator_id]  # in one step with the last look at `_woken`

    async def _round(self, operator_id: str) -> None:
        """Carry until nothing waits; rest if something had to stay."""
        carried = _Round()
        try:
            while True:
                delivered = carried.delivers and await self._deliver_some(operator_id, carried)
                told = carried.tells and await self._tell_some(operator_id, carried)
                if not (delivered or told):
                    break
        except (CallFailed, StoreError) as error:
            await self._rest(operator_id, str(error))
        except Exception:
            log.exception("courier_failed", operator=operator_id)
            await self._rest(operator_id, "of a fault of the hub")
        else:
            if carried.held or not carried.tells:
                await self._rest(operator_id, "there is something that it cannot answer for")

    async def _rest(self, operator_id: str, because: str) -> None:
        """Wait for a while or a new link, but not only for another CDR: that would be no rest."""
        log.warning("courier_rests", operator=operator_id, because=because)
        if self._bus.linked(operator_id):
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._relinked[operator_id].wait()
            self._woken.add(operator_id)

    # --- home -----------------------------------------------------------------------------------------------

    async def _deliver_some(self, home: str, carried: _Round) -> bool:
        """Deliver the next CDRs but those held; False if there are none."""
        queued = self._store.cdrs.queued(home, BATCH + len(carried.held))
        batch = [stored for stored in queued if not carried.held.holds(stored.cdr)][:BATCH]
        await _live_first()
        if len(batch) > 1 and await self._deliver_together(home, batch):
            return True
        if batch:
            await self._deliver_each(home, batch, carried)
        return bool(batch)

    async def _deliver_together(self, home: str, batch: Sequence[StoredCdr]) -> bool:
        """Deliver several; False if they were not answered for as a whole, and may be each."""
        try:
            await self._deliver(home, batch)
        except NOT_AS_A_WHOLE as error:
            log.info("batch_not_taken", operator=home, count=len(batch), because=str(error))
            return False
        return True

    async def _deliver_each(self, home: str, batch: Sequence[StoredCdr], carried: _Round) -> None:
        """Deliver each alone, and hold those that are not answered for; if all are, it is not them."""
        settled = 0
        for stored in batch:
            if carried.held.holds(stored.cdr):
                continue
            try:
                await self._deliver(home, [stored])
                settled += 1
            except NOT_ANSWERED as error:
                log.warning("cdr_waits", cdr_id=str(stored.cdr.cdr_id), home=home, because=str(error))
                carried.held.hold(stored.cdr)
        carried.delivers = settled > 0 and len(carried.held) < HELD_MAX

    async def _deliver(self, home: str, batch: Sequence[StoredCdr]) -> None:
        """Deliver, and write down together what the operator says of each."""
        began = time.perf_counter()
        said = await hand_over(partial(self._bus.ask, home), [stored.cdr for stored in batch])
        home_ms = round((time.perf_counter() - began) * 1000, 3)
        outcomes = [_outcome(stored, one) for stored, one in zip(batch, said, strict=True)]
        await self._store.cdrs.settle(outcomes, self._clock())
        for stored, outcome in zip(batch, outcomes, strict=True):
            stage = outcome.state.value.lower()
            self._metrics.cdrs.labels(stage).inc()
            log.info(
                "cdr",
                cdr_id=str(outcome.cdr_id),
                stage=stage,
                visited=stored.visited,
                home=stored.home,
                reason=outcome.reason,
                together=len(batch),
                home_ms=home_ms,
            )
        for visited in dict.fromkeys(stored.visited for stored in batch):
            await _live_first()
            self.wake(visited)

    # --- and back -------------------------------------------------------------------------------------------

    async def _tell_some(self, visited: str, carried: _Round) -> bool:
        """Tell the visited operator the next outcomes; False if there are none."""
        batch = self._store.cdrs.untold(visited, BATCH)
        if len(batch) > 1 and await self._tell_together(visited, batch):
            await self._store.cdrs.note_told(batch)
            return True
        for outcome in batch:
            try:
                await self._bus.ask(visited, _status(outcome), Noted)
            except RoamingRefused as refused:
                log.warning("cdr_status_refused", visited=visited, because=str(refused))
            except (PeerError, BadResultError) as error:
                log.warning("cdr_status_waits", visited=visited, because=str(error))
                carried.tells = False
                break
            await self._store.cdrs.note_told([outcome])
        return bool(batch)

    async def _tell_together(self, visited: str, batch: Sequence[CdrOutcome]) -> bool:
        try:
            await self._bus.ask(visited, CdrStatusBatch(statuses=tuple(map(_status, batch))), Noted)
        except NOT_AS_A_WHOLE as error:
            log.info("batch_not_taken", operator=visited, count=len(batch), because=str(error))
            return False
        return True


async def _live_first() -> None:
    """Let what drivers have asked meanwhile be answered: what is carried has time."""
    await asyncio.sleep(0)


def _outcome(stored: StoredCdr, said: CdrReceipt | Refusal) -> CdrOutcome:
    cdr_id = stored.cdr.cdr_id
    if isinstance(said, Refusal):
        return CdrOutcome(cdr_id, CdrState.REJECTED, str(said))
    if (said.cdr_id, said.digest) != (cdr_id, stored.digest):
        return CdrOutcome(
            cdr_id, CdrState.REJECTED, "BadReceipt: the home operator's receipt is not for this CDR"
        )
    accepted = said.status is ReceiptStatus.ACCEPTED
    return CdrOutcome(cdr_id, CdrState.ACCEPTED if accepted else CdrState.DELIVERED)


def _status(outcome: CdrOutcome) -> CdrStatus:
    return CdrStatus(
        cdr_id=outcome.cdr_id,
        status=DeliveryStatus(outcome.state.value),
        reason=outcome.reason and outcome.reason[:500],
    )
