"""Answered authorizations in SQLite."""

from collections.abc import Sequence
from datetime import datetime

from cascade.database import Database
from cascade.roaming.model import utc_text
from nap.records import AuthorizationRecord


class SqliteAuthorizations:
    """Authorizations that the hub has answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, records: Sequence[AuthorizationRecord]) -> None:
        """Keep them. A message id that an operator uses again takes the place of its older use."""
        rows = [
            (
                record.visited,
                record.message_id,
                record.id_key,
                record.home,
                record.status,
                record.decided_by,
                utc_text(record.decided_at),
            )
            for record in records
        ]
        statement = "INSERT OR REPLACE INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._database.write(lambda db: db.executemany(statement, rows).rowcount)

    async def prune(self, before: datetime) -> int:
        """Forget those older; returns how many."""
        statement = "DELETE FROM authorizations WHERE decided_at < ?"
        return await self._database.write(lambda db: db.execute(statement, (utc_text(before),)).rowcount)
