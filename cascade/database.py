"""One SQLite file: a writer that commits groups, and a read-only connection for look-ups in the event loop.

A write is acknowledged after its commit with `synchronous=FULL`. Writes that arrive while a commit is under
way wait and share the next one; each runs in a savepoint of its own, so that one that fails takes no other
with it. Reads of a few rows go through `reader` directly: a hop to a thread would cost more than the look-up.
Long reads go through `scan`, on a thread and a connection of their own.

Half of the cost of a look-up is its transaction. `glance` is a second connection whose look-ups share one, for
what every authorization asks: it sees our own commits at once, and those of others with the next question
whether there are any (`changed_elsewhere`). No such snapshot is held during a commit, so the write-ahead log
can start over.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from cascade.errors import StoreError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

GROUP_MAX = 1000
"""Writes that share one commit."""

BUSY_TIMEOUT_S = 5.0
"""How long a write waits for another process, such as a command line, that is writing."""


class Database:
    """An open SQLite database; made by `Database.open`."""

    def __init__(self, path: Path, writer: sqlite3.Connection, schema_versions: tuple[int, int]) -> None:
        self.schema_versions = schema_versions
        """The version found when the file was opened, and the version that it has now."""
        self.revision = 0
        """Another number after each of our commits, and when a commit of another process has been noticed."""
        self._path = path
        self._writer = writer
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="db-writer")
        self._scan_thread = ThreadPoolExecutor(1, thread_name_prefix="db-scan")
        self._pending: list[tuple[Job[Any], asyncio.Future[Any]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self._is_told_of_others = False
        self.reader = _connect(path, read_only=True)
        self.glance = _connect(path, read_only=True)
        self._scanner = _connect(path, read_only=True)
        self._seen_by_reader, self._seen_by_writer = _data_version(self.reader), _data_version(writer)

    @classmethod
    def open(cls, path: Path, *, application_id: int, migrations: Sequence[str]) -> "Database":
        """Open the file, creating or migrating it as needed.

        Args:
            path: the database file; its folder must exist and be writable.
            application_id: marks whose file it is, so that no program opens another's.
            migrations: SQL scripts; the first `PRAGMA user_version` of them have been applied.

        Raises:
            StoreError: missing rights, another program's file, or a schema newer than `migrations`.
        """
        writer: sqlite3.Connection | None = None
        try:
            writer = _connect(path, read_only=False)
            versions = migrate(writer, path, application_id=application_id, migrations=migrations)
            writer.execute("PRAGMA journal_mode=WAL")
            return cls(path, writer, versions)
        except sqlite3.Error as error:
            if writer is not None:
                writer.close()
            raise StoreError(
                f"the database {path} cannot be opened for writing ({error}): "
                "check that its folder exists and that this user may write there"
            ) from error
        except StoreError:
            assert writer is not None, "only an open file can be the wrong one"
            writer.close()
            raise

    async def write(self, job: Job[T]) -> T:
        """Run `job` in a transaction; its result comes back once that is committed.

        The job must use the connection that it is given and nothing else of this process: it runs on another
        thread. What it raises comes back as it is, with all that it wrote undone.

        Raises:
            StoreError: the group could not be committed, say on a full disk; nothing of it was written. Or
                the database has been closed.
        """
        if self._closed:
            raise StoreError(f"the database {self._path} is closed: nothing more can be written")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append((job, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def scan(self, job: Job[T]) -> T:
        """Run a long read on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._scan_thread, job, self._scanner)

    async def changed_elsewhere(self) -> bool:
        """Whether somebody else, such as a command line, has committed since the last question.

        The reader knows at no cost whether anybody has; whether it was not ourselves the writer must be asked,
        to whom its own commits are no change.
        """
        self._is_told_of_others = True
        version = _data_version(self.reader)
        if version == self._seen_by_reader:
            self._begin_snapshot()
            return False
        self._seen_by_reader = version
        loop = asyncio.get_running_loop()
        version = await loop.run_in_executor(self._writer_thread, _data_version, self._writer)
        changed, self._seen_by_writer = version != self._seen_by_writer, version
        self.revision += changed
        self._begin_snapshot()
        return changed

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """The reader, for several look-ups that must fit together; nothing may be awaited meanwhile."""
        self.reader.execute("BEGIN")
        try:
            yield self.reader
        finally:
            self.reader.execute("COMMIT")

    def _begin_snapshot(self) -> None:
        """Have the next glance begin a snapshot that those after it share."""
        if self._is_told_of_others and self._flushing is None and not self._closed:
            self._end_snapshot()
            self.glance.execute("BEGIN")

    def _end_snapshot(self) -> None:
        if self.glance.in_transaction:
            self.glance.execute("COMMIT")

    async def close(self) -> None:
        """Finish what waits to be written and close."""
        self._closed = True
        while self._flushing is not None:
            await self._flushing
        self._writer_thread.shutdown()
        self._scan_thread.shutdown()
        self.reader.close()
        self.glance.close()
        self._scanner.close()
        self._writer.close()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                group, self._pending = self._pending[:GROUP_MAX], self._pending[GROUP_MAX:]
                jobs = [job for job, _ in group]
                self._end_snapshot()
                outcomes = await loop.run_in_executor(self._writer_thread, self._commit, jobs)
                self.revision += 1
                for (_, future), (result, error) in zip(group, outcomes, strict=True):
                    if future.done():
                        continue
                    if error is None:
                        future.set_result(result)
                    else:
                        future.set_exception(error)
        finally:
            self._flushing = None
            self._begin_snapshot()

    def _commit(self, jobs: list[Job[Any]]) -> list[tuple[Any, Exception | None]]:
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._writer.execute("SAVEPOINT job")
                try:
                    outcomes.append((job(self._writer), None))
                except Exception as error:
                    if _is_of_the_disk(error):
                        raise
                    self._writer.execute("ROLLBACK TO job")
                    outcomes.append((None, error))
                self._writer.execute("RELEASE job")
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            failure = StoreError(f"the database {self._path} did not take a write: {error}")
            failure.__cause__ = error
            return [(None, failure)] * len(jobs)
        return outcomes


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _is_of_the_disk(error: Exception) -> bool:
    """Whether no job of the group can be written now; SQL that is wrong concerns its own job only."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_S,
        cached_statements=256,
    )
    if not read_only:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    return connection


def migrate(
    connection: sqlite3.Connection, path: Path, *, application_id: int, migrations: Sequence[str]
) -> tuple[int, int]:
    """Bring the schema up to date, all of it or nothing; returns the version found and the version now.

    Raises:
        StoreError: another program's file, or a schema newer than `migrations`. The file is as it was.
    """
    connection.execute("BEGIN IMMEDIATE")  # another process may want to migrate at this moment
    try:
        found = _check(connection, path, application_id=application_id, known=len(migrations))
        for script in migrations[found:]:
            for statement in _statements(script):
                connection.execute(statement)
        if found < len(migrations):
            connection.execute(f"PRAGMA application_id={application_id}")
            connection.execute(f"PRAGMA user_version={len(migrations)}")
        connection.execute("COMMIT")
    except (sqlite3.Error, StoreError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found, len(migrations)


def _statements(script: str) -> Iterator[str]:
    """Its statements one by one: `executescript` would commit before the first."""
    statement = ""
    for piece in script.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _check(connection: sqlite3.Connection, path: Path, *, application_id: int, known: int) -> int:
    """The schema version of a file that is ours, or empty."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if not (is_empty or owner == application_id):
        raise StoreError(f"{path} is not a database of this program: give it another path")
    if found > known:
        raise StoreError(
            f"{path} has schema version {found}, and this program knows versions up to {known}: "
            "upgrade the program, or restore the backup made before the file was upgraded"
        )
    return found
