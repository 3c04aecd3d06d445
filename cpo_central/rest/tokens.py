"""The tokens of our own drivers."""

import asyncio
import io
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from cascade.roaming.model import IdTag
from cascade.roaming.tokens import Token, TokenStatus
from cpo_central.drivers.token_csv import read_csv
from cpo_central.rest import queries
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Document, Given, IdTagPath, Limit, Page, Parts, TimeGiven, TimeText, page
from cpo_central.rest.problems import Fault, Kind, ProblemError

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])

CSV = "idTag,status,expiryDate,parentIdTag\nANNA-CARD-1,Accepted,2030-01-01T00:00:00Z,ANNA\nBOB-1,Blocked,,\n"


class TokenChange(Document):
    """What can be said about a token."""

    status: TokenStatus = TokenStatus.ACCEPTED
    expiry_date: TimeGiven | None = Field(default=None, examples=["2030-01-01T00:00:00Z"])
    """From then on it is Expired."""
    parent_id_tag: IdTag | None = Field(default=None, examples=["ANNA"])
    """The group that it belongs to: any token of it ends a transaction of another."""


class TokenDocument(Document):
    """A token."""

    id_tag: str
    """Compared without case."""
    status: TokenStatus
    expiry_date: TimeText | None
    parent_id_tag: str | None
    rejected_by_hub: str | None
    """Why the hub did not take it."""


class Imported(Document):
    """What an import has done."""

    imported: int


def _find(parts: Parts, id_tag: str) -> TokenDocument:
    record = queries.token(parts.database.reader, id_tag)
    if record is None:
        raise ProblemError(Kind.NOT_FOUND, f"{id_tag} is not one of our tokens: PUT adds it")
    return TokenDocument.model_validate(record)


@router.get("", summary="Our tokens, by idTag", **protected(Role.READ))
async def list_tokens(
    parts: Given,
    after: Annotated[IdTag | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> Page[TokenDocument]:
    """Page by page."""
    found = await parts.database.scan(lambda connection: queries.tokens(connection, after=after, limit=limit))
    items = [TokenDocument.model_validate(record) for record in found]
    return page(items, limit, items[-1].id_tag if items else None)


@router.get("/{id_tag}", summary="One token", **protected(Role.READ, Kind.NOT_FOUND))
async def get_token(parts: Given, id_tag: IdTagPath) -> TokenDocument:
    """Found without case."""
    return _find(parts, id_tag)


@router.put("/{id_tag}", summary="Add a token, or change one", **protected(Role.OPERATE))
async def put_token(parts: Given, id_tag: IdTagPath, change: TokenChange) -> TokenDocument:
    """All of it is written anew. The hub is told at once, if we are linked."""
    await parts.tokens.put([Token(id_tag=id_tag, **change.model_dump())])
    parts.tokens_changed()
    return _find(parts, id_tag)


@router.post("/{id_tag}/block", summary="Block a token", **protected(Role.OPERATE, Kind.NOT_FOUND))
async def block_token(parts: Given, id_tag: IdTagPath) -> TokenDocument:
    """A token is never deleted: its transactions, and what others were told, refer to it."""
    await parts.tokens.block(id_tag)
    parts.tokens_changed()
    return _find(parts, id_tag)


def _import_options() -> dict[str, Any]:
    options = protected(Role.OPERATE)
    content = {"text/csv": {"schema": {"type": "string"}, "example": CSV}}
    options["openapi_extra"]["requestBody"] = {"required": True, "content": content}
    return options


@router.post("", summary="Add or change the tokens of a CSV file: all of them or none", **_import_options())
async def import_tokens(request: Request, parts: Given) -> Imported:
    """UTF-8; each line that is no token is reported.

    The first line names the columns: idTag, and any of status, expiryDate and parentIdTag.
    """
    body = await request.body()
    try:
        tokens, faults = await asyncio.to_thread(_read, body)
    except ValueError as error:
        raise ProblemError(Kind.INVALID, f"the CSV cannot be read: {error}") from None
    if faults:
        raise ProblemError(
            Kind.INVALID,
            f"{len(faults)} lines are no tokens, so none was imported: correct them and send all again",
            errors=faults,
        )
    await parts.tokens.put(tokens)
    parts.tokens_changed()
    return Imported(imported=len(tokens))


def _read(body: bytes) -> tuple[list[Token], list[Fault]]:
    tokens, faults = read_csv(io.StringIO(body.decode("utf-8-sig"), newline=""))
    return tokens, [Fault(place=f"line {fault.line}", fault=fault.fault) for fault in faults]
