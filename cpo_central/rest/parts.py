"""What the operations work with, and what their parameters have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar
from urllib.parse import unquote

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

from cascade.database import Database
from cascade.roaming.model import IdTag, Moment
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.events import Events
from cpo_central.chargers.local_lists import LocalLists
from cpo_central.chargers.notices import NoticeStore
from cpo_central.chargers.server import CHARGE_POINT_ID_MAX, ChargerServer
from cpo_central.drivers.tokens import TokenStore
from cpo_central.drivers.users import UserStore
from cpo_central.rest.api_keys import ApiKeyStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """The central system, as far as the interface speaks with it."""

    database: Database
    """For reads that no store offers."""
    keys: ApiKeyStore
    tokens: TokenStore
    tokens_changed: Callable[[], None]
    """To be told after each change of `tokens`."""
    users: UserStore
    charge_points: ChargePointStore
    notices: NoticeStore
    chargers: ChargerServer
    local_lists: LocalLists
    events: Events


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Given = Annotated[Parts, Depends(_parts)]


class Document(BaseModel):
    """The base of what is sent and received: camelCase, no unknown field."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Page(Document, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | int | None
    """For the parameter `after` of the next page; null: this was the last."""


def page(items: list[T], limit: int, next_of: str | int | None) -> Page[T]:
    """A page; if it is full, there may be a next one."""
    return Page[T](items=items, next=next_of if len(items) == limit else None)


Limit = Annotated[int, Query(ge=1, le=1000, description="The most items of one page.")]

TimeText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A moment as it is stored: ISO 8601."""


def _rfc_3339(value: object) -> object:
    """A moment in text: pydantic would take seconds since 1970, too."""
    return datetime.fromisoformat(value.upper()) if isinstance(value, str) else value


TimeGiven = Annotated[Moment, BeforeValidator(_rfc_3339), Strict()]
"""A moment, with a time zone."""

From = Annotated[TimeGiven | None, Query(alias="from", description="Whole seconds; with a time zone.")]
To = Annotated[TimeGiven | None, Query(description="Whole seconds, exclusive; with a time zone.")]

decode = BeforeValidator(unquote)  # the path comes with its segments still encoded: see `front`

ChargePointIdPath = Annotated[
    str,
    decode,
    Path(min_length=1, max_length=CHARGE_POINT_ID_MAX, description="Percent-encode it.", examples=["CP-1"]),
]
IdTagPath = Annotated[IdTag, decode, Path(description="Percent-encode it.", examples=["ANNA-CARD-1"])]


def whole_seconds(moment: datetime | None) -> str | None:
    """A bound for moments stored as text: without the Z, which would sort after the dot of a fraction."""
    return None if moment is None else moment.replace(microsecond=0, tzinfo=None).isoformat()
