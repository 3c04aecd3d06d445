import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.systems.custody import Custody, fill
from cascade.roaming.cdrs import Authorization, Cdr
from cascade.roaming.model import utc_text
from cpo_central.schema import open_database
from nap.app import open_store
from nap.records import CdrOutcome, CdrState, StoredCdr
from nap.settings import HubSettings
from tests.nap.actors import NOW, cdr

CDRS = [cdr(visited, authorization=Authorization.WHITELIST) for visited in ("V1", "V2", "V1")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "hub.sqlite"
    asyncio.run(fill(path, CDRS, home="C1"))
    return path


@pytest.fixture
def custody(database: Path) -> Iterator[Custody]:
    with closing(Custody(database)) as opened:
        yield opened


async def test_the_hub_finds_them_as_if_it_had_taken_them(database: Path) -> None:
    expected = [
        StoredCdr(
            cdr=one,
            body=one.wire(),
            digest=one.digest(),
            visited=one.operator_id,
            home="C1",
            received_at=one.session_end,
            authorized=True,
        )
        for one in CDRS
    ]
    store = await open_store(HubSettings(database=database))
    try:
        assert store.cdrs.queued("C1", 10) == expected
        assert store.cdrs.queued("C2", 10) == []
        assert store.cdrs.untold("V1", 10) == []
    finally:
        await store.close()


async def test_it_says_what_has_become_of_them(database: Path, custody: Custody) -> None:
    assert (custody.settled("C1"), custody.untold(["V1", "V2"])) == (0, 0)
    store = await open_store(HubSettings(database=database))
    try:
        await store.cdrs.settle([CdrOutcome(one.cdr_id, CdrState.DELIVERED) for one in CDRS[:2]], NOW)
        assert custody.settled("C1") == 2
        assert (custody.untold(["V1", "V2"]), custody.untold(["V1"]), custody.untold([])) == (2, 1, 0)
        assert custody.states() == {CdrState.DELIVERED: 2, CdrState.QUEUED: 1}
        assert custody.log_bytes() > 0
        await store.cdrs.settle([CdrOutcome(CDRS[2].cdr_id, CdrState.REJECTED, "because")], NOW)
        await store.cdrs.note_told(store.cdrs.untold("V1", 10))
    finally:
        await store.close()
    assert custody.settled("C1") == 3
    assert custody.untold(["V1", "V2"]) == 1


async def test_it_is_compared_with_what_is_at_home(custody: Custody, tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    await open_database(path).close()
    assert custody.equal_at(path) == (0, 0)
    changed = CDRS[1].model_copy(update={"meter_stop": CDRS[1].meter_stop + 1})
    insert = "INSERT INTO received_cdr (cdr_id, body, digest, receipt, received_at) VALUES (?, ?, ?, '{}', ?)"
    with closing(sqlite3.connect(path)) as home, home:
        home.executemany(insert, [_received(CDRS[0]), _received(changed)])
    assert custody.equal_at(path) == (2, 1)
    assert custody.equal_at(path) == (2, 1)


def _received(one: Cdr) -> tuple[str, ...]:
    return str(one.cdr_id), one.wire(), one.digest(), utc_text(NOW)
