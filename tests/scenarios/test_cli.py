"""`python -m scenarios`: what it prints, writes, and exits with."""

import dataclasses
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from scenarios import cli
from scenarios.scenario_5 import SCENARIO


@pytest.mark.timeout(120)
async def test_one_scenario_as_a_command(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    process = await create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "scenarios",
            "--scenario",
            "5",
            "--attempts",
            "3",
            "--trace",
            "--json",
            str(file),
        ),
        stdout=PIPE,
        stderr=PIPE,
    )
    printed, _ = await process.communicate()

    assert process.returncode == 0
    assert b"1 of 1 scenarios as expected" in printed
    assert b"sequenceDiagram" in printed
    report = orjson.loads(file.read_bytes())
    assert report["attempts"] == 3
    assert report["environment"]["packages"]["websockets"]
    (row,) = report["scenarios"]
    assert row["decisions"] == ["Invalid"] * 3
    assert (row["scenario"], row["variant"], row["decided_by"], row["as_expected"]) == (
        5,
        "denied",
        "none",
        True,
    )
    assert row["cdr"] == {"sent": False, "delivered": False, "route": "none", "matches_session": False}
    assert 0 < row["authorization_ms"]["p50"] <= row["authorization_ms"]["max"]
    assert [frame["action"] for frame in row["frames"]][:2] == ["Authorize", "Authorize"]


@pytest.mark.timeout(120)
def test_an_outcome_that_is_not_as_expected_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    hopeful = dataclasses.replace(SCENARIO.variants[0], status="Accepted")
    monkeypatch.setattr(cli, "SCENARIOS", (dataclasses.replace(SCENARIO, variants=(hopeful,)),))

    result = CliRunner().invoke(cli.app, ["--attempts", "1"])

    assert result.exit_code == 1
    assert "0 of 1 scenarios as expected" in result.output
    assert "no: Accepted expected" in result.output


@pytest.mark.timeout(120)
def test_a_process_that_fails_is_told_by_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dataclasses.replace(SCENARIO.centrals[1], modes=("telepathy",))
    monkeypatch.setattr(
        cli, "SCENARIOS", (dataclasses.replace(SCENARIO, centrals=(SCENARIO.centrals[0], broken)),)
    )

    result = CliRunner().invoke(cli.app, ["--attempts", "1"])

    assert result.exit_code == 1
    assert "CPO_MODES" in result.output
