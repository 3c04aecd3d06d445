"""The people who charge."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status
from pydantic import Field

from cascade.roaming.model import Count, IdTag
from cpo_central.drivers.users import User
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Document, Given, Limit, Page, TimeText, page
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1/users", tags=["users"])

TOKENS_MAX = 100

Name = Annotated[str, Field(min_length=1, max_length=200, examples=["Anna Example"])]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", examples=["anna@example.org"])
]
IdTags = Annotated[list[IdTag], Field(max_length=TOKENS_MAX, examples=[["ANNA-CARD-1"]])]
UserIdPath = Annotated[Count, Path(examples=[1])]


class NewUser(Document):
    """A person to add."""

    name: Name
    email: Email | None = None
    tokens: IdTags = Field(default_factory=list)
    """Tokens of ours that nobody has."""


class UserChange(Document):
    """What changes about a person; what is not named stays."""

    name: Name | None = None
    email: Email | None = None
    """null: none any more."""
    tokens: IdTags | None = None
    """All of them, not only those that are new."""


class UserDocument(Document):
    """A person."""

    user_id: int
    name: str
    email: str | None
    created_at: TimeText
    tokens: list[str]


def _document(user: User) -> UserDocument:
    return UserDocument(**user._asdict())


def _unknown(user_id: int) -> ProblemError:
    return ProblemError(Kind.NOT_FOUND, f"there is no user {user_id}: the list shows who there is")


@router.get("", summary="The people who charge", **protected(Role.READ))
async def list_users(
    parts: Given,
    after: Annotated[Count, Query(description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> Page[UserDocument]:
    """In the order in which they were added."""
    found = await parts.users.page_after(after, limit)
    return page([_document(user) for user in found], limit, found[-1].user_id if found else None)


@router.post(
    "", summary="Add a person", status_code=status.HTTP_201_CREATED, **protected(Role.OPERATE, Kind.CONFLICT)
)
async def add_user(parts: Given, user: NewUser) -> UserDocument:
    """The e-mail address, and each token, is one person's only."""
    return _document(await parts.users.add(user.name, user.email, user.tokens, datetime.now(UTC)))


@router.get("/{user_id}", summary="One person", **protected(Role.READ, Kind.NOT_FOUND))
async def get_user(parts: Given, user_id: UserIdPath) -> UserDocument:
    """With their tokens."""
    user = parts.users.get(user_id)
    if user is None:
        raise _unknown(user_id)
    return _document(user)


@router.patch("/{user_id}", summary="Change a person", **protected(Role.OPERATE, Kind.NOT_FOUND, Kind.CONFLICT))
async def change_user(parts: Given, user_id: UserIdPath, change: UserChange) -> UserDocument:
    """A token that is taken away from one person can be given to another."""
    before = parts.users.get(user_id)
    if before is None:
        raise _unknown(user_id)
    after = await parts.users.change(
        user_id,
        name=before.name if change.name is None else change.name,
        email=change.email if "email" in change.model_fields_set else before.email,
        tokens=before.tokens if change.tokens is None else change.tokens,
    )
    if after is None:
        raise _unknown(user_id)
    return _document(after)


@router.delete(
    "/{user_id}",
    summary="Delete a person who has no tokens",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    **protected(Role.OPERATE, Kind.NOT_FOUND, Kind.CONFLICT),
)
async def delete_user(parts: Given, user_id: UserIdPath) -> None:
    """Whose transactions they were must remain known: block the tokens, and take them away, first."""
    if not await parts.users.remove(user_id):
        raise _unknown(user_id)
