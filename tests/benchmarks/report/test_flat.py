import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.model import Estimate, Findings, Table
from benchmarks.report.flat import Line, report_csv, write_samples
from tests.benchmarks.report.example import FINDINGS


def lines(findings: tuple[Findings, ...]) -> list[dict[str, str]]:
    return list(csv.DictReader(report_csv(findings).splitlines()))


def test_each_target_is_a_line() -> None:
    targets = [line for line in lines(FINDINGS) if line["table"] == "targets"]
    assert [line["label"] for line in targets] == [
        *("scenario 4 to bare, p50", "throughput to bare | share", "null server, ms", "memory, bytes", "slope"),
    ]
    assert targets[1] == {
        "experiment": "authorize",
        "table": "targets",
        "row": "2",
        "label": "throughput to bare | share",
        "column": "measured",
        "value": "0.531",
        "low": "0.5",
        "high": "0.58",
        "text": "a <stall>",
        "target": "0.6",
        "at_most": "False",
        "holds": "False",
    }
    assert (targets[2]["target"], targets[2]["at_most"], targets[2]["holds"]) == ("", "", "")
    assert (targets[3]["value"], targets[3]["target"], targets[3]["holds"]) == ("", "120.0", "")


def test_each_cell_is_a_line() -> None:
    cells = [line for line in lines(FINDINGS) if line["table"] == "Latency <ms>"]
    assert len(cells) == 10
    second = {line["column"]: line for line in cells if line["row"] == "2"}
    assert {line["label"] for line in second.values()} == {"4: redirect"}
    assert second["scenario"]["text"] == "4: redirect"
    assert second["calls"]["value"] == "90000"
    assert [second["p50 ms"][name] for name in ("value", "low", "high")] == ["1.32", "1.2", "1.45"]
    assert (second["p99 ms"]["value"], second["p99 ms"]["text"]) == ("", "")
    assert second["remark"]["text"] == "at the generator's limit"


def test_a_row_that_begins_with_an_estimate_is_labelled_by_its_median() -> None:
    table = Table("t", ("p50", "p99"), ((Estimate(1.5, 1.0, 2.0), 3.0), (None, 4.0)))
    assert [line["label"] for line in lines((Findings("wan", "", tables=(table,)),))] == ["1.5", "1.5", "", ""]


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        report_csv([Findings("wan", "", tables=[Table("t", ("a", "b"), [("x",)])])])


def test_a_report_of_nothing_has_its_heading() -> None:
    assert report_csv([]) == ",".join(Line._fields) + "\n"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_comes_back(text: str) -> None:
    read = lines((Findings("wan", "", tables=(Table(f"t{text}", ("x",), ((text,),)),)),))
    assert [(line["table"], line["label"], line["text"]) for line in read] == [(f"t{text}", text, text)]


def test_samples_come_back_in_full_and_the_file_is_always_the_same(tmp_path: Path) -> None:
    rows = [(0.0, 1.25), (0.1, 0.1 + 0.2)]
    for name in ("one.csv.gz", "other.csv.gz"):
        write_samples(tmp_path / name, ("at_s", "latency_ms"), rows)
    with gzip.open(tmp_path / "one.csv.gz", "rt", encoding="utf-8", newline="") as text:
        heading, *read = csv.reader(text)
    assert heading == ["at_s", "latency_ms"]
    assert [tuple(map(float, row)) for row in read] == rows
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "other.csv.gz").read_bytes()
