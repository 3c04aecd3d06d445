"""The store without a disk, for simulations: dictionaries that are gone with the process.

It passes the same contract suite as SQLite does. A write is one step because nothing in it awaits; what
`decide` raises comes before anything is changed.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar
from uuid import UUID

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Authorization, Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.model import id_key
from cascade.roaming.tokens import PublishTokens, Token, TokensPublished, TokenStatus, WhitelistPage
from nap.records import (
    AuthorizationRecord,
    Backlog,
    CdrFacts,
    CdrOutcome,
    CdrState,
    Endpoint,
    HeldToken,
    LedgerRow,
    Mode,
    Operator,
    OperatorStanding,
    Publication,
    PublicationFacts,
    RefusedCdr,
    StoredCdr,
)
from nap.store.keys import new_ticket_key

R = TypeVar("R")


@dataclass(slots=True)
class _Account:
    operator: Operator
    secret_hash: str
    created_at: datetime
    linked: bool = False
    link_changed_at: datetime | None = None
    endpoint_url: str | None = None
    published_version: int = 0
    generation: int = 0

    @property
    def lists(self) -> bool:
        """Whether its tokens are on the whitelist."""
        return self.operator.enabled and Mode.WHITELIST in self.operator.consents


@dataclass(slots=True)
class _Row:
    """A token; `listed` and `moved` are those of `nap.store.sqlite_tokens`."""

    token: Token
    home: str
    listed: int
    moved: bool
    version: int
    generation: int


@dataclass(slots=True)
class _Custody:
    stored: StoredCdr
    told: bool = True


@dataclass(slots=True)
class _State:
    epoch: int
    version: int = 0
    accounts: dict[str, _Account] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, _Row] = field(default_factory=dict)
    cdrs: dict[UUID, _Custody] = field(default_factory=dict)
    refused: dict[tuple[str, UUID, str], RefusedCdr] = field(default_factory=dict)
    authorizations: dict[tuple[str, str], AuthorizationRecord] = field(default_factory=dict)

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def prefixes_of(self, operator_id: str) -> tuple[str, ...]:
        return tuple(sorted(prefix for prefix, owner in self.prefixes.items() if owner == operator_id))

    def prefix_owner(self, key: str) -> str | None:
        beginnings = (key[:length] for length in range(len(key), 1, -1))
        return next((self.prefixes[prefix] for prefix in beginnings if prefix in self.prefixes), None)

    def held_by(self, home: str) -> int:
        return sum(not row.token.deleted and row.home == home for row in self.tokens.values())


class _Part:
    def __init__(self, state: _State) -> None:
        self._state = state


class MemoryOperators(_Part):
    """Operators, their agreements and their credentials."""

    async def add(self, *entered: tuple[Operator, str], now: datetime) -> list[str]:
        """Enter operators, all or none; returns the ids that are taken."""
        accounts = {
            operator.operator_id: _Account(operator, secret_hash, now) for operator, secret_hash in entered
        }
        taken = [operator_id for operator_id in accounts if operator_id in self._state.accounts]
        if not taken:
            self._state.accounts |= accounts
        return taken

    async def change(
        self,
        operator_id: str,
        *,
        enabled: bool | None = None,
        consents: frozenset[Mode] | None = None,
        wants: tuple[Mode, ...] | None = None,
        secret_hash: str | None = None,
    ) -> bool:
        """Change what is given; False if there is no such operator."""
        account = self._state.accounts.get(operator_id)
        if account is None:
            return False
        before = account.operator
        account.operator = replace(
            before,
            enabled=before.enabled if enabled is None else enabled,
            consents=before.consents if consents is None else consents,
            wants=before.wants if wants is None else wants,
        )
        account.secret_hash = account.secret_hash if secret_hash is None else secret_hash
        for row in self._state.tokens.values():
            if row.home != operator_id:
                continue
            if account.lists and not row.token.deleted and row.listed != 1:
                row.listed, row.version = 1, self._state.next_version()
            elif not account.lists and row.listed == 1:
                row.listed, row.version = 2, self._state.next_version()
        return True

    def get(self, operator_id: str) -> Operator | None:
        """The operator, if there is one."""
        account = self._state.accounts.get(operator_id)
        return account.operator if account else None

    def secret_hash(self, operator_id: str) -> str | None:
        """What its credential is verified against; None if there is no such operator or it is disabled."""
        account = self._state.accounts.get(operator_id)
        return account.secret_hash if account and account.operator.enabled else None

    def standings(self) -> list[OperatorStanding]:
        """All operators, by id."""
        return [
            OperatorStanding(
                operator=account.operator,
                created_at=account.created_at,
                linked=account.linked,
                link_changed_at=account.link_changed_at,
                endpoint_url=account.endpoint_url,
                id_tag_prefixes=self._state.prefixes_of(operator_id),
                tokens=self._state.held_by(operator_id),
            )
            for operator_id, account in sorted(self._state.accounts.items())
        ]

    async def note_link(self, operator_id: str, *, linked: bool, now: datetime) -> None:
        """Remember that an operator's link has come up or gone."""
        account = self._state.accounts[operator_id]
        account.linked, account.link_changed_at = linked, now

    async def forget_links(self) -> None:
        """Nobody is linked: the hub starts."""
        for account in self._state.accounts.values():
            account.linked = False


class MemoryTokens(_Part):
    """The tokens that the hub holds."""

    def find(self, id_tag: str) -> HeldToken | None:
        """The token, by exact match without case; also one that was deleted."""
        row = self._state.tokens.get(id_key(id_tag))
        return HeldToken(row.token.standing, row.home) if row else None

    def version(self) -> tuple[int, int]:
        """The epoch, and the number of the last change."""
        return self._state.epoch, self._state.version

    async def publish(
        self, operator_id: str, message: PublishTokens, decide: Callable[[PublicationFacts], Publication]
    ) -> TokensPublished:
        """Load the facts, decide, and carry out a publication, in one step."""
        account = self._state.accounts[operator_id]
        publication = decide(self._facts(account, message))
        account.generation += publication.starts_list
        for token in publication.accepted:
            self._put(account, token)
        if publication.ends_list:
            for row in self._state.tokens.values():
                if row.home == operator_id and row.generation < account.generation and not row.token.deleted:
                    self._put(account, row.token.model_copy(update={"deleted": True}))
        account.published_version = self._state.next_version()
        return TokensPublished(version=account.published_version, rejected=publication.rejected)

    def _facts(self, account: _Account, message: PublishTokens) -> PublicationFacts:
        keys = [id_key(token.id_tag) for token in message.tokens]
        rows = {key: self._state.tokens[key] for key in keys if key in self._state.tokens}
        prefix_owners = {key: self._state.prefix_owner(key) for key in keys}
        return PublicationFacts(
            published_version=account.published_version,
            owners={key: row.home for key, row in rows.items() if not row.token.deleted},
            prefix_owners={key: owner for key, owner in prefix_owners.items() if owner is not None},
        )

    def _put(self, account: _Account, token: Token) -> None:
        home, key = account.operator.operator_id, id_key(token.id_tag)
        held = self._state.tokens.get(key)
        if held is not None and (held.token, held.home) == (token, home):
            held.generation = account.generation
            return
        version = self._state.next_version()
        was_listed = held.listed if held is not None else 0
        listed = 1 if account.lists and not token.deleted else 2 if was_listed else 0
        moved = held is not None and (held.moved or (was_listed > 0 and held.home != home))
        if held is not None and listed == was_listed == 2:
            version = held.version
        self._state.tokens[key] = _Row(token, home, listed, moved, version, account.generation)

    def whitelist_page(self, visited: str, *, epoch: int, version: int, limit: int) -> WhitelistPage:
        """The changes of the whitelist since a version, without the operator's own tokens."""
        current_epoch, current = self.version()
        since = version if epoch == current_epoch and version <= current else 0
        rows = heapq.nsmallest(
            limit,
            (
                row
                for row in self._state.tokens.values()
                if row.listed
                and row.version > since
                and (
                    (row.listed == 1 and row.home != visited) or (since and (row.home != visited or row.moved))
                )
            ),
            key=lambda row: row.version,
        )
        more = len(rows) == limit
        return WhitelistPage(
            epoch=current_epoch,
            version=rows[-1].version if more else current,
            more=more,
            changes=tuple(
                Token(id_tag=row.token.id_tag, deleted=True)
                if row.listed == 2 or row.home == visited
                else row.token
                for row in rows
            ),
        )

    async def begin_epoch(self, now: datetime) -> int:
        """Make every replica start over; returns the new epoch."""
        self._state.epoch = max(int(now.timestamp()), self._state.epoch + 1)
        for account in self._state.accounts.values():
            account.published_version = 0
        return self._state.epoch


class MemoryEndpoints(_Part):
    """Peer endpoints, and the idTag prefixes of operators."""

    async def publish(
        self,
        operator_id: str,
        url: str | None,
        prefixes: Sequence[str],
        decide: Callable[[dict[str, str], frozenset[str]], R],
        granted: Callable[[R], Sequence[str]],
    ) -> R:
        """Replace an operator's endpoint and prefixes, in one step."""
        state = self._state
        others = [key for key, row in state.tokens.items() if row.home != operator_id and not row.token.deleted]
        foreign = frozenset(
            prefix for prefix in map(id_key, prefixes) if any(key.startswith(prefix) for key in others)
        )
        decision = decide(dict(state.prefixes), foreign)
        kept = {prefix: owner for prefix, owner in state.prefixes.items() if owner != operator_id}
        state.prefixes = kept | {id_key(prefix): operator_id for prefix in granted(decision)}
        state.accounts[operator_id].endpoint_url = url
        return decision

    def get(self, operator_id: str) -> Endpoint | None:
        """An operator's endpoint, if it has published one."""
        account = self._state.accounts.get(operator_id)
        if account is None or account.endpoint_url is None:
            return None
        return Endpoint(account.endpoint_url, self._state.prefixes_of(operator_id))

    def prefix_owner(self, id_tag: str) -> str | None:
        """Whose longest registered prefix the token begins with."""
        return self._state.prefix_owner(id_key(id_tag))


class MemoryCdrs(_Part):
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
        self._state.cdrs[cdr.cdr_id] = _Custody(stored)
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


class MemoryAuthorizations(_Part):
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


class MemoryStore:
    """Everything the hub keeps, in this process.

    Args:
        now: the time; the first epoch is made of it.
        ticket_key: the hub's Ed25519 private key, PEM; a new one if not given.
    """

    def __init__(self, now: datetime, *, ticket_key: str | None = None) -> None:
        self._state = state = _State(epoch=int(now.timestamp()))
        self._ticket_key = ticket_key or new_ticket_key()
        self.operators = MemoryOperators(state)
        self.tokens = MemoryTokens(state)
        self.endpoints = MemoryEndpoints(state)
        self.cdrs = MemoryCdrs(state)
        self.authorizations = MemoryAuthorizations(state)

    def ticket_key(self) -> str:
        """The hub's Ed25519 private key, PEM."""
        return self._ticket_key

    def schema_versions(self) -> tuple[int, int]:
        """There is no schema."""
        return 0, 0

    async def changed_elsewhere(self) -> bool:
        """Nobody else can write here."""
        return False

    async def close(self) -> None:
        """Nothing waits to be written."""
