"""The frame-level cases, read by our own decoder."""

import pytest

from cascade.errors import FrameError
from cascade.frames import Call, decode
from cascade.ocpp16 import ACTIONS
from chargepoint_model.conformance import frame_cases
from chargepoint_model.conformance.model import ID, ID_LENGTH, Answered, Case, Conforms, NotTaken, Refused

CASES = frame_cases.cases(("Heartbeat", "{}"), "Reset")
CONSUMED = [case for case in CASES if case.name != "oversize message"]


def decoded(case: Case) -> object:
    """What our decoder makes of a case: a CALL, None (ignored), or the error with or without an id."""
    (frame, *_) = case.frames
    text = frame if isinstance(frame, str) else frame.decode()
    try:
        return decode(text.replace(ID, "i" * ID_LENGTH))
    except FrameError as error:
        return error


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CONSUMED, ids=lambda case: case.name)
def test_the_expectation_fits_what_the_frame_is(case: Case) -> None:
    found = decoded(case)
    match case.expects:
        case Conforms(action) | Answered(action):
            assert isinstance(found, Call)
            assert found.action == action
        case Refused("NotImplemented"):
            assert isinstance(found, Call)
            assert found.action not in ACTIONS
        case Refused("NotSupported"):
            assert isinstance(found, Call)
            assert found.action == "Reset"
        case Refused() if case.name == "payload nested deeply":
            assert isinstance(found, Call)
        case Refused():
            assert isinstance(found, FrameError)
            assert found.message_id == "i" * ID_LENGTH
        case NotTaken():
            assert case.name == "binary frame" or not isinstance(found, Call)


def test_the_long_id_has_37_characters() -> None:
    (case,) = [case for case in CASES if case.name == "id of 37 characters"]
    found = decoded(case)
    assert isinstance(found, FrameError)
    assert found.message_id is not None
    assert len(found.message_id) == 37
