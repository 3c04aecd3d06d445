"""Who decides about a driver's token: a pure decision, taken step by step.

1. Our own tokens come first: what we know of our own drivers is final.
2. Then the configured modes, in their order. A mode that *answers*, be it Invalid or Blocked, ends it.
3. A mode that *cannot answer* leads to the next one. The whitelist cannot answer for a token that it does not
   hold, the hub while it is not linked; that a question to the hub or a peer failed is told by `failures`.
4. When no mode is left the token is Invalid. Nobody is asked twice.

`next_step` says what to do next; whoever runs it asks, and comes back with the failure if there was no answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, assert_never

from pydantic import TypeAdapter, ValidationError

from cascade.frames import Payload
from cascade.roaming.model import IdTag
from cascade.roaming.tokens import Standing, TokenStatus, id_tag_info

_ID_TAG: TypeAdapter[str] = TypeAdapter(IdTag)


class Mode(StrEnum):
    """How the token of another operator may be authorized."""

    WHITELIST = "whitelist"
    HUB = "hub"
    PEER = "peer"


class DecidedBy(StrEnum):
    """Whose answer it is."""

    OWN = "own"
    WHITELIST = "whitelist"
    HUB = "hub"
    PEER = "peer"
    NONE = "none"


class Facts(NamedTuple):
    """What is known at the start."""

    id_tag: str
    own: Standing | None
    """The token, if it is our own driver's."""
    listed: Standing | None
    """The token, if the whitelist replica holds it."""
    modes: tuple[Mode, ...]
    hub_linked: bool
    now: datetime


class Decision(NamedTuple):
    """The answer for the charger, and where it came from."""

    info: Payload
    """OCPP's IdTagInfo."""
    decided_by: DecidedBy
    reference: str | None = None
    """The message id of the Authorize CALL on the hub or peer link."""
    home_operator_id: str | None = None
    """Known from a referral only."""
    reason: str | None = None
    """Why nobody could decide; for the log, not for the charger."""

    @property
    def accepted(self) -> bool:
        """Whether the driver may charge."""
        return bool(self.info["status"] == "Accepted")


@dataclass(frozen=True, slots=True)
class AskHub:
    """Next: ask the hub."""


@dataclass(frozen=True, slots=True)
class AskPeer:
    """Next: ask the home operator directly."""


def next_step(facts: Facts, failures: Mapping[Mode, str]) -> Decision | AskHub | AskPeer:
    """What to do next about a token.

    Args:
        facts: what is known.
        failures: the modes that were asked and could not answer, and why.
    """
    if facts.own is not None:
        return Decision(id_tag_info(facts.own, facts.now), DecidedBy.OWN)
    if not _is_id_tag(facts.id_tag):
        return _nobody("not an idTag: 1 to 20 printable ASCII characters")
    reasons: list[str] = []
    for mode in facts.modes:
        if mode in failures:
            reasons.append(f"{mode}: {failures[mode]}")
            continue
        match mode:
            case Mode.WHITELIST:
                if facts.listed is not None:
                    return Decision(id_tag_info(facts.listed, facts.now), DecidedBy.WHITELIST)
                reasons.append("whitelist: not listed")
            case Mode.HUB:
                if facts.hub_linked:
                    return AskHub()
                reasons.append("hub: not linked")
            case Mode.PEER:
                return AskPeer()
            case _:
                assert_never(mode)
    return _nobody("; ".join(reasons) or "no mode is configured")


def _nobody(reason: str) -> Decision:
    return Decision({"status": TokenStatus.INVALID.value}, DecidedBy.NONE, reason=reason)


def _is_id_tag(text: str) -> bool:
    try:
        _ID_TAG.validate_python(text)
    except ValidationError:
        return False
    return True
