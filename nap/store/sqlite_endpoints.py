"""Endpoints and prefixes in SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from os.path import commonprefix
from typing import TypeVar

from cascade.database import Database
from cascade.roaming.model import id_key
from nap.records import Endpoint

R = TypeVar("R")


def longest_prefix(db: sqlite3.Connection, key: str) -> str | None:
    """Whose longest registered prefix a token's key begins with.

    All that begins with a prefix follows it directly in the order of keys. So the last entry up to the key is
    its longest prefix; or that, and whatever is a prefix of the key, begin alike, and we look again from there.
    """
    while True:
        row = db.execute(
            "SELECT prefix_key, operator_id FROM prefixes WHERE prefix_key <= ?"
            " ORDER BY prefix_key DESC LIMIT 1",
            (key,),
        ).fetchone()
        if row is None:
            return None
        entry, operator_id = row
        if key.startswith(entry):
            return str(operator_id)
        key = commonprefix((entry, key))  # noqa: RUF071 - characters are meant, not folders


class SqliteEndpoints:
    """Peer endpoints, and the idTag prefixes of operators."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(
        self,
        operator_id: str,
        url: str | None,
        prefixes: Sequence[str],
        decide: Callable[[dict[str, str], frozenset[str]], R],
        granted: Callable[[R], Sequence[str]],
    ) -> R:
        """Replace an operator's endpoint and prefixes, in one step."""

        def job(db: sqlite3.Connection) -> R:
            taken = dict(db.execute("SELECT prefix_key, operator_id FROM prefixes").fetchall())
            foreign = frozenset(key for key in map(id_key, prefixes) if _others_hold(db, operator_id, key))
            decision = decide(taken, foreign)
            db.execute("UPDATE operators SET endpoint_url = ? WHERE operator_id = ?", (url, operator_id))
            db.execute("DELETE FROM prefixes WHERE operator_id = ?", (operator_id,))
            db.executemany(
                "INSERT INTO prefixes VALUES (?, ?)",
                ((id_key(prefix), operator_id) for prefix in granted(decision)),
            )
            return decision

        return await self._database.write(job)

    def get(self, operator_id: str) -> Endpoint | None:
        """An operator's endpoint, if it has published one."""
        read = self._database.reader.execute
        row = read("SELECT endpoint_url FROM operators WHERE operator_id = ?", (operator_id,)).fetchone()
        if row is None or row[0] is None:
            return None
        prefixes = read(
            "SELECT prefix_key FROM prefixes WHERE operator_id = ? ORDER BY prefix_key", (operator_id,)
        )
        return Endpoint(row[0], tuple(prefix for (prefix,) in prefixes))

    def prefix_owner(self, id_tag: str) -> str | None:
        """Whose longest registered prefix the token begins with."""
        return longest_prefix(self._database.reader, id_key(id_tag))


def _others_hold(db: sqlite3.Connection, operator_id: str, key: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM tokens WHERE id_key >= ? AND id_key < ? AND home != ? AND NOT deleted LIMIT 1",
        (key, key + "\x7f", operator_id),  # printable ASCII ends before \x7f
    ).fetchone()
    return row is not None
