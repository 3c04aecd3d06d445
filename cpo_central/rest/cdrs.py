"""Charge Detail Records: read only, for they are money."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from cascade.roaming.cdrs import Cdr
from cpo_central.rest import queries
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Document, Given, Limit, Page, TimeText, page
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1/cdrs", tags=["cdrs"])


class CdrDocument(Document):
    """A CDR, and what has become of it."""

    cdr_id: str
    direction: queries.Direction
    """sent: of a session at our charge points; received: of one of our drivers elsewhere."""
    status: str
    reason: str | None
    """Why it is parked, rejected, or not yet delivered."""
    operator_id: str | None
    """The other operator."""
    at: TimeText
    """When it was queued or received."""
    cdr: Cdr


def _document(record: queries.Record) -> CdrDocument:
    return CdrDocument(**{**record, "cdr": Cdr.model_validate_json(record["cdr"])})


@router.get("", summary="CDRs, the oldest first", **protected(Role.READ))
async def list_cdrs(
    parts: Given,
    direction: Annotated[queries.Direction, Query()] = "sent",
    after: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> Page[CdrDocument]:
    """Those sent, or those received."""
    found = await parts.database.scan(
        lambda connection: queries.cdrs(
            connection, direction=direction, after=None if after is None else str(after), limit=limit
        )
    )
    return page([_document(record) for record in found], limit, found[-1]["cdrId"] if found else None)


@router.get("/{cdr_id}", summary="One CDR", **protected(Role.READ, Kind.NOT_FOUND))
async def get_cdr(parts: Given, cdr_id: UUID) -> CdrDocument:
    """Sent or received."""
    record = queries.cdr(parts.database.reader, str(cdr_id))
    if record is None:
        raise ProblemError(Kind.NOT_FOUND, f"there is no CDR {cdr_id}: the list shows which there are")
    return _document(record)
