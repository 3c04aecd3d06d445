"""What we answer as the home operator: questions about our drivers, and CDRs of their sessions elsewhere.

The hub and our peers ask the same; only who asks differs. An answer about a driver leaves before it is
recorded: the record is for the CDR that comes much later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from cascade.errors import RoamingRefused, StoreError
from cascade.frames import Call, Payload
from cascade.link import Handler
from cascade.logs import masked
from cascade.recorder import Recorder
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt
from cascade.roaming.model import Refusal
from cascade.roaming.tokens import id_tag_info
from cascade.tasks import Afterwards
from cpo_central.cdrs.decisions import HomeAuthorization
from cpo_central.cdrs.intake import Intake
from cpo_central.drivers.tokens import TokenStore

log = structlog.get_logger()

RECORD_INTERVAL_S = 0.1
"""How often answered authorizations are written down together."""

KEEP = timedelta(days=90)
"""How long after our answer a CDR may come that refers to it, and how long a refused one is shown."""

PRUNE_INTERVAL_S = 86_400

HUB = "hub"
"""The hub's name in logs and traces."""


class Home:
    """Answers the hub and peers about our drivers."""

    def __init__(self, tokens: TokenStore, cdrs: Intake) -> None:
        self._tokens = tokens
        self._cdrs = cdrs
        self._recorder: Recorder[HomeAuthorization] = Recorder(
            cdrs.record_authorizations, interval_s=RECORD_INTERVAL_S
        )
        self._afterwards = Afterwards()

    def authorize(self, asked_by: str | None) -> Handler:
        """The Authorize handler of a link with a peer, or with the hub if `asked_by` is None."""

        async def handle(call: Call) -> Payload:
            id_tag, now = call.payload["idTag"], datetime.now(UTC)
            info = id_tag_info(self._tokens.find(id_tag), now)
            answer = HomeAuthorization(id_tag, asked_by, call.message_id, info["status"], now)
            self._afterwards.do(lambda: self._note(answer))
            return {"idTagInfo": info}

        return handle

    def _note(self, answer: HomeAuthorization) -> None:
        self._recorder.record(answer)
        log.info(
            "home_authorization",
            asked_by=answer.asked_by or HUB,
            id_tag=masked(answer.id_tag),
            status=answer.status,
        )

    def cdr(self, sender: str | None) -> Callable[[Cdr], Awaitable[CdrReceipt]]:
        """The Cdr handler of a link with a peer, or with the hub if `sender` is None."""

        async def handle(cdr: Cdr) -> CdrReceipt:
            (outcome,) = await self._take([cdr], sender)
            if isinstance(outcome, Refusal):
                raise RoamingRefused(outcome.code, outcome.detail)
            return outcome

        return handle

    def cdr_batch(self, sender: str | None) -> Callable[[CdrBatch], Awaitable[CdrOutcomes]]:
        """The CdrBatch handler of a link with a peer, or with the hub if `sender` is None."""

        async def handle(batch: CdrBatch) -> CdrOutcomes:
            return CdrOutcomes(outcomes=tuple(await self._take(batch.cdrs, sender)))

        return handle

    async def _take(self, cdrs: Sequence[Cdr], sender: str | None) -> list[CdrReceipt | Refusal]:
        began = time.perf_counter()
        await self._recorder.flush()
        outcomes = await self._cdrs.take(cdrs, sender, datetime.now(UTC))
        ms = round((time.perf_counter() - began) * 1000, 3)
        for cdr, outcome in zip(cdrs, outcomes, strict=True):
            log.info(
                "cdr",
                cdr_id=str(cdr.cdr_id),
                stage="received",
                route="hub" if sender is None else "peer",
                operator=cdr.operator_id,
                status="Refused" if isinstance(outcome, Refusal) else outcome.status.value,
                reason=str(outcome) if isinstance(outcome, Refusal) else None,
                ms=ms,
            )
        return outcomes

    async def run(self) -> None:
        """Write down at intervals what was answered, and forget what is old, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._prune())

    async def _prune(self) -> None:
        while True:
            try:
                pruned = await self._cdrs.prune(datetime.now(UTC) - KEEP)
                log.info("home_pruned", count=pruned)
            except StoreError as error:
                log.warning("home_not_pruned", because=str(error))
            await asyncio.sleep(PRUNE_INTERVAL_S)

    async def stop(self) -> None:
        """Write down the last of it."""
        await self._recorder.flush()
