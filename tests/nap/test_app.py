import asyncio
import json
import socket
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cascade.errors import SetupError, StoreError
from nap.app import HubApp, open_store, utc_now
from nap.records import AuthorizationRecord
from nap.settings import HubSettings
from nap.store.sqlite import SqliteStore
from tests.conftest import LogLines
from tests.nap.actors import NOW, SECRET_HASH, operator
from tests.nap.conftest import StartHub
from tests.nap.test_telemetry import free_port


def test_the_clock_shows_utc() -> None:
    assert utc_now().tzinfo is UTC


async def test_the_store_is_that_of_the_settings(tmp_path: Path) -> None:
    store = await open_store(HubSettings(database=tmp_path / "mine.sqlite"))
    await store.close()
    assert (tmp_path / "mine.sqlite").exists()


async def test_a_hub_says_where_it_listens_and_when_it_has_stopped(start_hub: StartHub, logs: LogLines) -> None:
    world = await start_hub()
    listening = logs.named("listening")[0]
    assert listening["url"] == world.app.url
    assert world.app.url.startswith("ws://127.0.0.1:")
    assert listening["database"] == str(world.settings.database)
    await world.stop()
    assert [logs.named(name) != [] for name in ("draining", "stopped")] == [True, True]


async def test_links_of_a_hub_that_died_are_forgotten_at_the_start(tmp_path: Path) -> None:
    settings = HubSettings(database=tmp_path / "hub.sqlite", port=0)
    died = await SqliteStore.open(settings.database, NOW)
    await died.operators.add((operator("C1"), SECRET_HASH), now=NOW)
    await died.operators.note_link("C1", linked=True, now=NOW)
    await died.close()
    hub = HubApp(settings)
    await hub.start()
    assert [standing.linked for standing in hub.store.operators.standings()] == [False]
    await hub.stop()


async def test_metrics_are_served_beside_the_links(start_hub: StartHub) -> None:
    port = free_port()
    world = await start_hub(metrics_port=port)
    await world.link("C1")

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            text: str = page.read().decode()
            return text

    assert "nap_links 1.0" in await asyncio.to_thread(read)


async def test_while_it_drains_a_hub_is_not_healthy(start_hub: StartHub) -> None:
    world = await start_hub()
    home, visited = await world.link("C1"), await world.link("C2")
    await home.claim("AB")
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: object) -> dict[str, object]:
        asked.set()
        await may_answer.wait()
        return {"idTagInfo": {"status": "Accepted"}}

    home.authorize = slowly
    answer = asyncio.create_task(visited.status_of("AB1"))
    await asked.wait()
    stopping = asyncio.create_task(world.stop())

    def health() -> tuple[int, dict[str, object]]:
        try:
            urllib.request.urlopen(  # noqa: S310 - a page of the hub that was started
                world.app.url.replace("ws:", "http:").replace("/ocpp", "/health")
            )
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        raise AssertionError

    status, body = await asyncio.to_thread(health)
    assert (status, body["status"]) == (503, "draining")
    may_answer.set()
    assert await answer == "Accepted"
    await stopping


async def test_what_a_drain_cannot_wait_for_is_dropped(start_hub: StartHub) -> None:
    world = await start_hub(drain_grace_s=0.05, call_timeout_s=600)
    home, visited = await world.link("C1"), await world.link("C2")
    await home.claim("AB")
    asked, never = asyncio.Event(), asyncio.Event()

    async def be_silent(_: object) -> dict[str, object]:
        asked.set()
        await never.wait()
        return {}

    home.authorize = be_silent
    answer = asyncio.create_task(visited.status_of("AB1"))
    await asked.wait()
    async with asyncio.timeout(10):
        await world.stop()
    outcome = (await asyncio.gather(answer, return_exceptions=True))[0]
    assert outcome != "Accepted"
    never.set()


async def test_an_address_that_is_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for ports in ({"port": port}, {"port": 0, "metrics_port": port}):
            hub = HubApp(HubSettings(database=tmp_path / "hub.sqlite", **ports))
            with pytest.raises(OSError, match="in use"):
                await hub.start()
            with pytest.raises(StoreError, match="closed"):
                await hub.store.operators.forget_links()


async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    none = tmp_path / "none.pem"
    hub = HubApp(HubSettings(database=tmp_path / "hub.sqlite", tls_certificate=none, tls_key=none))
    with pytest.raises(SetupError, match=r"none\.pem"):
        await hub.start()


async def test_old_authorizations_are_pruned_at_the_start(start_hub: StartHub, logs: LogLines) -> None:
    world = await start_hub()
    for days in (1, 100):
        decided = utc_now() - timedelta(days=days)
        record = AuthorizationRecord("C2", f"m-{days}", "AB1", "C1", "Accepted", "hub", decided)
        await world.app.store.authorizations.record([record])
    await world.stop()
    logs.entries.clear()
    await world.start()
    assert (await logs.event("authorizations_pruned"))["count"] == 1


async def test_a_store_that_does_not_prune_is_said_and_survived(start_hub: StartHub, logs: LogLines) -> None:
    world = await start_hub()
    partner = await world.link("C1")
    world.refuse_writes()
    pruning = asyncio.create_task(world.app._prune())
    await logs.event("authorizations_not_pruned")
    await partner.settle()
    pruning.cancel()
    await asyncio.gather(pruning, return_exceptions=True)


async def test_what_was_answered_is_written_down_before_the_end(start_hub: StartHub) -> None:
    world = await start_hub(record_interval_s=600)
    partner = await world.link("C1")
    await partner.status_of("AB1")
    await world.stop()
    store = await SqliteStore.open(world.settings.database, NOW)
    assert await store.authorizations.prune(datetime.now(UTC) + timedelta(days=1)) == 1
    await store.close()
    await world.start()
