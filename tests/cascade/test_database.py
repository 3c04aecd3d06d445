import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cascade.database import GROUP_MAX, Database, migrate
from cascade.errors import StoreError

APPLICATION = 0x4E415054
FIRST = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"
SECOND = """
    ALTER TABLE note ADD COLUMN colour TEXT NOT NULL DEFAULT 'a;b';  -- a semicolon in a value
    CREATE TRIGGER shout AFTER INSERT ON note BEGIN
        UPDATE note SET colour = 'red' WHERE id = new.id; DELETE FROM note WHERE text = 'gone';
    END;
"""


def insert(text: str) -> Callable[[sqlite3.Connection], int | None]:
    return lambda connection: connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid


def texts(database: Database) -> list[str]:
    return [text for (text,) in database.reader.execute("SELECT text FROM note ORDER BY id")]


def open_at(path: Path, *migrations: str) -> Database:
    return Database.open(path, application_id=APPLICATION, migrations=migrations or (FIRST,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some folder" / "store.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    path.parent.mkdir()
    database = open_at(path)
    yield database
    await database.close()


async def test_a_write_gives_back_what_its_job_returns_and_can_be_read(database: Database) -> None:
    assert await database.write(insert("one")) == 1
    assert texts(database) == ["one"]
    assert await database.scan(lambda scanner: scanner.execute("SELECT count(*) FROM note").fetchone()) == (1,)


async def test_commits_reach_the_disk_before_they_are_acknowledged(database: Database) -> None:
    def settings(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.write(settings) == ["wal", 2, 1]


async def test_writes_that_wait_share_a_commit(database: Database) -> None:
    statements: list[str] = []
    database._writer.set_trace_callback(statements.append)
    await asyncio.gather(*(database.write(insert(str(number))) for number in range(GROUP_MAX + 1)))
    assert statements.count("COMMIT") == 2
    assert texts(database) == [str(number) for number in range(GROUP_MAX + 1)]


async def test_a_job_that_fails_takes_no_other_with_it(database: Database) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        insert("undone")(connection)
        raise LookupError("no such thing")

    def misspell(connection: sqlite3.Connection) -> None:
        insert("undone too")(connection)
        connection.execute("INSERT INTO nowhere VALUES (1)")

    outcomes = await asyncio.gather(
        database.write(insert("before")),
        database.write(fail),
        database.write(insert("before")),
        database.write(misspell),
        database.write(insert("after")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [
        int,
        LookupError,
        sqlite3.IntegrityError,
        sqlite3.OperationalError,
        int,
    ]
    assert texts(database) == ["before", "after"]


async def test_a_caller_who_leaves_disturbs_nobody(database: Database) -> None:
    leaving = asyncio.create_task(database.write(insert("left behind")))
    staying = asyncio.create_task(database.write(insert("waited for")))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 2
    assert texts(database) == ["left behind", "waited for"]


async def test_a_full_disk_is_told_and_overcome(database: Database) -> None:
    def limit(pages: int) -> Callable[[sqlite3.Connection], object]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone()

    await database.write(insert("before"))
    await database.write(limit(1))
    outcomes = await asyncio.gather(
        database.write(insert("small")), database.write(insert("x" * 100_000)), return_exceptions=True
    )
    for outcome in outcomes:
        assert isinstance(outcome, StoreError)
        assert "full" in str(outcome)
        assert str(database._path) in str(outcome)
    assert texts(database) == ["before"]
    await database.write(limit(10_000))
    await database.write(insert("x" * 100_000))
    assert len(texts(database)) == 2


async def test_a_commit_that_is_refused_is_told_and_overcome(tmp_path: Path) -> None:
    deferred = "CREATE TABLE child (parent INTEGER REFERENCES note DEFERRABLE INITIALLY DEFERRED)"
    database = open_at(tmp_path / "store.db", FIRST, deferred)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        async with asyncio.timeout(5):
            await database.write(lambda connection: connection.execute("INSERT INTO child VALUES (99)"))
    assert await database.write(insert("still works")) == 1
    await database.close()


async def test_close_waits_for_what_is_being_written(path: Path, database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.write(insert(str(number))) for number in range(10)), database.close()
    )
    assert outcomes == [*range(1, 11), None]
    assert sorted(file.name for file in path.parent.iterdir()) == ["store.db"]


async def test_a_closed_database_takes_no_more(database: Database) -> None:
    await database.close()
    async with asyncio.timeout(5):
        with pytest.raises(StoreError, match="closed"):
            await database.write(insert("too late"))


async def test_data_survives_being_opened_again(path: Path, database: Database) -> None:
    await database.write(insert("kept"))
    await database.close()
    again = open_at(path)
    assert texts(again) == ["kept"]
    await again.close()


async def test_what_reads_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.reader.execute("INSERT INTO note (text) VALUES ('x')")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.scan(insert("x"))


def write_elsewhere(path: Path, text: str) -> None:
    other = sqlite3.connect(path)
    other.execute("INSERT INTO note (text) VALUES (?)", (text,))
    other.commit()
    other.close()


async def test_a_change_by_another_is_seen_once(path: Path, database: Database) -> None:
    assert not await database.changed_elsewhere()
    write_elsewhere(path, "theirs")
    assert await database.changed_elsewhere()
    assert not await database.changed_elsewhere()
    assert texts(database) == ["theirs"]


async def test_what_we_write_was_not_changed_elsewhere(path: Path, database: Database) -> None:
    await database.write(insert("ours"))
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(insert("ours"))
    assert not await database.changed_elsewhere()
    write_elsewhere(path, "theirs")
    await database.write(insert("also ours"))  # does not hide theirs
    assert await database.changed_elsewhere()
    assert not await database.changed_elsewhere()


async def test_each_commit_has_a_revision_once_it_is_noticed(path: Path, database: Database) -> None:
    revisions = [database.revision]
    await database.write(insert("ours"))
    revisions.append(database.revision)
    await database.changed_elsewhere()
    assert database.revision == revisions[-1]
    write_elsewhere(path, "theirs")
    await database.changed_elsewhere()
    revisions.append(database.revision)
    assert sorted(set(revisions)) == revisions


def glanced(database: Database) -> list[str]:
    return [text for (text,) in database.glance.execute("SELECT text FROM note ORDER BY id")]


async def test_a_glance_sees_what_others_commit_with_the_next_question(path: Path, database: Database) -> None:
    await database.changed_elsewhere()
    assert glanced(database) == []
    write_elsewhere(path, "theirs")
    assert (glanced(database), texts(database)) == ([], ["theirs"])
    await database.changed_elsewhere()
    assert glanced(database) == ["theirs"]


async def test_who_never_asks_sees_what_others_commit_at_a_glance(path: Path, database: Database) -> None:
    assert glanced(database) == []
    write_elsewhere(path, "theirs")
    assert glanced(database) == ["theirs"]


async def test_a_glance_sees_what_we_commit_at_once(database: Database) -> None:
    await database.changed_elsewhere()
    assert glanced(database) == []
    await database.write(insert("ours"))
    assert glanced(database) == ["ours"]
    await asyncio.gather(database.changed_elsewhere(), database.write(insert("also ours")))
    assert glanced(database) == ["ours", "also ours"]


async def test_glances_between_commits_do_not_let_the_log_grow(path: Path, database: Database) -> None:
    def job(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE note SET text = ? WHERE id = 1", ("x" * 1_000_000,))

    await database.write(insert("first"))
    for _ in range(20):
        await database.changed_elsewhere()
        assert len(glanced(database)) == 1
        await database.write(job)
    assert path.with_name(f"{path.name}-wal").stat().st_size < 10_000_000


async def test_a_snapshot_holds_for_several_look_ups(path: Path, database: Database) -> None:
    with database.snapshot():
        assert texts(database) == []
        write_elsewhere(path, "theirs")
        assert texts(database) == []
    assert texts(database) == ["theirs"]


async def test_a_migration_keeps_the_data(path: Path, database: Database) -> None:
    await database.write(insert("old"))
    await database.close()
    migrated = open_at(path, FIRST, SECOND)
    await migrated.write(insert("new"))
    rows = migrated.reader.execute("SELECT text, colour FROM note ORDER BY id").fetchall()
    assert rows == [("old", "a;b"), ("new", "red")]
    assert migrated.reader.execute("PRAGMA user_version").fetchone() == (2,)
    await migrated.close()


def test_migrate_tells_the_versions(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    versions = [
        migrate(connection, path, application_id=APPLICATION, migrations=scripts)
        for scripts in ((FIRST,), (FIRST,), (FIRST, SECOND))
    ]
    connection.close()
    assert versions == [(0, 1), (1, 1), (1, 2)]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, database: Database) -> None:
    await database.write(insert("kept"))
    await database.close()
    with pytest.raises(StoreError, match="syntax error"):
        open_at(path, FIRST, SECOND, "CREATE NONSENSE")
    again = open_at(path)
    assert texts(again) == ["kept"]
    assert again.reader.execute("SELECT * FROM note").fetchall() == [(1, "kept")]
    await again.close()


class Overtaken(sqlite3.Connection):
    """Another process opens the same new file just before us."""

    path: Path

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as typed there
        if sql.startswith("BEGIN"):
            other = sqlite3.connect(self.path, isolation_level=None)
            migrate(other, self.path, application_id=APPLICATION, migrations=(FIRST,))
            other.close()
        return super().execute(sql, parameters)


def test_two_that_migrate_at_once_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None, factory=Overtaken)
    connection.path = path
    assert migrate(connection, path, application_id=APPLICATION, migrations=(FIRST,)) == (1, 1)
    connection.close()


async def test_a_newer_schema_is_refused(path: Path, database: Database) -> None:
    await database.close()
    newer = open_at(path, FIRST, SECOND)
    await newer.close()
    with pytest.raises(StoreError, match=r"schema version 2.*up to 1.*upgrade the program"):
        open_at(path)


@pytest.mark.parametrize("application", [0, APPLICATION + 1])
def test_another_programs_file_is_refused_and_untouched(tmp_path: Path, application: int) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.executescript(f"CREATE TABLE theirs (a); PRAGMA application_id={application}")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database of this program"):
        open_at(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear operator, " * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_at(path)
    assert path.read_text() == "Dear operator, " * 100


@pytest.mark.parametrize("name", ["no-such-folder/store.db", "."])
def test_a_path_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened for writing.*check that its folder exists"):
        open_at(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_file_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o400)
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        open_at(path)


async def test_a_job_meets_a_writer_elsewhere_and_says_so(path: Path, database: Database) -> None:
    await database.write(lambda connection: connection.execute("PRAGMA busy_timeout=1").fetchone())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        await database.write(insert("blocked"))
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(insert("free again")) == 1
