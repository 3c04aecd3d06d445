"""The store without a disk, for simulations: dictionaries that are gone with the process.

It passes the same contract suite as SQLite does. A write is one step because nothing in it awaits; what
`decide` raises comes before anything is changed.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from cascade.roaming.model import id_key
from cascade.roaming.tokens import PublishTokens, Token, TokensPublished, WhitelistPage
from nap.records import (
    Endpoint,
    HeldToken,
    Mode,
    Operator,
    OperatorStanding,
    Publication,
    PublicationFacts,
)
from nap.store.keys import new_ticket_key
from nap.store.memory_cdrs import MemoryAuthorizations, MemoryCdrs
from nap.store.memory_state import Account, Part, Row, State

R = TypeVar("R")


class MemoryOperators(Part):
    """Operators, their agreements and their credentials."""

    async def add(self, *entered: tuple[Operator, str], now: datetime) -> list[str]:
        """Enter operators, all or none; returns the ids that are taken."""
        accounts = {
            operator.operator_id: Account(operator, secret_hash, now) for operator, secret_hash in entered
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


class MemoryTokens(Part):
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

    def _facts(self, account: Account, message: PublishTokens) -> PublicationFacts:
        keys = [id_key(token.id_tag) for token in message.tokens]
        rows = {key: self._state.tokens[key] for key in keys if key in self._state.tokens}
        prefix_owners = {key: self._state.prefix_owner(key) for key in keys}
        return PublicationFacts(
            published_version=account.published_version,
            owners={key: row.home for key, row in rows.items() if not row.token.deleted},
            prefix_owners={key: owner for key, owner in prefix_owners.items() if owner is not None},
        )

    def _put(self, account: Account, token: Token) -> None:
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
        self._state.tokens[key] = Row(token, home, listed, moved, version, account.generation)

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


class MemoryEndpoints(Part):
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


class MemoryStore:
    """Everything the hub keeps, in this process.

    Args:
        now: the time; the first epoch is made of it.
        ticket_key: the hub's Ed25519 private key, PEM; a new one if not given.
    """

    def __init__(self, now: datetime, *, ticket_key: str | None = None) -> None:
        self._state = state = State(epoch=int(now.timestamp()))
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
