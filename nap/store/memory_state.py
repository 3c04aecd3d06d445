"""What the store without a disk consists of."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cascade.roaming.tokens import Token
from nap.records import (
    AuthorizationRecord,
    Mode,
    Operator,
    RefusedCdr,
    StoredCdr,
)


@dataclass(slots=True)
class Account:
    """An operator."""

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
class Row:
    """A token; `listed` and `moved` are those of `nap.store.sqlite_tokens`."""

    token: Token
    home: str
    listed: int
    moved: bool
    version: int
    generation: int


@dataclass(slots=True)
class Custody:
    """A CDR, and whether the visited operator has been told its state."""

    stored: StoredCdr
    told: bool = True


@dataclass(slots=True)
class State:
    """All that is kept."""

    epoch: int
    version: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, Row] = field(default_factory=dict)
    cdrs: dict[UUID, Custody] = field(default_factory=dict)
    refused: dict[tuple[str, UUID, str], RefusedCdr] = field(default_factory=dict)
    authorizations: dict[tuple[str, str], AuthorizationRecord] = field(default_factory=dict)

    def next_version(self) -> int:
        """The number of a change."""
        self.version += 1
        return self.version

    def prefixes_of(self, operator_id: str) -> tuple[str, ...]:
        """An operator's prefixes, in order."""
        return tuple(sorted(prefix for prefix, owner in self.prefixes.items() if owner == operator_id))

    def prefix_owner(self, key: str) -> str | None:
        """Whose longest prefix a token's key begins with."""
        beginnings = (key[:length] for length in range(len(key), 1, -1))
        return next((self.prefixes[prefix] for prefix in beginnings if prefix in self.prefixes), None)

    def held_by(self, home: str) -> int:
        """How many tokens an operator has."""
        return sum(not row.token.deleted and row.home == home for row in self.tokens.values())


class Part:
    """A part of the store, over the state that all share."""

    def __init__(self, state: State) -> None:
        self._state = state
