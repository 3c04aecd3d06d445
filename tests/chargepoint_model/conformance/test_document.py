"""The JSON document and the JUnit file."""

from pathlib import Path
from xml.etree import ElementTree as ET

import orjson

from chargepoint_model.conformance.document import document, junit
from chargepoint_model.conformance.model import Finding, Part, Scenario, Verdict
from chargepoint_model.conformance.paper import STEVE


def paper(*, failing: tuple[str, Scenario] | None = None) -> list[Finding]:
    return [
        Finding(
            part=Part.PAPER,
            subject=action,
            name=scenario.value,
            scenario=scenario,
            semantic=Verdict.FAIL if (action, scenario) == failing else Verdict.PASS,
            literal=Verdict.FAIL if scenario is Scenario.UNRECOGNIZED else Verdict.PASS,
        )
        for action, scenario in STEVE
    ]


REST = [
    Finding(
        part=Part.GENERATED,
        subject="Heartbeat",
        name="unheardOf added",
        semantic=Verdict.FAIL,
        why="a CALLRESULT where only a CALLERROR is right",
        sent="[2]",
        came="CALLRESULT \x00<&",
        expected="CALLERROR FormationViolation",
    ),
    Finding(
        part=Part.PROFILES, subject="GetLog", name="nothing", semantic=Verdict.SKIP, why="it is not supported"
    ),
    Finding(
        part=Part.FRAMES,
        subject="frame",
        name="not JSON",
        semantic=Verdict.PASS,
        code=Verdict.FAIL,
        why="other",
    ),
]


def test_the_document_has_everything() -> None:
    found = orjson.loads(orjson.dumps(document([*paper(), *REST], "ws://x", "2026-01-01T00:00:00Z", "")))
    assert (found["version"], found["target"], found["at"]) == (1, "ws://x", "2026-01-01T00:00:00Z")
    assert found["endedEarly"] is None
    assert found["summary"] == {
        "paper": {"passed": 38, "failed": 0, "skipped": 0, "otherCodes": 0},
        "generated": {"passed": 0, "failed": 1, "skipped": 0, "otherCodes": 0},
        "profiles": {"passed": 0, "failed": 0, "skipped": 1, "otherCodes": 0},
        "frames": {"passed": 1, "failed": 0, "skipped": 0, "otherCodes": 1},
    }
    columns = {name: (column["passed"], column["cases"]) for name, column in found["paper"].items()}
    assert columns == {"published": (22, 38), "semantic": (38, 38), "literal": (35, 38)}
    assert found["paper"]["literal"]["byScenario"]["unrecognized field value"] == 1
    assert len(found["cases"]) == 41
    assert found["cases"][38] == {
        "part": "generated",
        "subject": "Heartbeat",
        "name": "unheardOf added",
        "scenario": None,
        "semantic": "fail",
        "literal": None,
        "code": None,
        "why": "a CALLRESULT where only a CALLERROR is right",
        "sent": "[2]",
        "came": "CALLRESULT \x00<&",
        "expected": "CALLERROR FormationViolation",
    }


def test_without_all_of_the_papers_cases_there_are_no_tables() -> None:
    assert document(paper()[:37], "x", "y", "gone")["paper"] is None
    assert document(paper()[:37], "x", "y", "gone")["endedEarly"] == "gone"


def test_junit_can_be_read_whatever_was_said() -> None:
    suites = ET.fromstring(junit([*paper(), *REST], "ws://x"))  # noqa: S314 - our own document
    found = {
        suite.get("name"): (suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in suites
    }
    assert found == {
        "paper": ("38", "0", "0"),
        "generated": ("1", "1", "0"),
        "profiles": ("1", "0", "1"),
        "frames": ("1", "0", "0"),
    }
    failure = suites.find(".//failure")
    assert failure is not None
    assert failure.get("message") == "a CALLRESULT where only a CALLERROR is right"
    assert "came:     CALLRESULT �<&" in (failure.text or "")


def test_every_field_of_the_document_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text(encoding="utf-8")
    found = document([*paper(), *REST], "x", "y", "")
    names = {
        *found,
        *found["paper"],
        *found["paper"]["semantic"],
        *found["summary"]["paper"],
        *found["cases"][0],
    }
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
