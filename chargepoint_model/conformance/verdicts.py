"""Judging what was answered: by the standard, by the paper's rules, and by the CALLERROR's code."""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from cascade.errors import BadResultError
from cascade.ocpp16 import check_result
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
    Refused,
    Result,
    Silence,
    Verdict,
)
from chargepoint_model.conformance.paper import positive

CODES = frozenset({
    *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "GenericError"),
    *("FormationViolation", "PropertyConstraintViolation", "TypeConstraintViolation"),
    "OccurenceConstraintViolation",
})  # fmt: skip
"""Those of OCPP-J 1.6, section 4.2.3: a CALLERROR must bear one of them."""


class Judgement(NamedTuple):
    """What is made of the answers to a case."""

    semantic: Verdict
    code: Verdict | None
    why: str


class _Fault(Exception):  # noqa: N818 - it ends a judgement
    """What is wrong with an answer."""


def judge(case: Case, answers: Sequence[Answer]) -> Judgement:
    """Judge by the standard.

    Args:
        case: what was sent and is expected.
        answers: all that came; none is silence.
    """
    expects = case.expects
    answer = answers[0] if answers else Silence()
    try:
        _check_count(case, answers)
        code = _check(expects, answer)
    except _Fault as fault:
        return Judgement(Verdict.FAIL, None, str(fault))
    if code is None or not isinstance(answer, Error):
        return Judgement(Verdict.PASS, None, "")
    if answer.code == code:
        return Judgement(Verdict.PASS, Verdict.PASS, "")
    return Judgement(Verdict.PASS, Verdict.FAIL, f"its code should be {code}")


def _check_count(case: Case, answers: Sequence[Answer]) -> None:
    if len(answers) > max(len(case.frames), 1):
        raise _Fault(f"answered {len(answers)} times")


def _check(expects: Expectation, answer: Answer) -> str | None:
    """The code that a CALLERROR should have, if it may be one.

    Raises:
        _Fault: this is not an answer to the case.
    """
    match expects:
        case Conforms(action, statuses):
            _check_conforming(action, statuses, answer)
            return None
        case Refused(code):
            if not isinstance(answer, Error):
                raise _Fault(f"{_named(answer)} where only a CALLERROR is right")
            _check_error(answer)
            return code
        case NotTaken(code):
            if isinstance(answer, Result | Garbage):
                raise _Fault(f"{_named(answer)} in answer to what is no proper CALL")
            if isinstance(answer, Error):
                _check_code(answer)
            return code
        case Answered(action, may_close):
            if isinstance(answer, Error):
                _check_error(answer)
            elif not (may_close and isinstance(answer, Closed)):
                _check_conforming(action, frozenset(), answer)
            return None
        case _:
            assert_never(expects)


def _check_conforming(action: str, statuses: frozenset[str], answer: Answer) -> None:
    if not isinstance(answer, Result) or answer.astray:
        raise _Fault(f"{_named(answer)} where a CALLRESULT is due")
    try:
        check_result(action, answer.payload)
    except BadResultError as error:
        raise _Fault(str(error)) from None
    status = answer.payload.get("idTagInfo", answer.payload).get("status")
    if statuses and status is not None and status not in statuses:
        raise _Fault(f"status {status} where {' or '.join(sorted(statuses))} is right")


def _check_error(error: Error) -> None:
    if error.astray:
        raise _Fault("a CALLERROR under another message id than the CALL's")
    _check_code(error)


def _check_code(error: Error) -> None:
    if error.code not in CODES:
        raise _Fault(f"{error.code[:50]} is no error code of OCPP-J 1.6")


def _named(answer: Answer) -> str:
    match answer:
        case Result(astray=astray):
            return f"a CALLRESULT{' under another message id' if astray else ''}"
        case Error(code):
            return f"a CALLERROR ({code[:50]})"
        case Garbage():
            return "what is no frame"
        case Closed(code):
            return f"the end of the connection ({code})"
        case Silence():
            return "silence"
        case _:
            assert_never(answer)


def literal(case: Case, answers: Sequence[Answer]) -> Verdict | None:
    """Judge by the paper's rules (section 3), None if it is none of the paper's cases.

    A positive case wants a response that conforms, a negative one an error or nothing.
    """
    if case.scenario is None:
        return None
    answer = answers[0] if answers else Silence()
    if not positive(case.subject, case.scenario):
        return Verdict.PASS if isinstance(answer, Error | Silence | Closed) else Verdict.FAIL
    try:
        _check_conforming(case.subject, frozenset(), answer)
    except _Fault:
        return Verdict.FAIL
    return Verdict.PASS


def expected(expects: Expectation) -> str:
    """What is expected, for a person."""
    match expects:
        case Conforms(action, statuses):
            status = f", its status, if any, {' or '.join(sorted(statuses))}" if statuses else ""
            return f"a CALLRESULT of {action}{status}"
        case Refused(code):
            return f"CALLERROR {code}"
        case NotTaken(code):
            return f"silence, or CALLERROR {code}"
        case Answered(_, may_close):
            return f"an answer{', or close 1009' if may_close else ''}"
        case _:
            assert_never(expects)
