"""The 38 cases, and the paper's own figures computed from its own column."""

import pytest

from cascade.ocpp16 import request_schema
from chargepoint_model.conformance import paper
from chargepoint_model.conformance.model import Case, Conforms, Refused, Scenario
from chargepoint_model.conformance.scoring import rates
from tests.chargepoint_model.conformance.judging import code_for

CASES = paper.cases("TAG-1", "2026-01-01T00:00:00Z")


def test_they_are_the_38_of_table_2() -> None:
    assert len(CASES) == 38
    assert [(case.subject, case.scenario) for case in CASES] == list(paper.STEVE)
    assert sum(paper.STEVE.values()) == 22


def test_table_2s_failure_rates_are_those_printed() -> None:
    found = {action: f"{rate:.2f}" for action, rate in rates(paper.STEVE).by_action.items()}
    assert found == {
        "BootNotification": "0.60",
        "Authorize": "0.33",
        "StartTransaction": "0.29",
        "MeterValues": "0.60",
        "StopTransaction": "0.57",
        "Heartbeat": "0.00",
        "StatusNotification": "0.20",
        "DataTransfer": "0.50",
    }
    assert f"{rates(paper.STEVE).overall:.0%}" == "42%"


def test_tables_3_and_4_are_those_printed() -> None:
    found = rates(paper.STEVE)
    assert [(name, f"{rate:.2f}") for name, rate in found.by_scenario.items()] == [
        ("complete fields", "0.00"),
        ("required fields only", "0.00"),
        ("required fields not complete", "1.00"),
        ("optional fields only", "0.67"),
        ("unrecognized field value", "0.00"),
        ("wrong field types", "1.00"),
        ("wrong fields", "0.00"),
        ("no fields exist", "0.62"),
    ]
    assert {name: f"{rate:.2f}" for name, rate in found.by_class.items()} == {
        "positive": "0.00",
        "negative": "0.67",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.subject}-{case.name}")
def test_each_payload_is_what_its_scenario_says(case: Case) -> None:
    schema, payload = request_schema(case.subject), case.payload
    assert payload is not None
    fields, required = set(schema["properties"]), set(schema.get("required", []))
    present = set(payload)
    match case.scenario:
        case Scenario.COMPLETE:
            assert present == fields
        case Scenario.REQUIRED_ONLY:
            assert present == required
        case Scenario.REQUIRED_INCOMPLETE:
            assert present < required
            assert present
        case Scenario.OPTIONAL_ONLY:
            assert present == fields - required
        case Scenario.WRONG_FIELDS:
            assert not present & fields
            assert present
        case Scenario.NO_FIELDS:
            assert payload == {}
        case Scenario.UNRECOGNIZED:
            assert payload["idTag"] == paper.UNKNOWN_ID_TAG
        case Scenario.WRONG_TYPES:
            assert required <= present <= fields


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.subject}-{case.name}")
def test_the_standard_says_what_is_expected(case: Case) -> None:
    assert case.payload is not None
    code = code_for(case.subject, case.payload)
    if code is None:
        assert isinstance(case.expects, Conforms)
    else:
        assert case.expects == Refused(code)


def test_two_starts_are_never_the_same() -> None:
    starts = [
        case.payload
        for case in CASES
        if case.subject == "StartTransaction" and isinstance(case.expects, Conforms)
    ]
    meters = [start["meterStart"] for start in starts if start is not None]
    assert len(meters) == len(set(meters)) == 3
