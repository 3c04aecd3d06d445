"""What durable intake could be at most: the hub's rows, written by the hub's group commit, and nothing else."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cascade.database import Database
from cascade.roaming.cdrs import Cdr
from cascade.roaming.model import utc_text
from nap.store.schema import APPLICATION_ID, MIGRATIONS

_INSERT = (
    "INSERT INTO cdrs (cdr_id, body, digest, visited, home, received_at, authorized, state)"
    " VALUES (?, ?, ?, ?, ?, ?, 1, 'Queued')"
)


async def bare_group_commits(
    path: Path, cdrs: Sequence[Cdr], *, home: str, writers: int, size: int = 1
) -> float:
    """Write CDRs into a new database; returns the seconds from the first write to the last commit.

    Args:
        path: of the new database.
        cdrs: made into rows beforehand.
        home: the operator that they are for.
        writers: each waits for the commit of its rows before it writes the next.
        size: rows in a write.

    Raises:
        StoreError: the database cannot be used.
    """
    rows = [
        (str(cdr.cdr_id), cdr.wire(), cdr.digest(), cdr.operator_id, home, utc_text(cdr.session_end))
        for cdr in cdrs
    ]
    writes = iter([rows[first : first + size] for first in range(0, len(rows), size)])
    database = Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)

    async def keep_writing() -> None:
        for write in writes:
            await database.write(partial(_insert, write))

    try:
        began = time.perf_counter()
        await asyncio.gather(*(keep_writing() for _ in range(writers)))
        return time.perf_counter() - began
    finally:
        await database.close()


def _insert(rows: Sequence[tuple[str, ...]], db: sqlite3.Connection) -> int:
    return db.executemany(_INSERT, rows).rowcount
