"""The people who charge: a name, perhaps an e-mail address, and which of our tokens are theirs.

A token belongs to one person at most. A person who has tokens is not deleted: their transactions would be
nobody's.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cascade.database import Database
from cascade.errors import CascadeError
from cascade.roaming.model import id_key, utc_text


class UserConflictError(CascadeError):
    """What is asked contradicts what is stored; the text says what to do."""


class User(NamedTuple):
    """A person."""

    user_id: int
    name: str
    email: str | None
    created_at: str
    tokens: list[str]
    """idTags."""


class UserStore:
    """The people who charge."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, user_id: int) -> User | None:
        """A person."""
        return _find(self._database.reader, user_id)

    async def page_after(self, user_id: int, limit: int) -> list[User]:
        """The people who were added after one, in that order."""

        def job(connection: sqlite3.Connection) -> list[User]:
            rows = connection.execute(
                "SELECT user_id FROM user_account WHERE user_id > ? ORDER BY user_id LIMIT ?", (user_id, limit)
            ).fetchall()
            found = (_find(connection, number) for (number,) in rows)
            return [user for user in found if user is not None]

        return await self._database.scan(job)

    async def add(self, name: str, email: str | None, tokens: Sequence[str], now: datetime) -> User:
        """Add a person.

        Args:
            name: of the person.
            email: unique without case, if there is one.
            tokens: idTags of ours that nobody has.
            now: the time of it.

        Raises:
            UserConflictError: the address or a token is another's, or a token is not ours.
        """

        def job(connection: sqlite3.Connection) -> User:
            _check_email(connection, email, None)
            user_id = connection.execute(
                "INSERT INTO user_account (name, email, created_at) VALUES (?, ?, ?)",
                (name, email, utc_text(now)),
            ).lastrowid
            assert user_id is not None, "inserted"
            return _complete(connection, user_id, tokens)

        return await self._database.write(job)

    async def change(self, user_id: int, *, name: str, email: str | None, tokens: Sequence[str]) -> User | None:
        """Write all of a person anew; None if there is no such person.

        Raises:
            UserConflictError: the address or a token is another's, or a token is not ours.
        """

        def job(connection: sqlite3.Connection) -> User | None:
            if _find(connection, user_id) is None:
                return None
            _check_email(connection, email, user_id)
            connection.execute(
                "UPDATE user_account SET name = ?, email = ? WHERE user_id = ?", (name, email, user_id)
            )
            return _complete(connection, user_id, tokens)

        return await self._database.write(job)

    async def remove(self, user_id: int) -> bool:
        """Delete a person who has no tokens; False if there is no such person.

        Raises:
            UserConflictError: the person has tokens.
        """

        def job(connection: sqlite3.Connection) -> bool:
            user = _find(connection, user_id)
            if user is not None and user.tokens:
                raise UserConflictError(f"user {user_id} has tokens: block them and take them away first")
            return connection.execute("DELETE FROM user_account WHERE user_id = ?", (user_id,)).rowcount == 1

        return await self._database.write(job)


def _find(connection: sqlite3.Connection, user_id: int) -> User | None:
    row = connection.execute(
        "SELECT user_id, name, email, created_at FROM user_account WHERE user_id = ?", (user_id,)
    ).fetchone()
    if row is None:
        return None
    tokens = connection.execute(
        "SELECT id_tag FROM user_token JOIN own_token USING (id_key) WHERE user_id = ? ORDER BY id_key",
        (user_id,),
    )
    number, name, email, created_at = row
    return User(number, name, email, created_at, [id_tag for (id_tag,) in tokens])


def _check_email(connection: sqlite3.Connection, email: str | None, user_id: int | None) -> None:
    """Whether the address is nobody else's."""
    row = connection.execute(
        "SELECT user_id FROM user_account WHERE email = ? AND user_id IS NOT ?", (email, user_id)
    ).fetchone()
    if row is not None:
        raise UserConflictError(f"user {row[0]} has this e-mail address: change that user, or give another")


def _complete(connection: sqlite3.Connection, user_id: int, tokens: Sequence[str]) -> User:
    """Give a person these tokens, and no others."""
    connection.execute("DELETE FROM user_token WHERE user_id = ?", (user_id,))
    for key in sorted({id_key(id_tag) for id_tag in tokens}):
        if connection.execute("SELECT 1 FROM own_token WHERE id_key = ?", (key,)).fetchone() is None:
            raise UserConflictError(f"{key} is not one of our tokens: add it first")
        owner = connection.execute("SELECT user_id FROM user_token WHERE id_key = ?", (key,)).fetchone()
        if owner is not None:
            raise UserConflictError(f"{key} belongs to user {owner[0]}: take it away there first")
        connection.execute("INSERT INTO user_token VALUES (?, ?)", (key, user_id))
    user = _find(connection, user_id)
    assert user is not None, "written"
    return user
