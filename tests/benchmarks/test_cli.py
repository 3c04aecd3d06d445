import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks import cli
from benchmarks.experiments import authorize, cdr
from benchmarks.model import Estimate, Findings, Target
from benchmarks.progress import Shown
from benchmarks.session import Experiment

COMMANDS = (
    "authorize",
    "table5",
    "whitelist",
    "cdr",
    "connections",
    "returning",
    "backlog",
    "charging",
    "growth",
    "wan",
    "all",
)


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def planned(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[list[Experiment], Path]:
    """What a command line would carry out, and where to."""
    seen: list[tuple[list[Experiment], Path]] = []

    def note(experiments: list[Experiment], folder: Path, _command: str) -> bool:
        seen.append((experiments, folder))
        return True

    monkeypatch.setattr(cli, "carry_out", note)
    result = typed(*words)
    assert result.exit_code == 0, result.output
    (one,) = seen
    return one


def plan_of(experiment: Experiment) -> Any:  # noqa: ANN401 - each experiment's own
    return experiment.run.args[0]  # type: ignore[attr-defined]


def test_help_tells_every_command() -> None:
    text = typed("--help").output
    assert all(re.search(rf"\b{command}\b", text) for command in COMMANDS)
    assert typed("no-such").exit_code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str) -> None:
    result = typed(command, "--help")
    assert result.exit_code == 0
    assert "--quick" in result.output
    assert "--out" in result.output


@pytest.mark.parametrize("quick", [True, False])
def test_all_runs_everything_by_the_same_measure(monkeypatch: pytest.MonkeyPatch, *, quick: bool) -> None:
    experiments, folder = planned(monkeypatch, "all", *(["--quick"] if quick else []))
    assert [experiment.name for experiment in experiments] == list(COMMANDS[:-1])
    for experiment in experiments:
        plan = plan_of(experiment)
        assert plan == (type(plan).quick() if quick else type(plan).full())
    assert folder.parent == Path("runs")
    assert re.fullmatch(r"\d{8}T\d{6}Z-all", folder.name)


def test_the_rows_of_the_issue_are_promised_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    experiments, _ = planned(monkeypatch, "all")
    rows = [row for experiment in experiments for row in experiment.promised]
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.measured is None for row in rows)
    for bound, name in (
        (250.0, "revocation to 200 linked operators"),
        (30.0, "1,000,000 tokens: first transfer"),
        (50.0, "1,000,000 tokens: token look-up"),
        (120.0, "1,000,000 tokens: hub memory"),
        (25.0, "memory of an idle link at the hub"),
        (25.0, "memory of an idle link at the central system"),
        (5.0, "scenario 4: p99 to p50 at half the knee"),
        (0.4, "CDR intake, 100 callers, one in a message, to bare group commit"),
        (64.0, "1,000,000 CDRs wait for one operator: growth of the hub's memory"),
        (None, "scenario 4: round trips of an authorization, at 80 ms"),
        (5.0, "growth of an authorization's hub CPU for ten times as many operators"),
    ):
        assert [row.bound for row in rows if row.name.startswith(name)] == [bound]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in {"authorize", "all"}])
def test_a_command_runs_its_own_experiment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    (experiment,), folder = planned(monkeypatch, command, "--out", str(tmp_path))
    assert (experiment.name, folder) == (command, tmp_path)
    assert plan_of(experiment) == type(plan_of(experiment)).full()


def test_options_come_into_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "--rate 50 --seconds 2 --charge-points 7 --background-charge-points 5 --operators 4 --deny-share 0.2"
    )
    (experiment,), _ = planned(
        monkeypatch, "authorize", "--quick", *words.split(), "--repetitions", "6", "--seed", "9"
    )
    assert plan_of(experiment) == replace(
        authorize.Plan.quick(),
        rate=50.0,
        open_seconds=2.0,
        charge_points=7,
        background_charge_points=5,
        operators=4,
        deny_share=0.2,
        rounds=6,
        sweep_repetitions=6,
        open_repetitions=6,
        background_repetitions=6,
        seed=9,
    )


def test_one_scenario_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    (experiment,), _ = planned(monkeypatch, "authorize", "--scenario", "3")
    expected = replace(authorize.Plan.full(), scenarios=(3,), open_scenarios=(3,), seconds=0.0)
    assert plan_of(experiment) == expected


def test_without_a_comparison_all_scenarios_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    (experiment,), _ = planned(monkeypatch, "authorize", "--no-compare")
    assert plan_of(experiment) == replace(authorize.Plan.full(), seconds=0.0)


@pytest.mark.parametrize("words", [("--scenario", "5"), ("--deny-share", "1.5"), ("--rate", "0")])
def test_nonsense_is_refused(words: tuple[str, str]) -> None:
    result = typed("authorize", *words)
    assert result.exit_code == 2
    assert words[0] in result.output


@pytest.mark.parametrize("fails", [True, False])
def test_the_exit_code_tells_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, fails: bool
) -> None:
    promised = [Target("latency, ms", None, 1.0)]

    async def run(plan: object, _folder: Path, _shown: Shown) -> Findings:
        if fails:
            raise OSError("no sockets left")
        return Findings("cdr", f"{plan}", targets=[Target("latency, ms", Estimate(2.0, 2.0, 2.0), 1.0)])

    monkeypatch.setattr(cdr, "run", run)
    monkeypatch.setattr(cdr, "promised", lambda _: promised)
    result = typed("cdr", "--quick", "--out", str(tmp_path))
    assert result.exit_code == (1 if fails else 0)
    (row,) = json.loads((tmp_path / "report.json").read_text())["targets"]
    assert row["measured"] == (None if fails else 2.0)
    assert row["holds"] is (None if fails else False)  # a row that falls short is no failure of the run
