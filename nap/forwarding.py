"""CDR forwarding: from the hub's custody home, and the outcome back to the visited operator.

The store is the queue. Each operator has one courier at most: it carries CDRs home in the order they came, one
after the other, then the outcomes of the operator's own CDRs; it rests when there is nothing left, or when its
link fails, and is woken by a new CDR or a new link. Nothing is forgotten that was not acknowledged.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from cascade.errors import CallFailed, RoamingRefused, StoreError
from cascade.roaming.cdrs import CdrReceipt, CdrStatus, DeliveryStatus, Noted, ReceiptStatus
from nap.bus.port import Bus
from nap.records import CdrState, StoredCdr
from nap.store.port import Store
from nap.telemetry import Metrics

log = structlog.get_logger()

BATCH = 100
RETRY_S = 5.0
"""How long a courier rests when a linked operator does not answer, or the store does not take the outcome."""


class Forwarding:
    """The couriers."""

    def __init__(self, store: Store, bus: Bus, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._woken: set[str] = set()

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
                await self._round(operator_id)
        finally:
            del self._couriers[operator_id]  # in one step with the last look at `_woken`

    async def _round(self, operator_id: str) -> None:
        try:
            while await self._deliver_batch(operator_id) or await self._tell_batch(operator_id):
                pass
        except (CallFailed, StoreError) as error:
            log.warning("courier_rests", operator=operator_id, because=str(error))
            # woken meanwhile, say by a link that took over from the one that failed: try again at once
            if self._bus.linked(operator_id) and operator_id not in self._woken:
                await asyncio.sleep(RETRY_S)
                self._woken.add(operator_id)

    async def _deliver_batch(self, home: str) -> bool:
        batch = self._store.cdrs.queued(home, BATCH)
        for stored in batch:
            await self._deliver(stored)
        return bool(batch)

    async def _deliver(self, stored: StoredCdr) -> None:
        started = time.perf_counter()
        state, reason = await self._offer(stored)
        await self._store.cdrs.settle(stored.cdr.cdr_id, state, reason, self._clock())
        self._metrics.cdrs.labels(state.value.lower()).inc()
        log.info(
            "cdr",
            cdr_id=str(stored.cdr.cdr_id),
            stage=state.value.lower(),
            visited=stored.visited,
            home=stored.home,
            reason=reason,
            home_ms=round((time.perf_counter() - started) * 1000, 3),
        )
        self.wake(stored.visited)

    async def _offer(self, stored: StoredCdr) -> tuple[CdrState, str | None]:
        try:
            receipt = await self._bus.ask(stored.home, stored.cdr, CdrReceipt)
        except RoamingRefused as refused:
            return CdrState.REJECTED, str(refused)
        if (receipt.cdr_id, receipt.digest) != (stored.cdr.cdr_id, stored.digest):
            return CdrState.REJECTED, "BadReceipt: the home operator's receipt is not for this CDR"
        if receipt.status is ReceiptStatus.ACCEPTED:
            return CdrState.ACCEPTED, None
        return CdrState.DELIVERED, None

    async def _tell_batch(self, visited: str) -> bool:
        batch = self._store.cdrs.untold(visited, BATCH)
        for stored in batch:
            status = CdrStatus(
                cdr_id=stored.cdr.cdr_id,
                status=DeliveryStatus(stored.state.value),
                reason=stored.reason and stored.reason[:500],
            )
            try:
                await self._bus.ask(visited, status, Noted)
            except RoamingRefused as refused:
                log.warning("cdr_status_refused", visited=visited, because=str(refused))
            await self._store.cdrs.note_told(stored.cdr.cdr_id)
        return bool(batch)
