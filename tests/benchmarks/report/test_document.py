import math

import numpy as np
import orjson

from benchmarks.model import Findings, Target
from benchmarks.report.document import as_bytes, document
from tests.benchmarks.report.example import COMMAND, ENVIRONMENT, FINDINGS


def test_it_survives_writing_and_reading() -> None:
    read = orjson.loads(as_bytes(document(FINDINGS, ENVIRONMENT, COMMAND)))
    assert read["command"] == COMMAND
    assert read["environment"] == ENVIRONMENT
    assert [found["experiment"] for found in read["experiments"]] == ["authorize", "growth"]
    assert read["experiments"][0]["settings"] == {
        "seed": 1,
        "rates": [100, 200],
        "background": None,
        "warm": True,
    }


def test_targets_have_the_promised_fields() -> None:
    targets = document(FINDINGS, ENVIRONMENT, COMMAND)["targets"]
    assert targets[0] == {
        "name": "scenario 4 to bare, p50",
        "measured": 1.32,
        "spread": [1.2, 1.45],
        "target": 1.4,
        "holds": True,
        "at_most": True,
        "remark": "",
        "experiment": "authorize",
    }
    assert [target["holds"] for target in targets] == [True, False, None, None, None]
    assert (targets[3]["measured"], targets[3]["spread"], targets[3]["remark"]) == (
        None,
        None,
        "too few tokens",
    )
    assert targets[4]["experiment"] == "growth"


def test_tables_and_charts_are_complete_and_samples_are_elsewhere() -> None:
    found = document(FINDINGS, ENVIRONMENT, COMMAND)["experiments"][0]
    assert found["tables"][0]["columns"] == ["scenario", "calls", "p50 ms", "p99 ms", "remark"]
    estimate = {"median": 0.25, "low": 0.2, "high": 0.31}
    assert found["tables"][0]["rows"][0] == ["1: whitelist", 120000, estimate, 1.5, None]
    assert found["charts"][0]["series"][0]["high"] == [1.9, 2.4, 50.0]
    assert found["charts"][0]["series"][1]["low"] is None
    assert found["samples"] == {"columns": ["at_s", "latency_ms"], "counts": {"scenario 4/open": 2}}


def test_what_json_has_no_word_for_is_written_all_the_same() -> None:
    odd = Findings("odd", "", settings={"path": FileExistsError("x"), "rate": np.float64(1.5), 3: math.nan})  # type: ignore[dict-item]
    read = orjson.loads(as_bytes(document([odd], {}, "")))
    assert read["experiments"][0]["settings"] == {"path": "x", "rate": 1.5, "3": None}


def test_a_target_without_anything() -> None:
    (target,) = document([Findings("cdr", "", targets=[Target("x", None, None)])], {}, "")["targets"]
    assert (target["measured"], target["target"], target["holds"]) == (None, None, None)
