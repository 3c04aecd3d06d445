"""The embedded store: one SQLite file."""

from datetime import datetime
from pathlib import Path
from typing import Any

from cascade.database import Database
from nap.store.keys import new_ticket_key
from nap.store.schema import APPLICATION_ID, MIGRATIONS
from nap.store.sqlite_authorizations import SqliteAuthorizations
from nap.store.sqlite_cdrs import SqliteCdrs
from nap.store.sqlite_endpoints import SqliteEndpoints
from nap.store.sqlite_operators import SqliteOperators
from nap.store.sqlite_tokens import SqliteTokens


class SqliteStore:
    """Everything the hub keeps, in one file; made by `SqliteStore.open`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.operators = SqliteOperators(database)
        self.tokens = SqliteTokens(database)
        self.endpoints = SqliteEndpoints(database)
        self.cdrs = SqliteCdrs(database)
        self.authorizations = SqliteAuthorizations(database)

    @classmethod
    async def open(cls, path: Path, now: datetime) -> "SqliteStore":
        """Open the file, creating or migrating it as needed.

        Args:
            path: the database file.
            now: the time; the first epoch of a new store is made of it.

        Raises:
            StoreError: it cannot be used; the text says why and what to do.
        """
        database = Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)
        store = cls(database)
        if store._meta("epoch") is None:
            rows = [("epoch", int(now.timestamp())), ("ticket_key", new_ticket_key())]
            # another process may have created the store in the same moment: the first one's key counts
            statement = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
            await database.write(lambda db: db.executemany(statement, rows).rowcount)
        return store

    def _meta(self, key: str) -> Any:  # noqa: ANN401 - a column without a type
        row = self._database.reader.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row and row[0]

    def ticket_key(self) -> str:
        """The hub's Ed25519 private key, PEM."""
        return str(self._meta("ticket_key"))

    def schema_versions(self) -> tuple[int, int]:
        """The schema's version found when the store was opened, and its version now."""
        return self._database.schema_versions

    async def changed_elsewhere(self) -> bool:
        """Whether somebody else, such as the command line, has written since the last question."""
        return await self._database.changed_elsewhere()

    async def close(self) -> None:
        """Finish what waits to be written and close."""
        await self._database.close()
