"""Our own drivers' tokens, and how much of them the hub has been told.

Every change of a token gets the next number. The hub has been told everything up to `published_change`, and
gave `published_version` for it; what has a higher number is the next delta.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from cascade.database import Database
from cascade.roaming.model import id_key
from cascade.roaming.tokens import RejectedToken, Standing, Token, TokenStatus
from cpo_central.rows import DESCRIPTION, STANDING, read_meta, read_number, token_of, token_row, write_meta


class Published(NamedTuple):
    """How much the hub has been told."""

    version: int | None
    """What the hub gave for it; None if nothing was ever published."""
    change: int


class OwnToken(NamedTuple):
    """One of our tokens, with what only we know about it."""

    token: Token
    change: int
    rejection: str | None


class TokenStore:
    """Our own tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, id_tag: str) -> Standing | None:
        """The token of one of our drivers."""
        row = self._database.glance.execute(
            f"SELECT {STANDING} FROM own_token WHERE id_key = ?", (id_key(id_tag),)
        ).fetchone()
        return None if row is None else Standing.read(*row)

    async def put(self, tokens: Sequence[Token]) -> None:
        """Add tokens, or change those that are there."""

        def job(connection: sqlite3.Connection) -> None:
            for token in tokens:
                _put(connection, token)

        await self._database.write(job)

    async def block(self, id_tag: str) -> Token | None:
        """Block a token; None if it is not ours."""

        def job(connection: sqlite3.Connection) -> Token | None:
            token = find_own(connection, id_tag)
            if token is not None:
                token = token.model_copy(update={"status": TokenStatus.BLOCKED})
                _put(connection, token)
            return token

        return await self._database.write(job)

    async def all(self) -> list[OwnToken]:
        """Every token, by its key."""

        def job(connection: sqlite3.Connection) -> list[OwnToken]:
            rows = connection.execute(f"SELECT {DESCRIPTION}, change, rejection FROM own_token ORDER BY id_key")
            return [OwnToken(token_of(row[:4]), *row[4:]) for row in rows]

        return await self._database.scan(job)

    # --- publication ----------------------------------------------------------------------------------------

    def published(self) -> Published:
        """How much the hub has been told."""
        reader = self._database.reader
        version = read_meta(reader, "published_version")
        return Published(None if version is None else int(version), read_number(reader, "published_change"))

    def last_change(self) -> int:
        """The number of the last change."""
        number: int | None = self._database.reader.execute("SELECT max(change) FROM own_token").fetchone()[0]
        return number or 0

    def changed_since(self, change: int, limit: int) -> list[OwnToken]:
        """The tokens changed after a change, in the order of their changes."""
        rows = self._database.reader.execute(
            f"SELECT {DESCRIPTION}, change, rejection FROM own_token WHERE change > ? ORDER BY change LIMIT ?",
            (change, limit),
        )
        return [OwnToken(token_of(row[:4]), *row[4:]) for row in rows]

    def page_after(self, key: str, limit: int) -> list[Token]:
        """The tokens whose key comes after `key`, in the order of their keys."""
        rows = self._database.reader.execute(
            f"SELECT {DESCRIPTION} FROM own_token WHERE id_key > ? ORDER BY id_key LIMIT ?",
            (key, limit),
        )
        return [token_of(row) for row in rows]

    async def record_page(self, page: Sequence[Token], rejected: Sequence[RejectedToken]) -> None:
        """Keep what the hub said about each token of a page."""
        await self._database.write(lambda connection: _reject(connection, page, rejected))

    async def record_published(
        self, version: int, change: int, page: Sequence[Token], rejected: Sequence[RejectedToken]
    ) -> None:
        """The hub has everything up to a change, apart from what it rejected of the last page."""

        def job(connection: sqlite3.Connection) -> None:
            _reject(connection, page, rejected)
            write_meta(connection, published_version=version, published_change=change)

        await self._database.write(job)


def find_own(connection: sqlite3.Connection, id_tag: str) -> Token | None:
    """The token of one of our drivers."""
    row = connection.execute(
        f"SELECT {DESCRIPTION} FROM own_token WHERE id_key = ?",
        (id_key(id_tag),),
    ).fetchone()
    return None if row is None else token_of(row)


def _put(connection: sqlite3.Connection, token: Token) -> None:
    connection.execute(
        f"INSERT INTO own_token (id_key, {DESCRIPTION}, change) "
        "VALUES (?, ?, ?, ?, ?, (SELECT ifnull(max(change), 0) + 1 FROM own_token)) "
        "ON CONFLICT DO UPDATE SET id_tag = excluded.id_tag, status = excluded.status, "
        "expiry_date = excluded.expiry_date, parent_id_tag = excluded.parent_id_tag, change = excluded.change",
        token_row(token),
    )


def _reject(connection: sqlite3.Connection, page: Sequence[Token], rejected: Sequence[RejectedToken]) -> None:
    reasons = {id_key(token.id_tag): f"{token.code}: {token.detail}" for token in rejected}
    keys = [id_key(token.id_tag) for token in page]
    connection.executemany(
        "UPDATE own_token SET rejection = ?1 WHERE id_key = ?2 AND rejection IS NOT ?1",
        [(reasons.get(key), key) for key in keys],
    )
