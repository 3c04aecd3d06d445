from pathlib import Path

import pytest

from benchmarks.experiments.side_by_side import (
    SAMPLE_COLUMNS,
    Measured,
    WrongAnswerError,
    check,
    latency_ratio,
    rate_ratio,
)
from benchmarks.model import Estimate
from tests.benchmarks.experiments.results import measured, result


def test_a_ratio_is_of_figures_of_the_same_round() -> None:
    one, other = measured(1.0, 10.0), measured(1.0, 10.0)
    one.p50_ms, other.p50_ms = [2.0, 20.0, 4.0], [1.0, 10.0, 1.0]
    one.rate, other.rate = [30.0, 3.0], [10.0, 1.0]
    board = {"one": one, "other": other}
    assert latency_ratio(board, "one", "other") == Estimate(2.0, 2.0, 4.0)
    assert rate_ratio(board, "one", "other") == Estimate(3.0, 3.0, 3.0)


def test_who_was_not_measured_has_no_ratio() -> None:
    board = {"one": measured(1.0, 10.0)}
    assert latency_ratio(board, "one", "other") is None
    assert rate_ratio(board, "other", "one") is None


@pytest.mark.parametrize(("unexpected", "errors", "lost"), [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_figures_of_wrong_answers_are_none(tmp_path: Path, unexpected: int, errors: int, lost: int) -> None:
    with pytest.raises(WrongAnswerError, match="naive"):
        check("naive", result(tmp_path, unexpected=unexpected, errors=errors, lost=lost))
    right = result(tmp_path)
    assert check("naive", right) is right


def test_rounds_are_told_apart_in_the_samples(tmp_path: Path) -> None:
    found = Measured()
    found.add(result(tmp_path, latencies_ms=(1.0, 2.0), seconds=0.5, cpu_s=0.45), cpu_s=0.001)
    found.add(result(tmp_path, latencies_ms=(3.0,), seconds=0.5, cpu_s=0.5), cpu_s=0.001)
    assert found.samples == [(1, 0.0, 1.0), (1, 0.1, 2.0), (2, 0.0, 3.0)]
    assert {len(row) for row in found.samples} == {len(SAMPLE_COLUMNS)}
    assert found.rate == [4.0, 2.0]
    assert found.cpu_us == [500.0, 1000.0]
    assert found.generator == [0.9, 1.0]
    assert found.at_generator_limit
