"""The generated cases: all messages, all kinds, and the codes that the standard has for them."""

import pytest

from cascade.ocpp16 import ACTIONS, FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT
from chargepoint_model.conformance import generation
from chargepoint_model.conformance.model import Case, Conforms, Part, Refused
from tests.chargepoint_model.conformance.judging import code_for

NOW = "2026-01-01T00:00:00Z"
VALUES = {
    **dict.fromkeys(
        (
            *("timestamp", "expiryDate", "validFrom", "validTo", "startSchedule", "startTime", "stopTime"),
            *("retrieveDate", "retrieveDateTime", "installDateTime", "oldestTimestamp", "latestTimestamp"),
        ),
        NOW,
    ),
    "location": "ftp://127.0.0.1/x",
}


def cases(action: str) -> list[Case]:
    return generation.cases(Part.GENERATED, [action], VALUES)


def test_both_sides_have_all_their_messages() -> None:
    profiles = [one for many in generation.PROFILES_FROM_CHARGE_POINT.values() for one in many]
    assert {*generation.CORE_FROM_CHARGE_POINT, *profiles} == FROM_CHARGE_POINT
    profiles = [one for many in generation.PROFILES_FROM_CENTRAL_SYSTEM.values() for one in many]
    assert {*generation.CORE_FROM_CENTRAL_SYSTEM, *profiles} == FROM_CENTRAL_SYSTEM - {"DataTransfer"}
    assert len(generation.CORE_FROM_CENTRAL_SYSTEM) == len(generation.CORE_FROM_CHARGE_POINT) == 8


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_expected_code_is_that_of_the_house(action: str) -> None:
    for case in cases(action):
        assert case.payload is not None
        code = code_for(action, case.payload)
        assert case.expects == (Conforms(action) if code is None else Refused(code)), case.name


def test_every_message_has_a_positive_and_a_negative_case() -> None:
    for action in ACTIONS:
        kinds = {type(case.expects) for case in cases(action)}
        assert kinds == {Conforms, Refused}, action


def test_every_code_of_a_payload_is_asked_for() -> None:
    codes = {
        case.expects.code for action in ACTIONS for case in cases(action) if isinstance(case.expects, Refused)
    }
    assert codes == {
        "ProtocolError",
        "FormationViolation",
        "TypeConstraintViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
    }
