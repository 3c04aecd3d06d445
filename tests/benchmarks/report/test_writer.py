from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from benchmarks.model import Findings
from benchmarks.report.writer import write
from tests.benchmarks.report.example import AUTHORIZE, COMMAND, ENVIRONMENT, FINDINGS


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_is_a_folder_and_written_twice_it_is_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "deep" / "one", tmp_path / "two"
    paths = write(first, FINDINGS, ENVIRONMENT, COMMAND)
    write(second, FINDINGS, ENVIRONMENT, COMMAND)
    assert set(files(first)) == {
        *("report.html", "report.json", "report.csv", "samples/authorize-scenario-4-open.csv.gz"),
        *(f"charts/authorize-{name}" for name in ("load.svg", "load.png", "hops.svg", "hops.png")),
    }
    assert files(first) == files(second)
    named = {paths.html, paths.json, paths.csv, *paths.charts, *paths.samples}
    assert {str(path.relative_to(first)) for path in named} == set(files(first))
    assert orjson.loads(paths.json.read_bytes())["command"] == COMMAND


def test_a_report_may_be_written_over_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, FINDINGS, ENVIRONMENT, COMMAND)
    paths = write(tmp_path, [], {}, "again")
    assert orjson.loads(paths.json.read_bytes()) == {
        "command": "again",
        "environment": {},
        "targets": [],
        "experiments": [],
    }


@pytest.mark.parametrize(
    "twice",
    [
        Findings("cdr", "", samples={"a b": [], "a/b": []}),
        replace(AUTHORIZE, charts=[AUTHORIZE.charts[0], AUTHORIZE.charts[0]], samples={}),
    ],
)
def test_two_of_one_name_are_refused_when_the_data_is_safe(tmp_path: Path, twice: Findings) -> None:
    with pytest.raises(ValueError, match="share a file"):
        write(tmp_path, [twice], ENVIRONMENT, COMMAND)
    assert (tmp_path / "report.json").exists()
