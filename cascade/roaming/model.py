"""What all roaming messages share: strict, frozen, camelCase on the wire."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

IdTag = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,20}$")]
"""A driver's token: CiString20Type (OCPP 1.6, section 7.9): printable ASCII, compared without case."""

IdTagPrefix = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{2,20}$")]
"""The beginning of an operator's tokens; two characters at least, so that nobody claims them all."""

OperatorId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*._-]{1,36}$")]
"""An operator's id, unique at the hub."""


def utc_text(moment: datetime) -> str:
    """A moment as OCPP writes it: ISO 8601 in UTC, ending in Z.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is outside the calendar of UTC") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment in UTC, which travels as `utc_text` writes it: pydantic does so too, in a fraction of the time."""

Number = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""A whole number, of the 64 bits that every database holds."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number that is not negative: a version, an epoch, a connector."""


def id_key(id_tag: str) -> str:
    """What tokens are compared by: idTags are the same if they differ in case only."""
    return id_tag.upper()


class RoamingModel(BaseModel):
    """The base of every roaming message: no coercion, no unknown field, no change after creation."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    def wire(self) -> str:
        """The message as the JSON text that travels in `data`."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class Refusal(RoamingModel):
    """Why something is not done: a code for programs, a detail that says what to do."""

    code: str
    detail: str

    def __str__(self) -> str:
        """As `RoamingRefused` says it."""
        return f"{self.code}: {self.detail}"
