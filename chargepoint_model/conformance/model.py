"""What the tool speaks of: cases, what they expect, what was answered, and what was made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cascade.frames import Payload

ID = "$ID"
"""Stands for the message id in a frame that is sent as it is."""

ID_LENGTH = 12
"""Characters of the message ids that stand for it."""

TRANSACTION = -1
"""Stands for the id of an open transaction in a payload."""


class Part(StrEnum):
    """The parts of a run, in their order."""

    PAPER = "paper"
    GENERATED = "generated"
    PROFILES = "profiles"
    FRAMES = "frames"
    BEHAVIOUR = "behaviour"
    OWN = "own"


class Scenario(StrEnum):
    """The paper's eight scenario kinds, in the order of its Table 3."""

    COMPLETE = "complete fields"
    REQUIRED_ONLY = "required fields only"
    REQUIRED_INCOMPLETE = "required fields not complete"
    OPTIONAL_ONLY = "optional fields only"
    UNRECOGNIZED = "unrecognized field value"
    WRONG_TYPES = "wrong field types"
    WRONG_FIELDS = "wrong fields"
    NO_FIELDS = "no fields exist"


# --- what is expected ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conforms:
    """A CALLRESULT that the schema of the action's result allows."""

    action: str
    statuses: frozenset[str] = frozenset()
    """What its `status`, or that of its `idTagInfo`, may be if it is there; empty: any."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A CALLERROR."""

    code: str
    """The one that OCPP-J 1.6, section 4.2.3, has for the fault."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Anything but a CALLRESULT: a message that cannot be answered by its id may be passed over in silence."""

    code: str
    """The one of a CALLERROR, if there is one."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of either kind; where two CALLs with the same id are sent there may be two."""

    action: str
    may_close: bool = False
    """Whether closing the connection is as good."""


Expectation = Conforms | Refused | NotTaken | Answered

# --- what came ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """A CALLRESULT."""

    payload: Payload
    astray: bool = False
    """Whether it bears another message id than the CALL."""


@dataclass(frozen=True, slots=True)
class Error:
    """A CALLERROR."""

    code: str
    description: str
    astray: bool = False
    """Whether it bears another message id than the CALL."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """A message that is no frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended instead."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing."""


Answer = Result | Error | Garbage | Closed | Silence

# --- cases and findings -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is sent, and what is expected of whoever gets it."""

    part: Part
    subject: str
    """The action, or what kind of frame it is."""
    name: str
    """Unique with part and subject; stable from run to run."""
    expects: Expectation
    payload: Payload | None = None
    """The payload of a CALL of the subject."""
    frames: tuple[str | bytes, ...] = ()
    """Else: what is sent as it is, with `ID` for the message id."""
    scenario: Scenario | None = None


class Verdict(StrEnum):
    """What is made of an answer."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of a case."""

    part: Part
    subject: str
    name: str
    scenario: Scenario | None = None
    semantic: Verdict
    """By the standard."""
    literal: Verdict | None = None
    """By the paper's rules; None if the case is none of the paper's."""
    code: Verdict | None = None
    """Whether a CALLERROR that had to come had the code for its fault; None if none had to or none came."""
    why: str = ""
    """Why it did not pass, or what is remarkable although it did."""
    sent: str = ""
    came: str = ""
    expected: str = ""


Values = Mapping[str, object]
"""Values for fields by their name, where any value of the right type would not do."""
