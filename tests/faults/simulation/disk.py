"""Disks that outlive the processes that write to them, and a `Database` on them without threads.

What the stores do is the real thing, on SQLite in memory. Only when a group is committed, when its writers
are told, and whether the disk takes it, is the simulation's to say. Between commit and answer a process may
die: then the rows are there, and nobody knows.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cascade.database import Database, Job, T, migrate
from cascade.errors import StoreError
from tests.faults.simulation.node import Node


class Disk:
    """One database file.

    Args:
        image: what is on it in the beginning, of `sqlite3.Connection.serialize`.
        changed: called after each commit.
    """

    def __init__(self, image: bytes, changed: Callable[[], None]) -> None:
        self.changed = changed
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.deserialize(image)
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.is_full = False
        self.is_slow = False
        self.commits = 0

    def poison(self, table: str, charge_point_id: str) -> None:
        """Have every write fail that puts a CDR of a charge point into `table`: a fault that nobody foresaw."""
        self.connection.execute(
            f"CREATE TEMP TRIGGER poison BEFORE INSERT ON main.{table} "
            f"WHEN json_extract(NEW.body, '$.chargePointId') = '{charge_point_id}' "
            "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        )

    def cure(self) -> None:
        """End that."""
        self.connection.execute("DROP TRIGGER IF EXISTS temp.poison")


def image_of(application_id: int, migrations: Sequence[str], *rows: tuple[str, Sequence[Any]]) -> bytes:
    """A disk's first content: an empty schema, and what these statements put in."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("simulated"), application_id=application_id, migrations=migrations)
    for statement, values in rows:
        connection.executemany(statement, values)
    image = connection.serialize()
    connection.close()
    return image


class SimulatedDatabase(Database):
    """A `Database` of one life of a node.

    Args:
        disk: keeps what is committed.
        node: whose; when it is dead nothing is written any more.
        rng: draws how long commits take.
    """

    acknowledges_early = False
    """A planted bug: writers are told before the commit."""

    def __init__(self, disk: Disk, node: Node, rng: random.Random) -> None:
        self.schema_versions = (1, 1)
        self.revision = 0
        self.reader = self.glance = self._writer = disk.connection
        self._path = Path("simulated")
        self._disk = disk
        self._node = node
        self._rng = rng
        self._group: list[tuple[Job[Any], asyncio.Future[Any]]] = []
        self._seen = disk.commits
        """Commits that we have made or noticed."""

    async def write(self, job: Job[T]) -> T:
        """Run `job` with the next group."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._node.dead:
            return await future  # which nobody will settle
        self._group.append((job, future))
        if len(self._group) == 1:
            loop.call_later(self._delay(), self._commit_group)
        return await future

    def _delay(self) -> float:
        return self._rng.uniform(0.0005, 0.01) * (200 if self._disk.is_slow else 1)

    def _commit_group(self) -> None:
        group, self._group = self._group, []
        if self._node.dead:
            return
        later = asyncio.get_running_loop().call_later
        jobs = [job for job, _ in group]
        if self._disk.is_full:
            outcomes: list[tuple[Any, Exception | None]] = [(None, StoreError("the disk is full"))] * len(jobs)
        elif self.acknowledges_early:
            outcomes = self._rehearse(jobs)
            later(self._delay(), lambda: None if self._node.dead else self._commit(jobs))
        else:
            outcomes = self._commit(jobs)
        self.revision += 1
        later(self._delay(), lambda: self._tell(group, outcomes))

    def _commit(self, jobs: list[Job[Any]]) -> list[tuple[Any, Exception | None]]:
        outcomes = super()._commit(jobs)
        self._seen += 1
        self._disk.commits += 1
        self._disk.changed()
        return outcomes

    def _rehearse(self, jobs: list[Job[Any]]) -> list[tuple[Any, Exception | None]]:
        outcomes: list[tuple[Any, Exception | None]] = []
        self.reader.execute("BEGIN")
        for job in jobs:
            try:
                outcomes.append((job(self.reader), None))
            except Exception as error:  # noqa: BLE001 - as a commit tells it
                outcomes.append((None, error))
        self.reader.execute("ROLLBACK")
        return outcomes

    def _tell(
        self,
        group: list[tuple[Job[Any], asyncio.Future[Any]]],
        outcomes: list[tuple[Any, Exception | None]],
    ) -> None:
        for (_, future), (result, error) in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    async def scan(self, job: Job[T]) -> T:
        """Run a read."""
        return job(self.reader)

    async def changed_elsewhere(self) -> bool:
        """Whether another process has written to the disk since the last question."""
        changed, self._seen = self._disk.commits != self._seen, self._disk.commits
        self.revision += changed
        return changed

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """All that is read in one step is one snapshot."""
        yield self.reader
