import dataclasses

import pytest

from scenarios.model import DecidedBy, Route
from scenarios.outcome import CdrOutcome, Outcome, cdr_matches
from scenarios.scenario_1 import SCENARIO

HOME = CdrOutcome(sent=True, delivered=True, route=Route.HUB, matches_session=True)
GOOD = Outcome(
    scenario=SCENARIO,
    variant=SCENARIO.variants[0],
    decisions=("Accepted", "Accepted", "Accepted"),
    milliseconds=(1.0, 2.0, 6.0),
    decided_by=frozenset({DecidedBy.WHITELIST}),
    cdr=HOME,
)


def test_all_of_it_must_be_as_expected() -> None:
    assert GOOD.as_expected


@pytest.mark.parametrize(
    "change",
    [
        {"decisions": ("Accepted", "Invalid", "Accepted")},
        {"decided_by": frozenset({DecidedBy.HUB})},
        {"decided_by": frozenset({DecidedBy.WHITELIST, DecidedBy.NONE})},
        {"decided_by": frozenset()},
        {"cdr": CdrOutcome()},
        {"cdr": dataclasses.replace(HOME, delivered=False)},
        {"cdr": dataclasses.replace(HOME, matches_session=False)},
        {"cdr": dataclasses.replace(HOME, route=Route.PEER)},
        {"silent": False},
    ],
)
def test_any_difference_is_not_as_expected(change: dict[str, object]) -> None:
    assert not dataclasses.replace(GOOD, **change).as_expected  # type: ignore[arg-type]


def test_times() -> None:
    assert GOOD.times() == {"p50": 2.0, "mean": 3.0, "max": 6.0}


SESSION = {
    "idTag": "T",
    "transactionId": 4,
    "connectorId": 1,
    "meterStart": 5,
    "meterStop": 9,
    "sessionStart": "2026-01-01T10:00:00Z",
    "sessionEnd": "2026-01-01T10:00:01.500Z",
}
CDR = SESSION | {"operatorId": "C2", "chargePointId": "CP", "sessionEnd": "2026-01-01T10:00:01.500000Z"}


def test_a_cdr_that_says_what_the_charge_point_measured() -> None:
    assert cdr_matches(CDR, SESSION, visited="C2", charge_point="CP")


@pytest.mark.parametrize(
    "lie",
    [
        {"operatorId": "C9"},
        {"chargePointId": "other"},
        {"idTag": "U"},
        {"transactionId": 5},
        {"meterStart": 6},
        {"meterStop": 8},
        {"sessionStart": "2026-01-01T10:00:00.001Z"},
        {"sessionEnd": "2026-01-01T11:00:01.500Z"},
    ],
)
def test_a_cdr_that_says_something_else(lie: dict[str, object]) -> None:
    assert not cdr_matches(CDR | lie, SESSION, visited="C2", charge_point="CP")
