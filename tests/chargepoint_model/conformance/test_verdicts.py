"""Verdicts, by the standard and by the paper's rules."""

import pytest

from chargepoint_model.conformance.model import (
    Answer,
    Answered,
    Case,
    Closed,
    Conforms,
    Error,
    Expectation,
    Garbage,
    NotTaken,
    Part,
    Refused,
    Result,
    Scenario,
    Silence,
    Verdict,
)
from chargepoint_model.conformance.verdicts import expected, judge, literal

PASS, FAIL = Verdict.PASS, Verdict.FAIL
BEAT = Result({"currentTime": "2026-01-01T00:00:00Z"})
ACCEPTED, INVALID = (Result({"idTagInfo": {"status": status}}) for status in ("Accepted", "Invalid"))
RIGHT, OTHER = Error("ProtocolError", ""), Error("GenericError", "")
MADE_UP = Error("FormatViolation", "")
ASTRAY = Error("ProtocolError", "", astray=True)
KNOWN = Conforms("Authorize", frozenset({"Accepted"}))
UNKNOWN = Conforms("Authorize", frozenset({"Invalid"}))


def case(expects: Expectation, frames: int = 1) -> Case:
    return Case(part=Part.FRAMES, subject="x", name="x", expects=expects, frames=("x",) * frames)


@pytest.mark.parametrize(
    ("expects", "answers", "semantic", "code"),
    [
        (Conforms("Heartbeat"), [BEAT], PASS, None),
        (Conforms("Heartbeat"), [Result({})], FAIL, None),
        (Conforms("Heartbeat"), [Result(BEAT.payload, astray=True)], FAIL, None),
        (Conforms("Heartbeat"), [RIGHT], FAIL, None),
        (Conforms("Heartbeat"), [], FAIL, None),
        (Conforms("Heartbeat"), [Garbage("x")], FAIL, None),
        (Conforms("Heartbeat"), [Closed(1000, "")], FAIL, None),
        (Conforms("Heartbeat"), [BEAT, BEAT], FAIL, None),
        (KNOWN, [ACCEPTED], PASS, None),
        (KNOWN, [INVALID], FAIL, None),
        (UNKNOWN, [INVALID], PASS, None),
        (UNKNOWN, [ACCEPTED], FAIL, None),
        (UNKNOWN, [RIGHT], FAIL, None),
        (Conforms("StopTransaction", frozenset({"Invalid"})), [Result({})], PASS, None),
        (Conforms("StopTransaction", frozenset({"Invalid"})), [ACCEPTED], FAIL, None),
        (Refused("ProtocolError"), [RIGHT], PASS, PASS),
        (Refused("ProtocolError"), [OTHER], PASS, FAIL),
        (Refused("ProtocolError"), [MADE_UP], FAIL, None),
        (Refused("ProtocolError"), [ASTRAY], FAIL, None),
        (Refused("ProtocolError"), [BEAT], FAIL, None),
        (Refused("ProtocolError"), [], FAIL, None),
        (Refused("ProtocolError"), [Closed(1000, "")], FAIL, None),
        (NotTaken("ProtocolError"), [], PASS, None),
        (NotTaken("ProtocolError"), [Closed(1000, "")], PASS, None),
        (NotTaken("ProtocolError"), [ASTRAY], PASS, PASS),
        (NotTaken("ProtocolError"), [OTHER], PASS, FAIL),
        (NotTaken("ProtocolError"), [MADE_UP], FAIL, None),
        (NotTaken("ProtocolError"), [BEAT], FAIL, None),
        (NotTaken("ProtocolError"), [Garbage("x")], FAIL, None),
        (Answered("Heartbeat"), [BEAT], PASS, None),
        (Answered("Heartbeat"), [OTHER], PASS, None),
        (Answered("Heartbeat"), [], FAIL, None),
        (Answered("Heartbeat"), [Closed(1009, "")], FAIL, None),
        (Answered("Heartbeat", may_close=True), [Closed(1009, "")], PASS, None),
        (Answered("Heartbeat", may_close=True), [], FAIL, None),
    ],
)
def test_the_standards_verdict(
    expects: Expectation, answers: list[Answer], semantic: Verdict, code: Verdict | None
) -> None:
    found = judge(case(expects), answers)
    assert (found.semantic, found.code) == (semantic, code)
    assert bool(found.why) == (FAIL in {semantic, code})


def test_two_calls_of_one_id_may_be_answered_twice_and_no_more() -> None:
    assert judge(case(Answered("Heartbeat"), 2), [BEAT, OTHER]).semantic is PASS
    assert judge(case(Answered("Heartbeat"), 2), [BEAT, BEAT, BEAT]).semantic is FAIL


@pytest.mark.parametrize(
    ("action", "scenario", "answer", "verdict"),
    [
        ("Heartbeat", Scenario.NO_FIELDS, BEAT, PASS),
        ("Heartbeat", Scenario.NO_FIELDS, Silence(), FAIL),
        ("Heartbeat", Scenario.WRONG_FIELDS, BEAT, FAIL),
        ("Heartbeat", Scenario.WRONG_FIELDS, OTHER, PASS),
        ("Heartbeat", Scenario.WRONG_FIELDS, MADE_UP, PASS),
        ("Heartbeat", Scenario.WRONG_FIELDS, Closed(1000, ""), PASS),
        ("Heartbeat", Scenario.WRONG_FIELDS, Garbage("x"), FAIL),
        ("Authorize", Scenario.NO_FIELDS, Silence(), PASS),
        ("Authorize", Scenario.COMPLETE, INVALID, PASS),
        ("Authorize", Scenario.COMPLETE, OTHER, FAIL),
        ("Authorize", Scenario.UNRECOGNIZED, INVALID, FAIL),
    ],
)
def test_the_papers_verdict(action: str, scenario: Scenario, answer: Answer, verdict: Verdict) -> None:
    one = Case(
        part=Part.PAPER, subject=action, name="x", expects=Conforms(action), scenario=scenario, payload={}
    )
    assert literal(one, [] if isinstance(answer, Silence) else [answer]) is verdict
    assert literal(case(Conforms(action)), [answer]) is None


@pytest.mark.parametrize(
    ("expects", "text"),
    [
        (Conforms("Heartbeat"), "a CALLRESULT of Heartbeat"),
        (UNKNOWN, "a CALLRESULT of Authorize, its status, if any, Invalid"),
        (Refused("SecurityError"), "CALLERROR SecurityError"),
        (NotTaken("FormationViolation"), "silence, or CALLERROR FormationViolation"),
        (Answered("Heartbeat"), "an answer"),
        (Answered("Heartbeat", may_close=True), "an answer, or close 1009"),
    ],
)
def test_what_is_expected_can_be_said(expects: Expectation, text: str) -> None:
    assert expected(expects) == text
