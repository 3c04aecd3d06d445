"""The keys of the REST interface: a name, a role, and the hash of 256 random bits.

A plain SHA-256 is enough: nobody guesses 256 random bits, so there is nothing for a slow hash to slow down.
"""

import hashlib
import hmac
import secrets
import sqlite3
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cascade.database import Database
from cascade.roaming.model import utc_text

KEY_BYTES = 32

NAME_PATTERN = r"^[A-Za-z0-9._@-]{1,64}$"


class Role(StrEnum):
    """What a key may do; each role includes those before it."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether a key of this role may do what needs another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class ApiKey(NamedTuple):
    """A key, without what it consists of: that is shown once, to whoever makes it."""

    name: str
    role: Role
    created_at: str


class ApiKeyStore:
    """The keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str) -> ApiKey | None:
        """The key that somebody shows; how long it takes does not tell how near a wrong one comes."""
        digest, found = _digest(key), None
        rows = self._database.reader.execute("SELECT digest, name, role, created_at FROM api_key")
        for known, name, role, created_at in rows:
            if hmac.compare_digest(known, digest):
                found = ApiKey(name, Role(role), created_at)
        return found

    async def add(self, name: str, role: Role, now: datetime) -> str | None:
        """Make a key, which is not kept and cannot be shown again; None if the name is taken."""
        key = secrets.token_urlsafe(KEY_BYTES)

        def job(connection: sqlite3.Connection) -> bool:
            inserted = connection.execute(
                "INSERT INTO api_key (name, role, digest, created_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO NOTHING",
                (name, role, _digest(key), utc_text(now)),
            )
            return inserted.rowcount == 1

        return key if await self._database.write(job) else None

    async def remove(self, name: str) -> bool:
        """Take a key back, at once; False if there is none of this name."""
        removed = await self._database.write(
            lambda connection: connection.execute("DELETE FROM api_key WHERE name = ?", (name,)).rowcount
        )
        return removed == 1

    def all(self) -> list[ApiKey]:
        """The keys by name."""
        rows = self._database.reader.execute("SELECT name, role, created_at FROM api_key ORDER BY name")
        return [ApiKey(name, Role(role), created_at) for name, role, created_at in rows]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
