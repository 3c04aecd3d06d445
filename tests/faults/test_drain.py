"""SIGTERM to real processes: what was asked before it is answered, and nobody who hangs delays the end."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cascade.client import basic
from cascade.frames import Call, Payload
from cascade.ocpp16 import SUBPROTOCOL
from cascade.roaming.tokens import Token
from nap.operators import GOING_AWAY
from nap.store.sqlite import SqliteStore
from scenarios.process import Watched
from tests.bare import Bare
from tests.cpo_central.actors import CREDENTIAL, Charger, Hub
from tests.nap.actors import NOW, SECRET, SECRET_HASH, Partner, cdr, operator

ACCEPTED: Payload = {"idTagInfo": {"status": "Accepted"}}
SOON_S = 8.0
"""Less than the grace of ten seconds, and than the ten that `websockets` waits for a peer to close."""


class Waiting:
    """A handler of Authorize that answers when it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, _: Call) -> Payload:
        self.asked.set()
        await self.may_answer.wait()
        return ACCEPTED


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write to a database."""
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


async def ended(process: Watched) -> int:
    """The exit code of a process that is about to end."""
    async with asyncio.timeout(SOON_S):
        return await process.process.wait()


@pytest.fixture
async def hub_database(tmp_path: Path) -> Path:
    path = tmp_path / "hub.sqlite"
    store = await SqliteStore.open(path, NOW)
    await store.operators.add(*((operator(name), SECRET_HASH) for name in ("C1", "C2", "C3")), now=NOW)
    await store.close()
    return path


StartNap = Callable[..., Awaitable[Watched]]


@pytest.fixture
async def start_nap(hub_database: Path) -> AsyncIterator[StartNap]:
    """Starts a hub in which a call may take longer than it may take to end."""
    async with AsyncExitStack() as stack:

        async def start(**settings: str) -> Watched:
            given = {"NAP_DATABASE": str(hub_database), "NAP_PORT": "0", "NAP_CALL_TIMEOUT_S": "60"}
            process = await Watched.start("hub", "nap", ["serve"], given | settings)
            stack.push_async_callback(process.stop)
            return process

        yield start


async def port(process: Watched) -> int:
    found = urlsplit((await process.event("listening"))["url"]).port
    assert found is not None
    return found


async def linked(nap: Watched, operator_id: str) -> Partner:
    partner = Partner(operator_id)
    await partner.dial((await nap.event("listening"))["url"])
    await partner.settle()
    return partner


async def test_a_hub_answers_what_it_was_asked_before_it_ends(start_nap: StartNap, hub_database: Path) -> None:
    nap = await start_nap()
    home, visited = [await linked(nap, name) for name in ("C1", "C2")]
    await home.publish(Token(id_tag="CD1"))
    await home.claim("AB")
    home.authorize = waiting = Waiting()
    with locked(hub_database):
        asking = [asyncio.create_task(visited.status_of(f"AB{number}")) for number in range(100)]
        sending = asyncio.create_task(visited.send(bill := cdr(id_tag="CD1")))
        await waiting.asked.wait()
        await visited.settle()
        nap.signal(signal.SIGTERM)
        await nap.event("draining")
    waiting.may_answer.set()
    assert await asyncio.gather(*asking) == ["Accepted"] * 100
    assert (await sending).cdr_id == bill.cdr_id
    assert await ended(nap) == 0
    for partner in (home, visited):
        await partner.gone
        assert partner.connection.close_code == GOING_AWAY


async def test_an_operator_that_hangs_does_not_keep_a_hub_from_ending(start_nap: StartNap) -> None:
    nap = await start_nap(NAP_DRAIN_GRACE_S="0.5")
    home, visited = [await linked(nap, name) for name in ("C1", "C2")]
    await home.claim("AB")
    home.authorize = waiting = Waiting()
    async with Bare(await port(nap), "C3", authorization=basic("C3", SECRET)):
        asking = asyncio.create_task(visited.status_of("AB1"))
        await waiting.asked.wait()
        nap.signal(signal.SIGTERM)
        assert await ended(nap) == 0
    assert await asking == "Invalid"  # as home's link was closed before
    waiting.may_answer.set()
    for partner in (home, visited):
        await partner.close()


async def test_a_central_system_answers_what_it_was_asked_before_it_ends(tmp_path: Path) -> None:
    hub = Hub()
    await hub.start()
    database = tmp_path / "central.sqlite"
    central = await Watched.start(
        "C2",
        "cpo_central",
        ["serve"],
        {
            "CPO_OPERATOR_ID": "C2",
            "CPO_DATABASE": str(database),
            "CPO_PORT": "0",
            "CPO_HUB_URL": hub.url,
            "CPO_HUB_CREDENTIAL": CREDENTIAL,
            "CPO_MODES": "hub",
        },
    )
    try:
        chargers = await port(central)
        await central.event("published")
        hub.infos["HOME0001"] = {"status": "Accepted"}
        asks, stops, beats = [await Charger.connect(chargers, f"CP-{number}") for number in range(3)]
        session = (await stops.start("HOME0001"))["transactionId"]
        hub.answers["Authorize"] = waiting = Waiting()
        async with Bare(chargers, "CP-3", subprotocol=SUBPROTOCOL):
            asking = asyncio.create_task(asks.authorize("HOME0002"))
            await waiting.asked.wait()
            with locked(database):
                stopping = asyncio.create_task(stops.stop(session))
                await beats.link.call("Heartbeat", {})  # comes behind it
                central.signal(signal.SIGTERM)
                await central.event("stopping")
            waiting.may_answer.set()
            assert await asking == ACCEPTED["idTagInfo"]
            await stopping
            assert await ended(central) == 0
        for charger in (asks, stops, beats):
            assert "1001" in await charger.reading
    finally:
        await central.stop()
        await hub.stop()
    with closing(sqlite3.connect(database)) as left:
        assert left.execute("SELECT count(*) FROM cdr").fetchone() == (1,)
