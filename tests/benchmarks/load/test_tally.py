from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load.tally import Tally, histogram, status_of

ACCEPTED = [3, "1", {"idTagInfo": {"status": "Accepted"}}]
INVALID = [3, "1", {"idTagInfo": {"status": "Invalid"}}]
ERROR = [4, "1", "InternalError", "", {}]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (ACCEPTED, "Accepted"),
        (INVALID, "Invalid"),
        (ERROR, None),
        ([3, "1", {}], None),
        ([3, "1", []], None),
        ([3, "1"], None),
        ([3, "1", {"idTagInfo": {"status": 1}}], None),
    ],
)
def test_the_status_of_an_answer(message: list[object], status: str | None) -> None:
    assert status_of(message) == status


def test_what_is_counted(tmp_path: Path) -> None:
    tally = Tally(100.0)
    tally.asked = 6
    tally.started(100.0, 100.001)
    tally.answered(ACCEPTED, 100.5, 100.502, admitted=True)
    tally.answered(INVALID, 101.0, 101.004, admitted=False)
    tally.answered(INVALID, 102.0, 102.001, admitted=True)
    tally.answered(ACCEPTED, 103.0, 103.001, admitted=False)
    tally.answered(ERROR, 104.0, 104.5, admitted=True)
    report = tally.report(tmp_path / "run.npy", least_s=2.0, cpu_s=0.25)
    assert report["late_starts_ms"] == pytest.approx({"p50": 1.0, "p99": 1.0, "max": 1.0})
    assert report["histogram"]["max"] == pytest.approx(4.0, rel=2e-3)
    figures = {name: report[name] for name in ("answers", "accepted", "denied", "errors", "lost", "unexpected")}
    assert figures == {"answers": 4, "accepted": 2, "denied": 2, "errors": 1, "lost": 1, "unexpected": 2}
    assert (report["seconds"], report["cpu_s"]) == (4.5, 0.25)
    expected = [[0.5, 2.0], [1.0, 4.0], [2.0, 1.0], [3.0, 1.0]]
    assert np.load(report["file"]) == pytest.approx(np.array(expected))


def test_a_run_lasts_as_long_as_it_was_planned(tmp_path: Path) -> None:
    tally = Tally(100.0)
    tally.answered(ACCEPTED, 100.0, 100.5, admitted=True)
    assert tally.report(tmp_path / "run.npy", least_s=2.0, cpu_s=0.0)["seconds"] == 2.0


def test_without_an_answer_figures_are_zero(tmp_path: Path) -> None:
    report = Tally(100.0).report(tmp_path / "run.npy", least_s=0.0, cpu_s=0.0)
    assert set(report["histogram"].values()) | set(report["late_starts_ms"].values()) == {0.0}
    assert np.load(report["file"]).shape == (0, 2)


@settings(max_examples=20)
@given(st.lists(st.floats(0.001, 59_000.0), min_size=1, max_size=100))
def test_percentiles_are_those_of_the_samples_to_three_digits(samples: list[float]) -> None:
    found = histogram(np.array(samples))
    ordered = sorted(samples)
    ranks = [max(int(percent / 100 * len(samples) + 0.5), 1) for percent in (50, 90, 99, 99.9)]
    assert [found[name] for name in ("p50", "p90", "p99", "p99.9")] == pytest.approx(
        [ordered[rank - 1] for rank in ranks], rel=2e-3, abs=1.1e-3
    )
    assert found["max"] == pytest.approx(max(samples), rel=2e-3, abs=1.1e-3)
    assert found["mean"] == pytest.approx(sum(samples) / len(samples), rel=2e-3, abs=1.1e-3)


def test_what_no_histogram_holds_counts_as_the_nearest() -> None:
    found = histogram(np.array([0.0, 1e9]))
    assert found["p50"] == pytest.approx(1e-3)
    assert found["max"] == pytest.approx(60_000, rel=1e-3)
