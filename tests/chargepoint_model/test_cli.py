import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from typer.testing import CliRunner

from chargepoint_model.cli import app
from tests.chargepoint_model.conftest import Central

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def chargepoint() -> AsyncIterator[Start]:
    """Starts the command line as a process of its own."""
    async with AsyncExitStack() as stack:

        async def start(*arguments: str) -> Process:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chargepoint_model", *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
            stack.push_async_callback(_end, process)
            return process

        yield start


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def finished(process: Process, line: bytes = b"") -> tuple[int | None, str, str]:
    async with asyncio.timeout(50):
        out, err = await process.communicate(line)
    return process.returncode, out.decode(), err.decode()


async def test_charging_once_prints_one_document(central: Central, chargepoint: Start) -> None:
    process = await chargepoint(
        "charge", "--url", central.url, "--id", "CP-1", "--tag", "T-1", "--authorizations", "2", "--json"
    )
    code, out, err = await finished(process)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert len(report["authorizations"]) == 2
    assert report["session"]["meterStop"] == 7400


async def test_charging_once_tells_a_person(central: Central, chargepoint: Start) -> None:
    process = await chargepoint("charge", "--url", central.url, "--id", "CP-1", "--tag", "T-1")
    code, out, _ = await finished(process)
    assert code == 0
    assert out.startswith("Authorize  Accepted")
    assert "transaction 1, 0 to 7400 Wh" in out


async def test_a_refused_driver_is_a_result(central: Central, chargepoint: Start) -> None:
    central.script["Authorize"] = [{"idTagInfo": {"status": "Blocked"}}]
    process = await chargepoint("charge", "--url", central.url, "--id", "CP-1", "--tag", "T-1")
    code, out, _ = await finished(process)
    assert code == 0
    assert "Blocked" in out
    assert "no session" in out


async def test_drivers_come_on_standard_input_and_tracing_is_switched_between(
    central: Central, chargepoint: Start
) -> None:
    process = await chargepoint(
        *("drivers", "--url", central.url, "--id", "CP-1", "--log-level", "info", "--central-name", "C2")
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b'{"idTag": "T-1", "authorizations": 2, "session": false}\n{"idTag": 1}\n')
    async with asyncio.timeout(50):
        first = json.loads(await process.stdout.readline())
        fault = json.loads(await process.stdout.readline())
    assert [one["status"] for one in first["authorizations"]] == ["Accepted"] * 2
    assert "idTag" in fault["error"]
    process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(50):
        while json.loads(await process.stderr.readline())["event"] != "trace":
            pass
    code, out, err = await finished(process, b'{"idTag": "T-2"}\n')
    assert code == 0
    assert json.loads(out)["session"]["idTag"] == "T-2"
    frames = [line for line in map(json.loads, err.splitlines()) if line["event"] == "frame"]
    assert (frames[0]["about"], frames[0]["sender"], frames[0]["receiver"]) == ("Authorize", "CP-1", "C2")


async def test_tracing_from_the_start(central: Central, chargepoint: Start) -> None:
    process = await chargepoint(
        *("charge", "--url", central.url, "--id", "CP-1", "--tag", "T-1", "--trace", "--no-session"),
    )
    _, out, err = await finished(process)
    assert "frame" not in out
    assert json.loads(err.splitlines()[0])["about"] == "BootNotification"


async def test_nobody_there_is_one_line(chargepoint: Start) -> None:
    process = await chargepoint(
        "charge", "--url", "ws://127.0.0.1:1/ocpp", "--id", "CP-1", "--tag", "T-1", "--json"
    )
    code, out, err = await finished(process)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "ws://127.0.0.1:1/ocpp/CP-1 cannot be reached" in err


async def test_interrupted_it_says_so(central: Central, chargepoint: Start) -> None:
    answer = asyncio.get_running_loop().create_future()
    central.script["Authorize"] = [answer]
    process = await chargepoint("charge", "--url", central.url, "--id", "CP-1", "--tag", "T-1")
    async with asyncio.timeout(50):
        await central.hears("Authorize")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(50):
        code = await process.wait()
    assert process.stderr is not None
    assert (code, await process.stderr.read()) == (
        1,
        b"interrupted before the session was over\n",
    )
    answer.cancel()


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--url", "http://127.0.0.1/", "ws://"),
        ("--url", "ws://", "ws://"),
        ("--tag", "", "1 to 20"),
        ("--tag", "T" * 21, "1 to 20"),
        ("--tag", "T\n", "1 to 20"),
        ("--tag", "é", "1 to 20"),
    ],
)
@pytest.mark.parametrize("command", ["run", "charge"])
def test_what_makes_no_sense_is_refused(command: str, option: str, value: str, advice: str) -> None:
    given = {"--url": "ws://127.0.0.1:1", "--id": "CP-1", "--tag": "T-1", option: value}
    result = CliRunner().invoke(app, [command, *(word for pair in given.items() for word in pair)])
    assert result.exit_code == 2
    assert advice in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_staying_ends_in_order(central: Central, chargepoint: Start, number: signal.Signals) -> None:
    process = await chargepoint("run", "--url", central.url, "--id", "CP-1", "--tag", "T-1", "--tag", "T-2")
    await central.hears("StatusNotification", status="Charging")
    process.send_signal(number)
    code, _, err = await finished(process)
    assert (code, err) == (0, "")
    assert central.heard("StopTransaction")[0]["reason"] == "Reboot"


async def test_a_fleet_ends_in_order(central: Central, chargepoint: Start) -> None:
    process = await chargepoint(
        *("fleet", "--url", central.url, "--count", "3", "--tag", "T-{n}", "--connect-rate", "1000"),
    )
    for number in (1, 2, 3):
        await central.hears("StartTransaction", idTag=f"T-{number}")
    process.send_signal(signal.SIGTERM)
    code, out, err = await finished(process)
    assert (code, err) == (0, "")
    last = json.loads(out.splitlines()[-1])
    assert last["final"]
    assert last["transactionsStarted"] == last["transactionsStopped"] == 3
