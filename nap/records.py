"""The hub's own words: what the store keeps and the decisions reason about. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from cascade.roaming.cdrs import Cdr
from cascade.roaming.tokens import RejectedToken, Standing, Token


class Mode(StrEnum):
    """How a driver's token may be authorized; the paper's scenarios 1 to 4."""

    WHITELIST = "whitelist"
    HUB = "hub"
    PEER = "peer"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class Operator:
    """A CPO and its agreement with the hub."""

    operator_id: str
    name: str
    consents: frozenset[Mode]
    """As home: the modes in which its drivers' tokens may be authorized."""
    wants: tuple[Mode, ...]
    """As visited: the modes that it uses, the preferred first."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class OperatorStanding:
    """An operator as the ministry's engineer sees it."""

    operator: Operator
    created_at: datetime
    linked: bool
    link_changed_at: datetime | None
    endpoint_url: str | None
    id_tag_prefixes: tuple[str, ...]
    tokens: int


class HeldToken(NamedTuple):
    """What the hub holds of a token, and whose it is."""

    standing: Standing
    home: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a home operator answers its peers."""

    url: str
    id_tag_prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """What a publication of tokens is judged by."""

    published_version: int
    """The hub's version after this operator's last publication; 0 if there was none."""
    owners: Mapping[str, str]
    """Whose each published token is already, by its key."""
    prefix_owners: Mapping[str, str]
    """Whose prefix each published token begins with, by its key."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication as it is to be carried out."""

    accepted: tuple[Token, ...]
    rejected: tuple[RejectedToken, ...]
    starts_list: bool
    """The full list begins: what it does not name is deleted when it ends."""
    ends_list: bool


class CdrState(StrEnum):
    """Where a CDR stands on its way home."""

    QUEUED = "Queued"
    DELIVERED = "Delivered"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class StoredCdr:
    """A CDR in the hub's custody."""

    cdr: Cdr
    body: str
    """Its JSON text, that of which `digest` is the digest."""
    digest: str
    visited: str
    home: str
    received_at: datetime
    authorized: bool
    state: CdrState = CdrState.QUEUED
    reason: str | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CdrFacts:
    """What an incoming CDR is judged by."""

    known_digest: str | None
    """The digest of the CDR that has this id, if there is one."""
    home: str | None
    """Whose token it is."""
    authorized: bool
    """Whether the hub knows of the authorization that it refers to."""
    original: StoredCdr | None = None
    """For a credit: the CDR in custody that it names."""
    cancelled_by: UUID | None = None
    """For a credit: the credit that has cancelled `original` before."""


class CdrOutcome(NamedTuple):
    """What the home operator said about a CDR."""

    cdr_id: UUID
    state: CdrState
    reason: str | None = None


class Backlog(NamedTuple):
    """CDRs that wait for one operator."""

    home: str
    waiting: int
    oldest_at: datetime
    """When the first of them came."""


class RefusedCdr(NamedTuple):
    """A CDR that the hub has not taken: the visited operator has parked it."""

    cdr: Cdr
    visited: str
    reason: str
    refused_at: datetime
    """The last time."""


class LedgerRow(NamedTuple):
    """What settlement needs to know of a CDR in custody."""

    cdr_id: UUID
    digest: str
    visited: str
    home: str
    energy_wh: int
    """Negative in a credit."""
    is_credit: bool
    state: CdrState


class AuthorizationRecord(NamedTuple):
    """An Authorize that the hub has answered: the proof that a CDR refers to."""

    visited: str
    message_id: str
    id_key: str
    home: str | None
    status: str
    decided_by: str
    decided_at: datetime
