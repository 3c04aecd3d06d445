"""What a scenario is made of: actors, steps and expected outcomes, as data."""

from dataclasses import dataclass
from enum import StrEnum

HUB = "hub"


@dataclass(frozen=True, slots=True)
class SeedToken:
    """A driver's token, registered at its home operator before anything starts."""

    id_tag: str
    status: str = "Accepted"
    expiry_date: str = ""


@dataclass(frozen=True, slots=True)
class Central:
    """An operator and its central system."""

    operator_id: str
    consents: tuple[str, ...] = ()
    """As home: the modes in which its drivers' tokens may be authorized."""
    wants: tuple[str, ...] = ()
    """As visited: the modes of its agreement with the hub, the preferred first."""
    modes: tuple[str, ...] = ()
    """As visited: what its central system is configured to use, the preferred first."""
    tokens: tuple[SeedToken, ...] = ()
    id_tag_prefixes: tuple[str, ...] = ()
    peers: bool = False
    """Whether it answers its peers itself, at an endpoint of its own."""
    keeps_peer_links: bool = True
    """If not, each authorization of a peer's driver is a first contact."""
    linked: bool = True
    """Whether it has an agreement with the hub, and a link."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a process."""

    who: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process again, and wait until those that link are linked."""

    who: str


@dataclass(frozen=True, slots=True)
class Block:
    """Block a token at its home operator, and wait until the change has come to where it is looked for."""

    operator_id: str
    id_tag: str
    seen_by: str | None
    """hub, a visited operator's replica, or None where nobody need be told."""


Step = Stop | Start | Block


class DecidedBy(StrEnum):
    """Who knew the answer."""

    WHITELIST = "whitelist"
    HUB = "hub"
    PEER = "peer"
    HOME = "home"
    NONE = "none"


class Route(StrEnum):
    """How the CDR comes home."""

    HUB = "hub"
    PEER = "peer"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Variant:
    """One driver at one charge point: what happens before, and what must come of it."""

    name: str
    id_tag: str
    status: str
    decided_by: DecidedBy
    cdr: Route = Route.NONE
    """Where a driver is accepted, the route of the CDR of the session that follows; none: no session."""
    visited: str = "C2"
    before: tuple[Step, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the paper's scenarios (section 3.4) with its refusals."""

    number: int
    title: str
    centrals: tuple[Central, ...]
    variants: tuple[Variant, ...]
    paper_ms: tuple[float, float, float] | None
    """The paper's averages over five attempts: CP model, CP in-house, CP industry (table 5)."""
    home: str = "C1"
