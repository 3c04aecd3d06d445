"""The command, as it is typed."""

import asyncio
import contextlib
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from typer.testing import CliRunner, Result

from chargepoint_model.cli import app
from tests.chargepoint_model.conformance import mobilityhouse_central, servers
from tests.chargepoint_model.conformance.charge_points import a_raw_one

URL = "ws://127.0.0.1:9"


def typed(*options: str) -> Result:
    return CliRunner().invoke(app, ["conformance", *options])


async def run(*options: str) -> Result:
    """Type it in a thread, for it makes a loop of its own."""
    return await asyncio.to_thread(typed, *options)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ([], "give either --url"),
        (["--url", URL, "--serve", ":0"], "give either --url"),
        (["--url", URL], "give --id"),
        (["--url", "http://x", "--id", "CP-1"], "give ws://"),
        (["--url", URL, "--id", "CP-1", "--only", "behaviour"], "--only behaviour is not for this side"),
        (["--serve", ":0", "--only", "paper"], "--only paper is not for this side"),
        (["--serve", "nowhere"], "give --serve as HOST:PORT"),
        (["--serve", ":70000"], "give --serve as HOST:PORT"),
        (["--url", URL, "--id", "CP-1", "--id-tag", "x" * 21], "an idTag has 1 to 20"),
        (["--url", URL, "--id", "CP-1", "--timeout-s", "0"], "--timeout-s"),
    ],
)
def test_misuse_says_what_to_do(options: list[str], fault: str) -> None:
    result = typed(*options)
    assert result.exit_code == 2
    assert fault in " ".join(result.stderr.replace("│", " ").split())


def test_who_cannot_be_reached_is_status_2() -> None:
    result = typed("--url", URL, "--id", "CP-1")
    assert result.exit_code == 2
    assert result.stderr.startswith("ws://127.0.0.1:9/CP-1 cannot be reached")


async def test_failures_are_status_1_and_everything_is_written(tmp_path: Path) -> None:
    json_file, junit_file = tmp_path / "run.json", tmp_path / "run.xml"
    async with servers.serving(servers.lax) as url:
        result = await run(
            *("--url", f"{url}/{{id}}", "--id", "CP-1", "--only", "paper"),
            *("--json", str(json_file), "--junit", str(junit_file)),
        )
    assert result.exit_code == 1
    assert "Table 2. Results of the evaluation" in result.stdout
    assert "Failed: 24" in result.stdout
    document = orjson.loads(json_file.read_bytes())
    assert document["summary"] == {"paper": {"passed": 14, "failed": 24, "skipped": 0, "otherCodes": 0}}
    assert document["target"] == f"the central system at {url}/{{id}}"
    assert ET.parse(junit_file).getroot().find("testsuite[@name='paper']").get("failures") == "24"  # type: ignore[union-attr]  # noqa: S314 - our own


async def test_nothing_failed_is_status_0() -> None:
    async with mobilityhouse_central.running() as url:
        result = await run("--url", url, "--id", "CP-1", "--id-tag", "TAG-1", "--only", "profiles")
    assert (result.exit_code, "Failed" in result.stdout) == (0, False)
    assert "Skipped: the profile Security is not supported" in result.stdout


async def test_a_charge_point_is_waited_for_and_examined() -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "chargepoint_model",
            "conformance",
            "--serve",
            "127.0.0.1:0",
            "--only",
            "frames",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    assert said.startswith("waiting for a charge point at ws://127.0.0.1:")
    living = asyncio.create_task(a_raw_one()(said.split()[-1].removesuffix("/<id>")))
    output, _ = await process.communicate()
    living.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):  # it may dial once more, in vain
        await living
    assert process.returncode == 1
    assert "OCPP 1.6 message conformance of the charge point RAW" in output.decode()


async def test_a_run_that_ends_early_says_so() -> None:
    async with servers.serving(servers.Once()) as url:
        result = await run("--url", url, "--id", "CP-1", "--only", "frames")
    assert result.exit_code == 1
    assert f"The run ended early: {url}/CP-1 answered HTTP 403" in result.stdout


async def test_a_file_that_cannot_be_written_is_status_2(tmp_path: Path) -> None:
    async with mobilityhouse_central.running() as url:
        result = await run(
            *("--url", url, "--id", "CP-1", "--id-tag", "TAG-1", "--only", "profiles"),
            *("--json", str(tmp_path / "no" / "such.json")),
        )
    assert result.exit_code == 2
    assert "such.json cannot be written: No such file or directory" in result.stderr
