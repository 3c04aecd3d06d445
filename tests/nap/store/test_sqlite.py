import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cascade.errors import StoreError
from cascade.roaming.tokens import Token
from nap.store.schema import APPLICATION_ID, MIGRATIONS
from nap.store.sqlite import SqliteStore
from nap.store.sqlite_endpoints import longest_prefix
from tests.nap.actors import NOW, cdr, operator
from tests.nap.store.acts import claim, enter, publish, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, NOW)
    yield store
    await store.close()


async def test_everything_is_there_when_the_file_is_opened_again(path: Path) -> None:
    store = await SqliteStore.open(path, NOW)
    assert store.schema_versions() == (0, len(MIGRATIONS))
    key = store.ticket_key()
    await enter(store, "C1", "C2")
    await claim(store, "C1", "AB")
    await publish(store, "C1", Token(id_tag="AB1"))
    taken = await take(store, cdr())
    version = store.tokens.version()
    await store.close()

    later = NOW.replace(year=2030)
    store = await SqliteStore.open(path, later)
    assert store.schema_versions() == (len(MIGRATIONS), len(MIGRATIONS))
    assert store.ticket_key() == key
    assert store.tokens.version() == version
    assert store.operators.get("C1") == operator("C1")
    assert store.endpoints.prefix_owner("AB9") == "C1"
    assert store.tokens.find("AB1") is not None
    assert store.cdrs.queued("C1", 10) == [taken]
    await store.close()


async def test_two_that_create_a_store_at_once_share_its_key(path: Path) -> None:
    first, second = await asyncio.gather(SqliteStore.open(path, NOW), SqliteStore.open(path, NOW))
    assert first.ticket_key() == second.ticket_key()
    await first.close()
    await second.close()


async def test_what_another_process_writes_is_seen_and_noticed(path: Path, store: SqliteStore) -> None:
    other = await SqliteStore.open(path, NOW)
    await enter(other, "C1")
    assert await store.changed_elsewhere()
    assert not await store.changed_elsewhere()
    assert store.operators.get("C1") == operator("C1")
    await other.operators.change("C1", enabled=False)
    await other.close()
    await enter(store, "C2")  # ours does not hide theirs
    assert await store.changed_elsewhere()
    assert store.operators.get("C1") == operator("C1", enabled=False)


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA application_id={APPLICATION_ID}")
        newer.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
        newer.execute("CREATE TABLE future (a)")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"schema version {len(MIGRATIONS) + 1}.*upgrade the program"):
        await SqliteStore.open(path, NOW)
    assert path.read_bytes() == before


async def test_another_programs_file_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    with pytest.raises(StoreError, match="not a database of this program"):
        await SqliteStore.open(path, NOW)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing/hub\.sqlite cannot be opened"):
        await SqliteStore.open(tmp_path / "missing" / "hub.sqlite", NOW)


async def test_a_cdr_that_the_disk_does_not_take_is_not_acknowledged(store: SqliteStore) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", Token(id_tag="AB1"))
    await store._database.write(lambda db: db.execute("PRAGMA max_page_count=1").fetchone())  # it is full
    sent = [cdr(charge_point_id="x" * 255) for _ in range(100)]
    outcomes = await asyncio.gather(*(take(store, message) for message in sent), return_exceptions=True)
    assert any(isinstance(outcome, StoreError) for outcome in outcomes)
    acknowledged = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert store.cdrs.queued("C1", 200) == acknowledged


# --- the queries that the hub runs all the time use their indexes -------------------------------------------


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (lambda store: store.tokens.find("AB1"), "SEARCH tokens USING PRIMARY KEY (id_key=?)"),
        (
            lambda store: store.tokens.whitelist_page("C1", epoch=int(NOW.timestamp()), version=0, limit=500),
            "SEARCH tokens USING INDEX tokens_listed (version>?)",
        ),
        (lambda store: store.cdrs.queued("C1", 100), "SEARCH cdrs USING INDEX cdrs_queued (home=?)"),
        (lambda store: store.cdrs.untold("C1", 100), "SEARCH cdrs USING INDEX cdrs_untold (visited=?)"),
        (lambda store: store.cdrs.find(state=None, operator_id=None, limit=10), "SCAN cdrs"),
        (lambda store: store.operators.get("C1"), "SEARCH operators USING PRIMARY KEY (operator_id=?)"),
        (lambda store: store.endpoints.prefix_owner("AB1"), "SEARCH prefixes USING PRIMARY KEY (prefix_key<?)"),
    ],
)
async def test_plans(store: SqliteStore, query: Callable[[SqliteStore], object], index: str) -> None:
    reader, glance = store._database.reader, store._database.glance
    ran: list[str] = []
    for connection in (reader, glance):
        connection.set_trace_callback(ran.append)
    query(store)
    for connection in (reader, glance):
        connection.set_trace_callback(None)
    plans = [
        " / ".join(row[3] for row in reader.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in ran
        if statement.startswith("SELECT") and " meta " not in statement
    ]
    assert any(index in plan for plan in plans), plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans


async def test_a_publication_looks_its_tokens_up_by_their_keys(store: SqliteStore) -> None:
    ran: list[str] = []
    await enter(store, "C1")
    store._database._writer.set_trace_callback(ran.append)
    await publish(store, "C1", Token(id_tag="AB1"))
    store._database._writer.set_trace_callback(None)
    (query,) = [statement for statement in ran if "json_each" in statement]
    plan = store._database.reader.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert plan[-1][3] == "SEARCH tokens USING PRIMARY KEY (id_key=?)", plan


# --- the longest prefix -------------------------------------------------------------------------------------


keys = st.text("AB \x7e0", max_size=6)


@given(st.dictionaries(keys.filter(lambda key: len(key) > 1), st.sampled_from(["C1", "C2", "C3"])), keys)
@example({"AB": "C1", "ABC": "C1"}, "ABD")
@example({"AB": "C1", "ABAA": "C1", "ABAAC": "C1"}, "ABAABB")
@example({"AB": "C1"}, "AC")
def test_the_longest_prefix_is_found_in_the_order_of_keys(owners: dict[str, str], key: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE prefixes (prefix_key TEXT PRIMARY KEY, operator_id TEXT) WITHOUT ROWID")
        db.executemany("INSERT INTO prefixes VALUES (?, ?)", owners.items())
        beginnings = [prefix for prefix in owners if key.startswith(prefix)]
        assert longest_prefix(db, key) == owners.get(max(beginnings, key=len, default=""))
