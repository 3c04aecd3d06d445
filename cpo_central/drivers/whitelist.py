"""The whitelist replica: the tokens of other operators that the hub lets us decide about ourselves.

A list is (epoch, version). Changes are applied only to the list that they start from, so a page that was
pulled and a change that was pushed cannot overtake one another. A list of a new epoch grows beside the one in
use, and replaces it when it is complete: drivers are not turned away meanwhile.
"""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from cascade.database import Database
from cascade.roaming.model import id_key
from cascade.roaming.tokens import Standing, Token
from cpo_central.rows import DESCRIPTION, STANDING, read_number, token_row, write_meta


class ListVersion(NamedTuple):
    """Which list, and how far."""

    epoch: int
    version: int


class WhitelistStore:
    """The replica."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._current = _current(database.reader)
        self._current_at = database.revision

    @property
    def current(self) -> ListVersion:
        """The list in use, as it was committed last: also by a write that nobody waited for to the end."""
        if self._current_at != self._database.revision:
            self._current, self._current_at = _current(self._database.reader), self._database.revision
        return self._current

    def find(self, id_tag: str) -> Standing | None:
        """The token, if the list in use holds it."""
        row = self._database.glance.execute(
            f"SELECT {STANDING} FROM whitelist WHERE epoch = ? AND id_key = ?",
            (self.current.epoch, id_key(id_tag)),
        ).fetchone()
        return None if row is None else Standing.read(*row)

    async def apply(self, start: ListVersion, version: int, changes: Sequence[Token]) -> bool:
        """Bring the list in use from `start` to `version`; False, and no change, if it is not at `start`."""

        def job(connection: sqlite3.Connection) -> bool:
            if _current(connection) != start:
                return False
            _change(connection, start.epoch, changes)
            write_meta(connection, whitelist_version=version)
            return True

        return await self._database.write(job)

    async def begin(self, epoch: int) -> None:
        """A new list begins: forget what an interrupted attempt at it has left."""
        await self._database.write(
            lambda connection: connection.execute(
                "DELETE FROM whitelist WHERE epoch = ? AND epoch <> ?", (epoch, _current(connection).epoch)
            )
        )

    async def grow(self, epoch: int, changes: Sequence[Token]) -> None:
        """Add a page to a list that is not yet in use."""
        await self._database.write(lambda connection: _change(connection, epoch, changes))

    async def replace(self, complete: ListVersion) -> None:
        """Use the list that has grown, and forget the other."""

        def job(connection: sqlite3.Connection) -> None:
            write_meta(connection, whitelist_epoch=complete.epoch, whitelist_version=complete.version)

        await self._database.write(job)
        await self._database.write(
            lambda connection: connection.execute("DELETE FROM whitelist WHERE epoch <> ?", (complete.epoch,))
        )


def _current(connection: sqlite3.Connection) -> ListVersion:
    return ListVersion(read_number(connection, "whitelist_epoch"), read_number(connection, "whitelist_version"))


def _change(connection: sqlite3.Connection, epoch: int, changes: Sequence[Token]) -> None:
    for deleted, run in groupby(changes, attrgetter("deleted")):
        if deleted:
            connection.executemany(
                "DELETE FROM whitelist WHERE epoch = ? AND id_key = ?",
                [(epoch, id_key(token.id_tag)) for token in run],
            )
        else:
            connection.executemany(
                f"INSERT INTO whitelist (epoch, id_key, {DESCRIPTION}) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET id_tag = excluded.id_tag, "
                "status = excluded.status, expiry_date = excluded.expiry_date, "
                "parent_id_tag = excluded.parent_id_tag",
                [(epoch, *token_row(token)) for token in run],
            )
