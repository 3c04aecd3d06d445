"""Tokens and the whitelist in SQLite.

`listed` says where a token stands with the whitelist: 0 it was never on it, and no visited operator may learn
of it; 1 it is on it; 2 it was, and replicas must forget it: they learn its idTag and no more, and nothing of
what becomes of it afterwards. A version is given to each change, in order.

A token that is `moved` was on the whitelist as another operator's: the replica of its new home may hold that
one still and must forget it too. Otherwise an operator never sees its own tokens.
"""

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from cascade.database import Database
from cascade.roaming.model import id_key, utc_text
from cascade.roaming.tokens import PublishTokens, Token, TokensPublished, TokenStatus, WhitelistPage
from nap.records import HeldToken, Mode, Publication, PublicationFacts
from nap.store.sqlite_endpoints import longest_prefix

_UPSERT = """
    INSERT INTO tokens (id_key, id_tag, home, status, expiry_date, parent_id_tag, deleted, listed, moved,
                        version, generation)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id_key) DO UPDATE SET id_tag = excluded.id_tag, home = excluded.home,
        status = excluded.status, expiry_date = excluded.expiry_date,
        parent_id_tag = excluded.parent_id_tag, deleted = excluded.deleted, listed = excluded.listed,
        moved = excluded.moved, version = excluded.version, generation = excluded.generation
"""


def _token(row: tuple[Any, ...]) -> Token:
    """A token from our own table, which holds only what was checked when it came in."""
    id_tag, status, expiry_date, parent_id_tag, deleted = row
    return Token.model_construct(
        id_tag=id_tag,
        status=TokenStatus(status),
        expiry_date=datetime.fromisoformat(expiry_date) if expiry_date else None,
        parent_id_tag=parent_id_tag,
        deleted=bool(deleted),
    )


def _change(row: tuple[Any, ...]) -> Token:
    """A token as replicas see it: of one that they must forget no more than its idTag."""
    id_tag, *_, gone = row
    return Token.model_construct(id_tag=id_tag, deleted=True) if gone else _token(row)


class SqliteTokens:
    """The tokens that the hub holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, id_tag: str) -> HeldToken | None:
        """The token, by exact match without case; also one that was deleted."""
        row = self._database.reader.execute(
            "SELECT id_tag, status, expiry_date, parent_id_tag, deleted, home FROM tokens WHERE id_key = ?",
            (id_key(id_tag),),
        ).fetchone()
        return HeldToken(_token(row[:5]), row[5]) if row else None

    def version(self) -> tuple[int, int]:
        """The epoch, and the number of the last change."""
        return _meta(self._database.reader, "epoch"), _meta(self._database.reader, "version")

    async def publish(
        self, operator_id: str, message: PublishTokens, decide: Callable[[PublicationFacts], Publication]
    ) -> TokensPublished:
        """Load the facts, decide, and carry out a publication, in one step."""

        def job(db: sqlite3.Connection) -> TokensPublished:
            publication = decide(_facts(db, operator_id, message.tokens))
            return TokensPublished(
                version=_carry_out(db, operator_id, publication), rejected=publication.rejected
            )

        return await self._database.write(job)

    def whitelist_page(self, visited: str, *, epoch: int, version: int, limit: int) -> WhitelistPage:
        """The changes of the whitelist since a version, without the operator's own tokens."""
        db = self._database.reader
        db.execute("BEGIN")  # one snapshot for the version and the rows
        try:
            current_epoch, current = self.version()
            since = version if epoch == current_epoch and version <= current else 0
            rows = db.execute(
                "SELECT id_tag, status, expiry_date, parent_id_tag, listed = 2 OR home = ?2, version"
                " FROM tokens WHERE listed > 0 AND version > ?1"
                " AND (listed = 1 AND home != ?2 OR ?1 > 0 AND (home != ?2 OR moved))"
                " ORDER BY version LIMIT ?3",
                (since, visited, limit),
            ).fetchall()
        finally:
            db.execute("COMMIT")
        more = len(rows) == limit
        return WhitelistPage.model_construct(
            epoch=current_epoch,
            version=rows[-1][5] if more else current,
            more=more,
            changes=tuple(_change(row[:5]) for row in rows),
        )

    async def begin_epoch(self, now: datetime) -> int:
        """Make every replica start over; returns the new epoch."""

        def job(db: sqlite3.Connection) -> int:
            epoch = max(int(now.timestamp()), _meta(db, "epoch") + 1)
            db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (epoch,))
            db.execute("UPDATE operators SET published_version = 0")  # what they published may be lost too
            return epoch

        return await self._database.write(job)


def relist(db: sqlite3.Connection, operator_id: str) -> None:
    """Bring `listed` in line with the operator's agreement, each change with a version of its own."""
    now_listed = _consents_to_whitelist(db, operator_id)
    before, after = ("NOT deleted AND listed != 1", 1) if now_listed else ("listed = 1", 2)
    keys = [
        row[0] for row in db.execute(f"SELECT id_key FROM tokens WHERE home = ? AND {before}", (operator_id,))
    ]
    version = _meta(db, "version")
    db.executemany(
        "UPDATE tokens SET listed = ?, version = ? WHERE id_key = ?",
        ((after, number, key) for number, key in enumerate(keys, start=version + 1)),
    )
    db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (version + len(keys),))


def _facts(db: sqlite3.Connection, operator_id: str, tokens: Iterable[Token]) -> PublicationFacts:
    owners: dict[str, str] = {}
    prefix_owners: dict[str, str] = {}
    for token in tokens:
        key = id_key(token.id_tag)
        row = db.execute("SELECT home FROM tokens WHERE id_key = ? AND NOT deleted", (key,)).fetchone()
        if row:
            owners[key] = row[0]
        owner = longest_prefix(db, key)
        if owner is not None:
            prefix_owners[key] = owner
    published = db.execute(
        "SELECT published_version FROM operators WHERE operator_id = ?", (operator_id,)
    ).fetchone()
    return PublicationFacts(published[0], owners, prefix_owners)


def _carry_out(db: sqlite3.Connection, operator_id: str, publication: Publication) -> int:
    version = _meta(db, "version")
    (generation,) = db.execute(
        "SELECT generation FROM operators WHERE operator_id = ?", (operator_id,)
    ).fetchone()
    generation += publication.starts_list
    listing = _consents_to_whitelist(db, operator_id)
    for token in publication.accepted:
        version = _upsert(db, operator_id, token, generation=generation, version=version, listing=listing)
    if publication.ends_list:
        unnamed = db.execute(
            "SELECT id_tag, status, expiry_date, parent_id_tag, 1 FROM tokens"
            " WHERE home = ? AND generation < ? AND NOT deleted",
            (operator_id, generation),
        ).fetchall()
        for row in unnamed:
            version = _upsert(
                db, operator_id, _token(row), generation=generation, version=version, listing=listing
            )
    # a publication always gets a version, so that the next one can name it
    version += 1
    db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (version,))
    db.execute(
        "UPDATE operators SET published_version = ?, generation = ? WHERE operator_id = ?",
        (version, generation, operator_id),
    )
    return version


def _upsert(
    db: sqlite3.Connection, home: str, token: Token, *, generation: int, version: int, listing: bool
) -> int:
    """Write a token if it differs from what is held; returns the version of the last change."""
    key = id_key(token.id_tag)
    expiry_date = utc_text(token.expiry_date) if token.expiry_date else None
    content = (token.id_tag, home, token.status.value, expiry_date, token.parent_id_tag, int(token.deleted))
    held = db.execute(
        "SELECT id_tag, home, status, expiry_date, parent_id_tag, deleted, listed, moved, version FROM tokens"
        " WHERE id_key = ?",
        (key,),
    ).fetchone()
    if held is not None and held[:6] == content:
        db.execute("UPDATE tokens SET generation = ? WHERE id_key = ?", (generation, key))
        return version
    was_listed, was_moved, changed_at = held[6:] if held is not None else (0, 0, 0)
    listed = 1 if listing and not token.deleted else 2 if was_listed else 0
    moved = int(was_moved or (was_listed > 0 and held[1] != home))
    if not listed == was_listed == 2:  # what was withdrawn before is nobody's business any more
        changed_at = version + 1
    db.execute(_UPSERT, (key, *content, listed, moved, changed_at, generation))
    return version + 1


def _consents_to_whitelist(db: sqlite3.Connection, operator_id: str) -> bool:
    row = db.execute(
        "SELECT consents FROM operators WHERE operator_id = ? AND enabled", (operator_id,)
    ).fetchone()
    return row is not None and Mode.WHITELIST in row[0].split()


def _meta(db: sqlite3.Connection, key: str) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])
