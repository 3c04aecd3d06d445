"""Tokens and the whitelist in SQLite.

`listed` says where a token stands with the whitelist: 0 it was never on it, and no visited operator may learn
of it; 1 it is on it; 2 it was, and replicas must forget it: they learn its idTag and no more, and nothing of
what becomes of it afterwards. A version is given to each change, in order.

A token that is `moved` was on the whitelist as another operator's: the replica of its new home may hold that
one still and must forget it too. Otherwise an operator never sees its own tokens.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cascade.database import Database
from cascade.roaming.model import id_key, utc_text
from cascade.roaming.tokens import (
    STATUSES,
    PublishTokens,
    Standing,
    Token,
    TokensPublished,
    WhitelistPage,
)
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


_HELD = "id_key, id_tag, home, status, expiry_date, parent_id_tag, deleted, listed, moved, version"


class _Content(NamedTuple):
    """What a token is: if any of it differs, the token has changed."""

    id_tag: str
    home: str
    status: str
    expiry_date: str | None
    parent_id_tag: str | None
    deleted: int


class _Held(NamedTuple):
    """A token in the table."""

    content: _Content
    listed: int
    moved: int
    version: int


def _change(row: tuple[Any, ...]) -> dict[str, Any]:
    """The fields of a token as replicas see it: of one that they must forget no more than its idTag."""
    id_tag, status, expiry_date, parent_id_tag, gone, _ = row
    if gone:
        return {"id_tag": id_tag, "deleted": True}
    return {
        "id_tag": id_tag,
        "status": STATUSES[status],
        "expiry_date": datetime.fromisoformat(expiry_date) if expiry_date else None,
        "parent_id_tag": parent_id_tag,
    }


class SqliteTokens:
    """The tokens that the hub holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, id_tag: str) -> HeldToken | None:
        """The token, by exact match without case; also one that was deleted."""
        row = self._database.glance.execute(
            "SELECT status, expiry_date, parent_id_tag, deleted, home FROM tokens WHERE id_key = ?",
            (id_key(id_tag),),
        ).fetchone()
        if row is None:
            return None
        status, expiry_date, parent_id_tag, deleted, home = row
        return HeldToken(Standing.read(status, expiry_date, parent_id_tag, deleted=bool(deleted)), home)

    def version(self) -> tuple[int, int]:
        """The epoch, and the number of the last change."""
        return _meta(self._database.reader, "epoch"), _meta(self._database.reader, "version")

    async def publish(
        self, operator_id: str, message: PublishTokens, decide: Callable[[PublicationFacts], Publication]
    ) -> TokensPublished:
        """Load the facts, decide, and carry out a publication, in one step."""

        def job(db: sqlite3.Connection) -> TokensPublished:
            keys = [id_key(token.id_tag) for token in message.tokens]
            held = _held(db, keys)
            publication = decide(_facts(db, operator_id, keys, held))
            return TokensPublished(
                version=_carry_out(db, operator_id, publication, held), rejected=publication.rejected
            )

        return await self._database.write(job)

    def whitelist_page(self, visited: str, *, epoch: int, version: int, limit: int) -> WhitelistPage:
        """The changes of the whitelist since a version, without the operator's own tokens."""
        with self._database.snapshot() as db:
            current_epoch, current = self.version()
            since = version if epoch == current_epoch and version <= current else 0
            rows = db.execute(
                "SELECT id_tag, status, expiry_date, parent_id_tag, listed = 2 OR home = ?2, version"
                " FROM tokens WHERE listed > 0 AND version > ?1"
                " AND (listed = 1 AND home != ?2 OR ?1 > 0 AND (home != ?2 OR moved))"
                " ORDER BY version LIMIT ?3",
                (since, visited, limit),
            ).fetchall()
        more = len(rows) == limit
        page = {
            "epoch": current_epoch,
            "version": rows[-1][5] if more else current,
            "more": more,
            "changes": tuple(map(_change, rows)),
        }
        return WhitelistPage.model_validate(page)  # all its tokens at once, which is the quickest way

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


def _held(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, _Held]:
    """What is in the table of these tokens, by their keys."""
    return _read_held(
        db.execute(
            f"SELECT {_HELD} FROM json_each(?) AS asked CROSS JOIN tokens ON id_key = asked.value",
            (json.dumps(keys),),
        )
    )


def _unnamed(db: sqlite3.Connection, operator_id: str, generation: int) -> dict[str, _Held]:
    """The operator's tokens that its full list has not named."""
    return _read_held(
        db.execute(
            f"SELECT {_HELD} FROM tokens WHERE home = ? AND generation < ? AND NOT deleted",
            (operator_id, generation),
        )
    )


def _read_held(rows: Iterable[tuple[Any, ...]]) -> dict[str, _Held]:
    return {row[0]: _Held(_Content._make(row[1:7]), *row[7:]) for row in rows}


def _facts(
    db: sqlite3.Connection, operator_id: str, keys: Iterable[str], held: Mapping[str, _Held]
) -> PublicationFacts:
    prefix_owners = {key: longest_prefix(db, key) for key in keys}
    (published_version,) = db.execute(
        "SELECT published_version FROM operators WHERE operator_id = ?", (operator_id,)
    ).fetchone()
    return PublicationFacts(
        published_version,
        owners={key: token.content.home for key, token in held.items() if not token.content.deleted},
        prefix_owners={key: owner for key, owner in prefix_owners.items() if owner is not None},
    )


def _carry_out(
    db: sqlite3.Connection, operator_id: str, publication: Publication, held: Mapping[str, _Held]
) -> int:
    version = _meta(db, "version")
    (generation,) = db.execute(
        "SELECT generation FROM operators WHERE operator_id = ?", (operator_id,)
    ).fetchone()
    generation += publication.starts_list
    listing = _consents_to_whitelist(db, operator_id)
    contents = {id_key(token.id_tag): _content(token, operator_id) for token in publication.accepted}
    version = _put(db, contents, held, generation=generation, version=version, listing=listing)
    if publication.ends_list:
        unnamed = _unnamed(db, operator_id, generation)
        contents = {key: token.content._replace(deleted=1) for key, token in unnamed.items()}
        version = _put(db, contents, unnamed, generation=generation, version=version, listing=listing)
    # a publication always gets a version, so that the next one can name it
    version += 1
    db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (version,))
    db.execute(
        "UPDATE operators SET published_version = ?, generation = ? WHERE operator_id = ?",
        (version, generation, operator_id),
    )
    return version


def _content(token: Token, home: str) -> _Content:
    expiry_date = utc_text(token.expiry_date) if token.expiry_date else None
    return _Content(
        token.id_tag, home, token.status.value, expiry_date, token.parent_id_tag, int(token.deleted)
    )


def _put(
    db: sqlite3.Connection,
    contents: Mapping[str, _Content],
    held: Mapping[str, _Held],
    *,
    generation: int,
    version: int,
    listing: bool,
) -> int:
    """Write the tokens that differ from what is held; returns the version of the last change."""
    changed: list[tuple[Any, ...]] = []
    unchanged: list[tuple[int, str]] = []
    for key, content in contents.items():
        before = held.get(key)
        if before is not None and before.content == content:
            unchanged.append((generation, key))
            continue
        version += 1
        listed, moved, changed_at = _standing(before, content, version, listing=listing)
        changed.append((key, *content, listed, moved, changed_at, generation))
    db.executemany(_UPSERT, changed)
    db.executemany("UPDATE tokens SET generation = ? WHERE id_key = ?", unchanged)
    return version


def _standing(before: _Held | None, content: _Content, version: int, *, listing: bool) -> tuple[int, int, int]:
    """How a changed token stands with the whitelist from now on: listed, moved, and the version of that."""
    listed = 1 if listing and not content.deleted else 0
    if before is None or not before.listed:
        return listed, 0 if before is None else before.moved, version
    listed = listed or 2
    moved = int(before.moved or before.content.home != content.home)
    # what was withdrawn before is nobody's business any more
    return listed, moved, before.version if listed == before.listed == 2 else version


def _consents_to_whitelist(db: sqlite3.Connection, operator_id: str) -> bool:
    row = db.execute(
        "SELECT consents FROM operators WHERE operator_id = ? AND enabled", (operator_id,)
    ).fetchone()
    return row is not None and Mode.WHITELIST in row[0].split()


def _meta(db: sqlite3.Connection, key: str) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])
