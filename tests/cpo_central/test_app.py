import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cascade.database import Database
from cascade.errors import SetupError
from cpo_central.app import Central
from cpo_central.chargers.acceptance import Registration
from cpo_central.commands.records import put_tokens
from cpo_central.drivers.token_csv import read_token
from cpo_central.schema import APPLICATION_ID, MIGRATIONS
from cpo_central.settings import CentralSettings
from tests.conftest import LogLines
from tests.cpo_central.actors import CREDENTIAL, Charger, Hub
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]
ROOT = Path(__file__).parents[2]


class Process:
    """A central system as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line of an event."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while text := await self.process.stderr.readline():
                line: dict[str, Any] = json.loads(text)
                if line["event"] == event:
                    return line
        raise AssertionError(f"it ended without {event}")

    async def end(self) -> tuple[int, str]:
        """Exit code and what is left on standard error."""
        async with asyncio.timeout(30):
            _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


@pytest.fixture
async def process() -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    begun: list[asyncio.subprocess.Process] = []

    async def begin(*arguments: object, **environment: str) -> Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cpo_central",
            "serve",
            *(str(argument) for argument in arguments),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        begun.append(child)
        return Process(child)

    yield begin
    for child in begun:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


Begin = Callable[..., Awaitable[Process]]


async def test_a_process_serves_traces_and_stops(process: Begin, hub: Hub, tmp_path: Path) -> None:
    central = await process(
        *("--operator-id", "C2", "--port", 0, "--peer-port", 0, "--hub-url", hub.url),
        *("--database", tmp_path / "c2.sqlite", "--modes", "hub"),
        CPO_HUB_CREDENTIAL=CREDENTIAL,
    )
    listening = await central.line("listening")
    assert listening["url"].startswith("ws://127.0.0.1:")
    assert listening["url"].endswith("/ocpp")
    assert listening["peer_url"].endswith("/peer")
    assert (await central.line("hub_linked"))["window"] == 256
    await central.line("published")
    charger = await Charger.connect(int(listening["url"].split(":")[2].split("/")[0]))
    central.process.send_signal(signal.SIGUSR1)
    assert (await central.line("trace"))["on"] is True
    hub.infos["HOME0001"] = {"status": "Accepted"}
    assert await charger.authorize("HOME0001") == {"status": "Accepted"}
    frames = [await central.line("frame") for _ in range(3)]
    line = await central.line("authorization")
    frames.append(await central.line("frame"))
    assert [(frame["sender"], frame["receiver"], frame["kind"]) for frame in frames] == [
        ("CP-1", "C2", "CALL"),
        ("C2", "hub", "CALL"),
        ("hub", "C2", "CALLRESULT"),
        ("C2", "CP-1", "CALLRESULT"),
    ]
    assert (line["decided_by"], line["status"]) == ("hub", "Accepted")
    central.process.send_signal(signal.SIGTERM)
    code, _ = await central.end()
    assert code == 0
    assert "1001" in await charger.reading


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--port", 0), 2, "CPO_OPERATOR_ID"),
        (("--operator-id", "C2", "--log-level", "loud"), 2, "CPO_LOG_LEVEL"),
        (("--operator-id", "C2", "--database", "no/such/folder/c2.sqlite"), 1, "check that its folder exists"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    process: Begin, arguments: tuple[object, ...], code: int, said: str
) -> None:
    ended, errors = await (await process(*arguments)).end()
    assert ended == code
    assert said in errors
    assert len(errors.splitlines()) == 1


async def test_a_database_of_a_newer_version_is_left_alone(
    settings: Callable[..., CentralSettings], tmp_path: Path
) -> None:
    central = Central(settings())
    await central.stop()
    with sqlite3.connect(tmp_path / "C2.sqlite") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(SetupError, match="upgrade the program"):
        Central(settings())


async def test_a_database_of_the_first_version_keeps_what_it_knows(
    start: Start, charger: Connect, settings: Callable[..., CentralSettings]
) -> None:
    opened = Database.open(settings().database, application_id=APPLICATION_ID, migrations=MIGRATIONS[:1])

    def fill(connection: sqlite3.Connection) -> None:
        boot = '{"chargePointVendor":"Acme","chargePointModel":"One"}'
        connection.execute("INSERT INTO charge_point VALUES ('CP-1', ?, '2026-01-01T00:00:00Z')", (boot,))
        twice = [("CP-1", "2026-01-01T10:30:00Z", '[{"value":"3000"}]')] * 2
        query = "INSERT INTO meter_value (charge_point_id, measured_at, sampled) VALUES (?, ?, ?)"
        connection.executemany(query, twice)

    await opened.write(fill)
    await opened.close()
    central = await start()
    known = central.charge_points.get("CP-1")
    assert known is not None
    assert known.registration is Registration.ACCEPTED
    assert known.boot == {"chargePointVendor": "Acme", "chargePointModel": "One"}
    cp = await charger(central, boots=False)
    assert (await cp.link.call("Heartbeat", {}))["currentTime"]
    assert central._database.reader.execute("SELECT count(*) FROM meter_value").fetchone() == (2,)


async def test_a_port_that_is_taken_is_named(start: Start, settings: Callable[..., CentralSettings]) -> None:
    taken = (await start()).port
    with pytest.raises(SetupError, match="set CPO_PORT to another"):
        await Central(settings("C3", port=taken)).start()
    with pytest.raises(SetupError, match="set CPO_PEER_PORT to another"):
        await Central(settings("C4", peer_port=taken)).start()


async def test_a_part_that_fails_ends_the_whole(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    central = await start()

    async def fail() -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(central._database, "changed_elsewhere", fail)
    with pytest.raises(sqlite3.OperationalError):
        await central.broken()
    monkeypatch.undo()


async def test_two_centrals_share_nothing(start: Start, charger: Connect, logs: LogLines) -> None:
    one, other = await start("C1"), await start("C3")
    assert one.peer_port is None
    await put_tokens(one._settings.database, [read_token({"idTag": "OWN00001"})])
    assert (await (await charger(one)).authorize("OWN00001"))["status"] == "Accepted"
    assert (await (await charger(other)).authorize("OWN00001"))["status"] == "Invalid"
    assert {line["decided_by"] for line in logs.named("authorization")} == {"own", "none"}


async def test_an_accepted_answer_waits_for_its_start_for_ten_minutes(start: Start, hub: Hub) -> None:
    now = [0.0]
    hub.infos["HOME0001"] = {"status": "Accepted"}
    central = await start("C2", hub, modes=("hub",))
    await hub.until(lambda hub: "C2" in hub.endpoints)
    authorizer = central._authorizer
    authorizer._clock = lambda: now[0]
    first = await authorizer.authorize("CP-1", "HOME0001")
    assert (await authorizer.authorize_start("CP-2", "HOME0001")).reference != first.reference
    now[0] = 600.0
    assert await authorizer.authorize_start("CP-1", "home0001") == first
    again = await authorizer.authorize("CP-1", "HOME0001")
    now[0] = 1201.0
    assert (await authorizer.authorize_start("CP-1", "HOME0001")).reference != again.reference
    assert not authorizer._remembered
