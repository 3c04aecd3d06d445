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


async def bare_group_commits(path: Path, cdrs: Sequence[Cdr], *, home: str, writers: int) -> float:
    """Write CDRs into a new database; returns the seconds from the first write to the last commit.

    Args:
        path: of the new database.
        cdrs: made into rows beforehand.
        home: the operator that they are for.
        writers: each waits for the commit of its row before it writes the next.

    Raises:
        StoreError: the database cannot be used.
    """
    rows = iter(
        [
            (str(cdr.cdr_id), cdr.wire(), cdr.digest(), cdr.operator_id, home, utc_text(cdr.session_end))
            for cdr in cdrs
        ]
    )
    database = Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)

    async def keep_writing() -> None:
        for row in rows:
            await database.write(partial(_insert, row))

    try:
        began = time.perf_counter()
        await asyncio.gather(*(keep_writing() for _ in range(writers)))
        return time.perf_counter() - began
    finally:
        await database.close()


def _insert(row: tuple[str, ...], db: sqlite3.Connection) -> int:
    return db.execute(_INSERT, row).rowcount
