"""What the hub needs kept, in the hub's words. The store says what is true; the bus says who can be reached.

Reads of single facts are synchronous: an adapter answers them in microseconds in the event loop. Writes are
awaited: when they return, they are committed. Where a decision must see its facts and take effect in one
step, the write takes the decision as a function and calls it inside its transaction.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.tokens import PublishTokens, TokensPublished, WhitelistPage
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

R = TypeVar("R")


class Operators(Protocol):
    """Operators, their agreements and their credentials."""

    async def add(self, *entered: tuple[Operator, str], now: datetime) -> list[str]:
        """Enter operators, each with the hash of its credential: all of them, or none.

        Returns the ids that are taken, whose presence keeps all of them out; none if all were entered.
        """
        ...

    async def change(
        self,
        operator_id: str,
        *,
        enabled: bool | None = None,
        consents: frozenset[Mode] | None = None,
        wants: tuple[Mode, ...] | None = None,
        secret_hash: str | None = None,
    ) -> bool:
        """Change what is given; False if there is no such operator.

        Tokens that thereby enter or leave the whitelist get new versions, so that replicas follow.
        """
        ...

    def get(self, operator_id: str) -> Operator | None:
        """The operator, if there is one."""
        ...

    def secret_hash(self, operator_id: str) -> str | None:
        """What its credential is verified against; None if there is no such operator or it is disabled."""
        ...

    def standings(self) -> list[OperatorStanding]:
        """All operators, by id."""
        ...

    async def note_link(self, operator_id: str, *, linked: bool, now: datetime) -> None:
        """Remember that an operator's link has come up or gone."""
        ...

    async def forget_links(self) -> None:
        """Nobody is linked: the hub starts."""
        ...


class Tokens(Protocol):
    """The tokens that the hub holds, and the whitelist made of them."""

    def find(self, id_tag: str) -> HeldToken | None:
        """The token, by exact match without case; also one that was deleted."""
        ...

    def version(self) -> tuple[int, int]:
        """The epoch, and the number of the last change."""
        ...

    async def publish(
        self,
        operator_id: str,
        message: PublishTokens,
        decide: Callable[[PublicationFacts], Publication],
    ) -> TokensPublished:
        """Load the facts, decide, and carry out a publication, in one step. What `decide` raises comes back."""
        ...

    def whitelist_page(self, visited: str, *, epoch: int, version: int, limit: int) -> WhitelistPage:
        """The changes of the whitelist since a version, without the operator's own tokens."""
        ...

    async def begin_epoch(self, now: datetime) -> int:
        """Make every replica start over, as after a backup was restored; returns the new epoch."""
        ...


class Endpoints(Protocol):
    """Peer endpoints, and the idTag prefixes of operators."""

    async def publish(
        self,
        operator_id: str,
        url: str | None,
        prefixes: Sequence[str],
        decide: Callable[[dict[str, str], frozenset[str]], R],
        granted: Callable[[R], Sequence[str]],
    ) -> R:
        """Replace an operator's endpoint and prefixes, in one step.

        Args:
            operator_id: whose.
            url: the peer endpoint, or None for none.
            prefixes: those asked for.
            decide: from every registered prefix and its owner, and the keys of those asked for under which
                other operators have tokens, to a decision.
            granted: the prefixes in a decision.
        """
        ...

    def get(self, operator_id: str) -> Endpoint | None:
        """An operator's endpoint, if it has published one."""
        ...

    def prefix_owner(self, id_tag: str) -> str | None:
        """Whose longest registered prefix the token begins with."""
        ...


class Cdrs(Protocol):
    """CDRs in the hub's custody."""

    async def take(
        self,
        visited: str,
        cdrs: Sequence[Cdr],
        decide: Callable[[Cdr, CdrFacts], StoredCdr | None],
        now: datetime,
    ) -> list[StoredCdr | RoamingRefused]:
        """Load the facts, decide, and store, one after the other and all in one step.

        Args:
            visited: the operator that sends them.
            cdrs: in this order; each is decided on with those before it in custody.
            decide: returns what to store, or None if it is in custody already; raises RoamingRefused.
            now: when those that are refused are.

        Returns:
            For each the CDR that is in custody under this id, or why it is not taken, which is kept too.
        """
        ...

    def queued(self, home: str, limit: int) -> list[StoredCdr]:
        """The next CDRs that wait for delivery to an operator, in the order they came."""
        ...

    def backlogs(self) -> list[Backlog]:
        """What waits for delivery, by operator; those only for whom something waits."""
        ...

    async def settle(self, outcomes: Sequence[CdrOutcome], now: datetime) -> None:
        """What the home operator said about CDRs."""
        ...

    async def requeue(self, cdr_id: UUID) -> bool:
        """Offer a rejected CDR to the home operator again, and its credit with it; False if there is none.

        Without its credit, what was to be corrected would be billed.
        """
        ...

    async def redeliver(self, home: str, since: datetime) -> int:
        """Offer an operator again what it has acknowledged and came since a moment; returns how many.

        For one that has lost them: what it has, it acknowledges again.
        """
        ...

    def untold(self, visited: str, limit: int) -> list[CdrOutcome]:
        """What has become of CDRs of the visited operator, and it has not been told yet."""
        ...

    async def note_told(self, told: Sequence[CdrOutcome]) -> None:
        """The visited operator knows these; a CDR that is in another state by now is still to be told."""
        ...

    def find(self, *, state: CdrState | None, operator_id: str | None, limit: int) -> list[StoredCdr]:
        """CDRs, the newest first, of one state or any, to or from one operator or all."""
        ...

    def refused(self, *, operator_id: str | None, limit: int) -> list[RefusedCdr]:
        """CDRs that were not taken, the newest refusal first, from one operator or all.

        One that is taken after all is here no more.
        """
        ...

    async def prune_refused(self, before: datetime) -> int:
        """Forget older refusals; returns how many."""
        ...

    def ledger(self, period: Period) -> list[LedgerRow]:
        """The CDRs of the sessions that ended in a period, in the order they came."""
        ...


class Authorizations(Protocol):
    """Authorizations that the hub has answered."""

    async def record(self, records: Sequence[AuthorizationRecord]) -> None:
        """Keep them."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget those older; returns how many."""
        ...


class Store(Protocol):
    """All that the hub keeps."""

    @property
    def operators(self) -> Operators: ...  # noqa: D102 - named by its type

    @property
    def tokens(self) -> Tokens: ...  # noqa: D102

    @property
    def endpoints(self) -> Endpoints: ...  # noqa: D102

    @property
    def cdrs(self) -> Cdrs: ...  # noqa: D102

    @property
    def authorizations(self) -> Authorizations: ...  # noqa: D102

    def ticket_key(self) -> str:
        """The hub's Ed25519 private key, PEM; made when the store was created."""
        ...

    def schema_versions(self) -> tuple[int, int]:
        """The schema's version found when the store was opened, and its version now."""
        ...

    async def changed_elsewhere(self) -> bool:
        """Whether somebody else, such as the command line, has written since the last question."""
        ...

    async def close(self) -> None:
        """Finish what waits to be written and close."""
        ...
