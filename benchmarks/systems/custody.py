"""The hub's custody as a file: CDRs that wait in it before the hub starts, and what has become of them."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from cascade.roaming.cdrs import Cdr, digest_of
from cascade.roaming.model import utc_text
from nap.app import open_store
from nap.settings import HubSettings

_INSERT = (
    "INSERT INTO cdrs (cdr_id, body, digest, visited, home, received_at, authorized, state)"
    " VALUES (?, ?, ?, ?, ?, ?, 1, 'Queued')"
)
_QUICKLY = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-524288"
"""A file that would be written anew after a crash need not survive one."""


async def fill(database: Path, cdrs: Iterable[Cdr], *, home: str) -> None:
    """Have CDRs wait in a hub's file, as if it had taken them; no hub may run on it.

    Args:
        database: of a hub; made if it is not there.
        cdrs: in the order in which they came.
        home: the operator that they are for.

    Raises:
        StoreError: the file cannot be used.
    """
    await (await open_store(HubSettings(database=database))).close()
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_QUICKLY)
        with connection:
            connection.executemany(_INSERT, (_row(cdr, home) for cdr in cdrs))


def _row(cdr: Cdr, home: str) -> tuple[str, ...]:
    body = cdr.wire()
    return str(cdr.cdr_id), body, digest_of(body), cdr.operator_id, home, utc_text(cdr.session_end)


class Custody:
    """What the file of a running hub says.

    Args:
        database: the hub's.
    """

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def settled(self, home: str) -> int:
        """How many CDRs home has answered for, of a file that `fill` has filled for it; a look-up, no count."""
        return self._number(
            "SELECT coalesce((SELECT min(seq) - 1 FROM cdrs WHERE home = ? AND state = 'Queued'),"
            " (SELECT max(seq) FROM cdrs), 0)",
            home,
        )

    def untold(self, visited: Sequence[str]) -> int:
        """How many CDRs of these operators have a state that they have not been told."""
        places = ", ".join("?" * len(visited))
        return self._number(f"SELECT count(*) FROM cdrs WHERE told = 0 AND visited IN ({places})", *visited)

    def log_bytes(self) -> int:
        """Size of the hub's write-ahead log."""
        return self._log.stat().st_size

    def states(self) -> dict[str, int]:
        """How many CDRs are in each state."""
        return dict(self._connection.execute("SELECT state, count(*) FROM cdrs GROUP BY state"))

    def equal_at(self, home: Path) -> tuple[int, int]:
        """How many CDRs the file of a home operator's central system has, and how many of them are equal.

        Args:
            home: that file.
        """
        self._connection.execute("ATTACH ? AS home", (f"{home.absolute().as_uri()}?mode=ro",))
        try:
            return (
                self._number("SELECT count(*) FROM home.received_cdr"),
                self._number(
                    "SELECT count(*) FROM cdrs JOIN home.received_cdr AS theirs USING (cdr_id)"
                    " WHERE theirs.body = cdrs.body AND theirs.digest = cdrs.digest"
                ),
            )
        finally:
            self._connection.execute("DETACH home")

    def _number(self, statement: str, *values: str) -> int:
        number: int = self._connection.execute(statement, values).fetchone()[0]
        return number
