import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks.model import Chart, Estimate, Findings, Series, Target
from benchmarks.progress import Shown
from benchmarks.session import Experiment, carry_out, leaves
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.services import Services
from scenarios.process import ProcessFailedError

GOOD = Findings(
    "good",
    "It measures.",
    targets=[Target("latency, ms", Estimate(1.0, 0.9, 1.1), 2.0)],
    charts=[Chart("line", "A line", "x", "y", [Series("a", [1.0, 2.0], [1.0, 2.0])])],
    samples={"all": [(0.0, 1.0)]},
)
PROMISED = (Target("rate, 1/s", None, 10.0, at_most=False), Target("memory", None, None))


async def measure(_: Path, shown: Shown) -> Findings:
    shown.step("measure")
    return GOOD


async def fail(_: Path, shown: Shown) -> Findings:
    shown.step("fail")
    raise ExceptionGroup(
        "several", [ProcessFailedError("hub ended:\nits last words"), ExceptionGroup("", [OSError("no")])]
    )


async def err(_: Path, shown: Shown) -> Findings:
    shown.step("err")
    raise KeyError("a defect")


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_a_run_leaves_everything_in_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "run"
    assert carry_out([Experiment("good", "good: it", measure)], folder, "bench good")
    report = report_of(folder)
    (row,) = report["targets"]
    assert {
        "name": "latency, ms",
        "measured": 1.0,
        "spread": [0.9, 1.1],
        "target": 2.0,
        "holds": True,
    }.items() <= row.items()
    assert report["command"] == "bench good"
    assert {"cpu", "kernel", "load_average", "packages", "python"} <= report["environment"].keys()
    with gzip.open(folder / "samples" / "good-all.csv.gz", "rt") as samples:
        assert samples.read() == "at_s,latency_ms\n0.0,1.0\n"
    for name in ("report.html", "report.csv", "targets.md", "charts/good-line.png", "charts/good-line.svg"):
        assert (folder / name).stat().st_size > 0
    printed = capsys.readouterr().out
    assert "1 of 1 targets hold" in printed
    assert str(folder / "report.html") in printed


def test_an_experiment_that_fails_costs_no_other_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = [
        Experiment("broken", "broken: it", fail, PROMISED),
        Experiment("wrong", "wrong: it", err),
        Experiment("good", "good: it", measure, GOOD.targets),
    ]
    assert not carry_out(experiments, tmp_path, "bench all")
    report = report_of(tmp_path)
    rows = [(row["name"], row["measured"], row["target"], row["holds"]) for row in report["targets"]]
    assert rows == [
        ("rate, 1/s", None, 10.0, None),
        ("memory", None, None, None),
        ("latency, ms", 1.0, 2.0, True),
    ]
    assert report["targets"][0]["remark"] == "ProcessFailedError: hub ended:"
    broken, wrong, good = report["experiments"]
    assert broken["notes"] == ["ProcessFailedError: hub ended:\nits last words; OSError: no"]
    assert wrong["notes"] == ["KeyError: 'a defect'"]
    assert good["about"] == "It measures."
    said = capsys.readouterr().err
    assert "broken failed: ProcessFailedError" in said
    assert said.count("Traceback") == 1  # of the defect, which nobody could expect
    assert "in err" in said


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """SIGINT as in a process of one's own, whatever other tests of this process have made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_stops_every_process_and_keeps_what_was_measured(tmp_path: Path) -> None:
    started: list[int] = []

    async def be_interrupted(folder: Path, shown: Shown) -> Findings:
        async with Services(folder) as services:
            shown.step("start")
            started.append((await HubProcess.start(services, "one")).service.pid)
            started.append((await HubProcess.start(services, "two")).service.pid)
            os.kill(os.getpid(), signal.SIGINT)
            await (await services.start("three", "nap", ["serve"], {})).event("never")
        raise AssertionError("it was interrupted")

    experiments = [
        Experiment("good", "good: it", measure, GOOD.targets),
        Experiment("broken", "broken: it", be_interrupted, PROMISED),
        Experiment("later", "later: it", measure, PROMISED[:1]),
    ]
    with pytest.raises(KeyboardInterrupt):
        carry_out(experiments, tmp_path, "bench all")
    assert len(started) == 2
    assert not any(psutil.pid_exists(pid) for pid in started)
    assert psutil.Process().children(recursive=True) == []
    rows = [(row["name"], row["measured"], row["remark"]) for row in report_of(tmp_path)["targets"]]
    assert rows == [
        ("latency, ms", 1.0, ""),
        ("rate, 1/s", None, "interrupted"),
        ("memory", None, "interrupted"),
        ("rate, 1/s", None, "not begun"),
    ]


def test_an_error_is_its_own_leaf() -> None:
    one, two = OSError("one"), KeyError("two")
    assert leaves(one) == [one]
    assert leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])])) == [one, two]
