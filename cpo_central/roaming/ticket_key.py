"""The hub's public key that verifies the tickets of peers; kept, so that peers are answered without the hub."""

import sqlite3

from cascade.database import Database
from cpo_central.rows import read_meta, write_meta


class TicketKeyStore:
    """The key, PEM."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def key(self) -> str | None:
        """The key, if a hub ever gave us one."""
        return read_meta(self._database.reader, "ticket_key")

    async def keep(self, key: str) -> None:
        """Keep the key that the hub has given."""

        def job(connection: sqlite3.Connection) -> None:
            write_meta(connection, ticket_key=key)

        await self._database.write(job)
