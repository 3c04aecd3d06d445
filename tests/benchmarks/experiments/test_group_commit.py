import sqlite3
from pathlib import Path

from benchmarks.experiments.group_commit import bare_group_commits
from tests.nap.actors import cdr


async def test_all_rows_are_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "bare.sqlite"
    cdrs = [cdr() for _ in range(20)]
    assert await bare_group_commits(path, cdrs, home="C1", writers=3) > 0
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT cdr_id, body, digest, home, state FROM cdrs ORDER BY seq").fetchall()
    db.close()
    assert rows == [(str(one.cdr_id), one.wire(), one.digest(), "C1", "Queued") for one in cdrs]
