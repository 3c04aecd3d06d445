"""What several stores write and read alike: tokens as rows, and single values by name."""

import sqlite3
from datetime import datetime
from typing import Any

from cascade.roaming.model import id_key, utc_text
from cascade.roaming.tokens import Token, TokenStatus

DESCRIPTION = "id_tag, status, expiry_date, parent_id_tag"

STANDING = "status, expiry_date, parent_id_tag"

TokenRow = tuple[str, str, str | None, str | None]


def token_row(token: Token) -> tuple[str, str, str, str | None, str | None]:
    """The key of a token and its `DESCRIPTION`."""
    expiry = None if token.expiry_date is None else utc_text(token.expiry_date)
    return id_key(token.id_tag), token.id_tag, token.status.value, expiry, token.parent_id_tag


def token_of(row: TokenRow) -> Token:
    """The token in a row of `DESCRIPTION`."""
    id_tag, status, expiry, parent = row
    return Token(
        id_tag=id_tag,
        status=TokenStatus(status),
        expiry_date=None if expiry is None else datetime.fromisoformat(expiry),
        parent_id_tag=parent,
    )


def read_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """A single value, if it was ever written."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def read_number(connection: sqlite3.Connection, key: str) -> int:
    """A single value that is a number; 0 if it was never written."""
    return int(read_meta(connection, key) or 0)


def write_meta(connection: sqlite3.Connection, **values: Any) -> None:  # noqa: ANN401 - whatever has a text
    """Write single values by name."""
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        [(key, str(value)) for key, value in values.items()],
    )
