"""The keys of this interface."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response, status
from pydantic import Field

from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import NAME_PATTERN, Role
from cpo_central.rest.parts import Document, Given, TimeText, decode
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"])

Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["billing"])]


class KeyDocument(Document):
    """A key, without what it consists of."""

    name: str
    role: Role
    created_at: TimeText


class NewKey(Document):
    """A key to make."""

    name: Name
    role: Role


class MadeKey(NewKey):
    """A key, this once with what it consists of."""

    key: str


@router.get("", summary="The API keys by name", **protected(Role.ADMIN))
async def list_keys(parts: Given) -> list[KeyDocument]:
    """What they consist of is not kept."""
    return [KeyDocument(**key._asdict()) for key in parts.keys.all()]


@router.post(
    "", summary="Make an API key", status_code=status.HTTP_201_CREATED, **protected(Role.ADMIN, Kind.CONFLICT)
)
async def add_key(parts: Given, new: NewKey) -> MadeKey:
    """The answer is the only one that shows it."""
    key = await parts.keys.add(new.name, new.role, datetime.now(UTC))
    if key is None:
        raise ProblemError(Kind.CONFLICT, f"there is a key {new.name}: remove it first, or take another name")
    return MadeKey(name=new.name, role=new.role, key=key)


@router.delete(
    "/{name}",
    summary="Take an API key back",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    **protected(Role.ADMIN, Kind.NOT_FOUND),
)
async def remove_key(parts: Given, name: Annotated[str, decode, Path(examples=["billing"])]) -> None:
    """It ends at once."""
    if not await parts.keys.remove(name):
        raise ProblemError(Kind.NOT_FOUND, f"there is no key {name}: the list shows which there are")
