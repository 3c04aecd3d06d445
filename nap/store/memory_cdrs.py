"""CDRs and authorizations in the store without a disk."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Authorization, Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.model import id_key
from cascade.roaming.tokens import TokenStatus
from nap.records import (
    AuthorizationRecord,
    Backlog,
    CdrFacts,
    CdrOutcome,
    CdrState,
    LedgerRow,
    RefusedCdr,
    StoredCdr,
)
from nap.store.memory_state import Custody, Part


class MemoryCdrs(Part):
    """CDRs in the hub's custody."""

    async def take(
        self,
        visited: str,
        cdrs: Sequence[Cdr],
        decide: Callable[[Cdr, CdrFacts], StoredCdr | None],
        now: datetime,
    ) -> list[StoredCdr | RoamingRefused]:
        """Load the facts, decide, and store, one after the other and all in one step."""
        before = dict(self._state.cdrs), dict(self._state.refused)
        try:
            return [self._take(visited, cdr, decide, now) for cdr in cdrs]
        except Exception:
            self._state.cdrs, self._state.refused = before
            raise

    def _take(
        self,
        visited: str,
        cdr: Cdr,
        decide: Callable[[Cdr, CdrFacts], StoredCdr | None],
        now: datetime,
    ) -> StoredCdr | RoamingRefused:
        refusal = visited, cdr.cdr_id, cdr.digest()
        try:
            stored = decide(cdr, self._facts(visited, cdr))
        except RoamingRefused as refused:
            self._state.refused[refusal] = RefusedCdr(cdr, visited, str(refused), now)
            return refused
        if stored is None:
            return self._state.cdrs[cdr.cdr_id].stored
        self._state.cdrs[cdr.cdr_id] = Custody(stored)
        self._state.refused.pop(refusal, None)
        return stored

    def _facts(self, visited: str, cdr: Cdr) -> CdrFacts:
        known = self._state.cdrs.get(cdr.cdr_id)
        key = id_key(cdr.id_tag)
        row = self._state.tokens.get(key)
        if cdr.authorization is Authorization.WHITELIST:
            authorized = row is not None and row.listed > 0
        else:
            record = self._state.authorizations.get((visited, cdr.authorization_reference or ""))
            authorized = (
                record is not None and record.id_key == key and record.status == TokenStatus.ACCEPTED.value
            )
        return CdrFacts(
            known_digest=known.stored.digest if known else None,
            home=row.home if row else self._state.prefix_owner(key),
            authorized=authorized,
            original=self._stored(cdr.credit_reference_id),
            cancelled_by=self._cancelled_by(cdr.credit_reference_id),
        )

    def _stored(self, cdr_id: UUID | None) -> StoredCdr | None:
        custody = None if cdr_id is None else self._state.cdrs.get(cdr_id)
        return None if custody is None else custody.stored

    def _cancelled_by(self, cdr_id: UUID | None) -> UUID | None:
        if cdr_id is None:
            return None
        held = (custody.stored.cdr for custody in self._state.cdrs.values())
        return next((cdr.cdr_id for cdr in held if cdr.credit_reference_id == cdr_id), None)

    def queued(self, home: str, limit: int) -> list[StoredCdr]:
        """The next CDRs that wait for delivery to an operator, in the order they came."""
        return [
            custody.stored
            for custody in self._state.cdrs.values()
            if custody.stored.home == home and custody.stored.state is CdrState.QUEUED
        ][:limit]

    def backlogs(self) -> list[Backlog]:
        """What waits for delivery, by operator."""
        waiting: dict[str, list[datetime]] = {}
        for custody in self._state.cdrs.values():
            if custody.stored.state is CdrState.QUEUED:
                waiting.setdefault(custody.stored.home, []).append(custody.stored.received_at)
        return [Backlog(home, len(times), times[0]) for home, times in sorted(waiting.items())]

    async def redeliver(self, home: str, since: datetime) -> int:
        """Offer an operator again what it has acknowledged and came since a moment; returns how many."""
        acknowledged = [
            custody
            for custody in self._state.cdrs.values()
            if custody.stored.home == home
            and custody.stored.received_at >= since.replace(microsecond=0)
            and custody.stored.state in {CdrState.DELIVERED, CdrState.ACCEPTED}
        ]
        for custody in acknowledged:
            custody.stored = replace(custody.stored, state=CdrState.QUEUED, settled_at=None)
            custody.told = True
        return len(acknowledged)

    def untold(self, visited: str, limit: int) -> list[CdrOutcome]:
        """What has become of CDRs of the visited operator, and it has not been told yet."""
        untold = (
            custody.stored
            for custody in self._state.cdrs.values()
            if custody.stored.visited == visited and not custody.told
        )
        return [CdrOutcome(one.cdr.cdr_id, one.state, one.reason) for one in islice(untold, limit)]

    def find(self, *, state: CdrState | None, operator_id: str | None, limit: int) -> list[StoredCdr]:
        """CDRs, the newest first, of one state or any, to or from one operator or all."""
        return [
            custody.stored
            for custody in reversed(self._state.cdrs.values())
            if state in {None, custody.stored.state}
            and operator_id in {None, custody.stored.visited, custody.stored.home}
        ][:limit]

    def ledger(self, period: Period) -> list[LedgerRow]:
        """The CDRs of the sessions that ended in a period, in the order they came."""
        custodies = (custody.stored for custody in self._state.cdrs.values())
        return [
            LedgerRow(
                cdr_id=stored.cdr.cdr_id,
                digest=stored.digest,
                visited=stored.visited,
                home=stored.home,
                energy_wh=stored.cdr.energy_wh,
                is_credit=stored.cdr.credit_reference_id is not None,
                state=stored.state,
            )
            for stored in custodies
            if period.start <= stored.cdr.session_end < period.end
        ]

    def refused(self, *, operator_id: str | None, limit: int) -> list[RefusedCdr]:
        """CDRs that were not taken, the newest refusal first, from one operator or all."""
        found = [one for one in self._state.refused.values() if operator_id in {None, one.visited}]
        return sorted(found, key=lambda one: one.refused_at, reverse=True)[:limit]

    async def prune_refused(self, before: datetime) -> int:
        """Forget older refusals; returns how many."""
        kept = {key: one for key, one in self._state.refused.items() if one.refused_at >= before}
        pruned = len(self._state.refused) - len(kept)
        self._state.refused = kept
        return pruned

    async def settle(self, outcomes: Sequence[CdrOutcome], now: datetime) -> None:
        """What the home operator said about CDRs."""
        for cdr_id, state, reason in outcomes:
            custody = self._state.cdrs[cdr_id]
            custody.stored = replace(custody.stored, state=state, reason=reason, settled_at=now)
            custody.told = False

    async def note_told(self, told: Sequence[CdrOutcome]) -> None:
        """The visited operator knows these; a CDR that is in another state by now is still to be told."""
        for outcome in told:
            custody = self._state.cdrs[outcome.cdr_id]
            custody.told = custody.told or custody.stored.state is outcome.state

    async def requeue(self, cdr_id: UUID) -> bool:
        """Offer a rejected CDR to the home operator again, and its credit with it; False if there is none."""
        rejected = [
            custody
            for custody in self._state.cdrs.values()
            if cdr_id in {custody.stored.cdr.cdr_id, custody.stored.cdr.credit_reference_id}
            and custody.stored.state is CdrState.REJECTED
        ]
        for custody in rejected:
            custody.stored = replace(custody.stored, state=CdrState.QUEUED, reason=None, settled_at=None)
            custody.told = True
        return bool(rejected)


class MemoryAuthorizations(Part):
    """Authorizations that the hub has answered."""

    async def record(self, records: Sequence[AuthorizationRecord]) -> None:
        """Keep them. A message id that an operator uses again takes the place of its older use."""
        self._state.authorizations.update({(record.visited, record.message_id): record for record in records})

    async def prune(self, before: datetime) -> int:
        """Forget those older; returns how many."""
        kept = {key: r for key, r in self._state.authorizations.items() if r.decided_at >= before}
        pruned = len(self._state.authorizations) - len(kept)
        self._state.authorizations = kept
        return pruned
