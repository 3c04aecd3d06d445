"""Operators in SQLite."""

import sqlite3
from datetime import datetime
from functools import cache

from cascade.database import Database
from cascade.roaming.model import utc_text
from nap.records import Mode, Operator, OperatorStanding
from nap.store.sqlite_tokens import relist

_COLUMNS = "operator_id, name, consents, wants, enabled"


def _operator(row: tuple[str, str, str, str, int]) -> Operator:
    operator_id, name, consents, wants, enabled = row
    return Operator(
        operator_id=operator_id,
        name=name,
        consents=frozenset(_modes(consents)),
        wants=_modes(wants),
        enabled=bool(enabled),
    )


@cache
def _modes(text: str) -> tuple[Mode, ...]:
    """Read with every authorization; there are few different agreements."""
    return tuple(Mode(mode) for mode in text.split())


class SqliteOperators:
    """Operators, their agreements and their credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Operator] = {}
        self._known_at = database.revision

    async def add(self, *entered: tuple[Operator, str], now: datetime) -> list[str]:
        """Enter operators, all or none; returns the ids that are taken."""
        rows = [
            (
                operator.operator_id,
                operator.name,
                secret_hash,
                " ".join(sorted(operator.consents)),
                " ".join(operator.wants),
                operator.enabled,
                utc_text(now),
            )
            for operator, secret_hash in entered
        ]

        def job(db: sqlite3.Connection) -> list[str]:
            held = "SELECT 1 FROM operators WHERE operator_id = ?"
            taken = [row[0] for row in rows if db.execute(held, row[:1]).fetchone()]
            if not taken:
                db.executemany(
                    "INSERT INTO operators"
                    " (operator_id, name, secret_hash, consents, wants, enabled, created_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
            return taken

        return await self._database.write(job)

    async def change(
        self,
        operator_id: str,
        *,
        enabled: bool | None = None,
        consents: frozenset[Mode] | None = None,
        wants: tuple[Mode, ...] | None = None,
        secret_hash: str | None = None,
    ) -> bool:
        """Change what is given; False if there is no such operator."""
        row = (
            enabled,
            None if consents is None else " ".join(sorted(consents)),
            None if wants is None else " ".join(wants),
            secret_hash,
            operator_id,
        )

        def job(db: sqlite3.Connection) -> bool:
            changed = db.execute(
                "UPDATE operators SET enabled = coalesce(?, enabled), consents = coalesce(?, consents),"
                " wants = coalesce(?, wants), secret_hash = coalesce(?, secret_hash) WHERE operator_id = ?",
                row,
            ).rowcount
            relist(db, operator_id)
            return bool(changed)

        return await self._database.write(job)

    def get(self, operator_id: str) -> Operator | None:
        """The operator, if there is one. Asked for with every authorization, so it is remembered.

        What another process changes is seen once `Store.changed_elsewhere` has told of it.
        """
        if self._known_at != self._database.revision:
            self._known, self._known_at = {}, self._database.revision
        known = self._known.get(operator_id)
        if known is not None:
            return known
        row = self._database.reader.execute(
            f"SELECT {_COLUMNS} FROM operators WHERE operator_id = ?", (operator_id,)
        ).fetchone()
        if row is None:
            return None
        operator = self._known[operator_id] = _operator(row)
        return operator

    def secret_hash(self, operator_id: str) -> str | None:
        """What its credential is verified against; None if there is no such operator or it is disabled."""
        row = self._database.reader.execute(
            "SELECT secret_hash FROM operators WHERE operator_id = ? AND enabled", (operator_id,)
        ).fetchone()
        return row and str(row[0])

    def standings(self) -> list[OperatorStanding]:
        """All operators, by id."""
        read = self._database.reader.execute
        prefixes: dict[str, list[str]] = {}
        for operator_id, prefix in read("SELECT operator_id, prefix_key FROM prefixes ORDER BY prefix_key"):
            prefixes.setdefault(operator_id, []).append(prefix)
        tokens = dict(read("SELECT home, count(*) FROM tokens WHERE NOT deleted GROUP BY home").fetchall())
        rows = read(
            f"SELECT {_COLUMNS}, created_at, linked, link_changed_at, endpoint_url FROM operators"
            " ORDER BY operator_id"
        )
        return [
            OperatorStanding(
                operator=_operator(row[:5]),
                created_at=datetime.fromisoformat(row[5]),
                linked=bool(row[6]),
                link_changed_at=datetime.fromisoformat(row[7]) if row[7] else None,
                endpoint_url=row[8],
                id_tag_prefixes=tuple(prefixes.get(row[0], ())),
                tokens=tokens.get(row[0], 0),
            )
            for row in rows
        ]

    async def note_link(self, operator_id: str, *, linked: bool, now: datetime) -> None:
        """Remember that an operator's link has come up or gone."""
        statement = "UPDATE operators SET linked = ?, link_changed_at = ? WHERE operator_id = ?"
        row = (linked, utc_text(now), operator_id)
        await self._database.write(lambda db: db.execute(statement, row).rowcount)

    async def forget_links(self) -> None:
        """Nobody is linked: the hub starts."""
        await self._database.write(lambda db: db.execute("UPDATE operators SET linked = 0").rowcount)
