"""Local lists made of our own tokens, with versions that we keep count of."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from cascade.roaming.model import IdTag
from cascade.roaming.tokens import Token
from cpo_central.drivers.tokens import find_own
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.clients import CALL_PROBLEMS
from cpo_central.rest.parts import ChargePointIdPath, Document, Given, Parts
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1/central-system/clients/{charge_point_id}/local-list", tags=["commands"])


class LocalListUpdate(Document):
    """Which tokens a local list shall hold."""

    full: bool = False
    """true: the list is replaced; false: it is added to, or brought up to date."""
    id_tags: Annotated[list[IdTag], Field(max_length=1000)] | None = Field(
        default=None, examples=[["ANNA-CARD-1"]]
    )
    """Tokens of ours; null: all of them or, if the list is not replaced, those that have changed."""


class LocalListSent(Document):
    """What has become of a local list."""

    status: str
    """The charge point's last answer (OCPP 1.6, UpdateStatus)."""
    version: int
    """Of the list that it holds now, as far as we know."""
    tokens: int
    """Those that it has accepted."""


@router.post(
    "", summary="Send a local list of our own tokens", **protected(Role.OPERATE, Kind.NOT_FOUND, *CALL_PROBLEMS)
)
async def send_local_list(
    parts: Given, charge_point_id: ChargePointIdPath, update: LocalListUpdate
) -> LocalListSent:
    """In as many messages as it takes; if the charge point holds another version than we know, as a whole."""
    tokens = None if update.id_tags is None else [_find(parts, id_tag) for id_tag in update.id_tags]
    sent = await parts.local_lists.send(charge_point_id, tokens, full=update.full)
    return LocalListSent(**sent._asdict())


def _find(parts: Parts, id_tag: str) -> Token:
    token = find_own(parts.database.reader, id_tag)
    if token is None:
        raise ProblemError(Kind.NOT_FOUND, f"{id_tag} is not one of our tokens: add it first")
    return token
