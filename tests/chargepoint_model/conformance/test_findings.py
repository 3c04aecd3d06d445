"""From answers to findings."""

from chargepoint_model.conformance.findings import SHOWN, Taken, finding, findings, shortened
from chargepoint_model.conformance.model import (
    Answer,
    Case,
    Closed,
    Conforms,
    Error,
    NotTaken,
    Part,
    Refused,
    Result,
    Verdict,
)

PROFILES = {"Security": ("SignCertificate", "LogStatusNotification")}


def taken(subject: str, name: str, *answers: Answer, aftermath: str = "", refused: bool = False) -> Taken:
    expects = Refused("ProtocolError") if refused else Conforms(subject)
    return Taken(
        Case(part=Part.PROFILES, subject=subject, name=name, expects=expects), "sent", answers, aftermath
    )


def test_a_profile_of_which_nothing_is_supported_is_skipped() -> None:
    found = findings(
        [
            taken("SignCertificate", "complete fields", Error("NotSupported", "")),
            taken("SignCertificate", "nothing", Error("NotSupported", ""), refused=True),
            taken("LogStatusNotification", "complete fields", Error("NotImplemented", "")),
            taken("Heartbeat", "complete fields", Error("NotImplemented", "")),
        ],
        PROFILES,
    )
    assert [one.semantic for one in found] == [Verdict.SKIP, Verdict.SKIP, Verdict.SKIP, Verdict.FAIL]
    assert found[0].why == "the profile Security is not supported"


def test_a_profile_of_which_a_message_is_supported_is_not() -> None:
    found = findings(
        [
            taken("SignCertificate", "complete fields", Result({"status": "Accepted"})),
            taken("LogStatusNotification", "complete fields", Error("NotSupported", "")),
        ],
        PROFILES,
    )
    assert [one.semantic for one in found] == [Verdict.PASS, Verdict.FAIL]


def test_a_case_that_leaves_a_dead_connection_has_failed() -> None:
    found = finding(taken("LogStatusNotification", "x", Result({}), aftermath="the connection is dead"))
    assert (found.semantic, found.why) == (Verdict.FAIL, "the connection is dead")


def test_the_end_of_a_connection_is_remarkable() -> None:
    case = Case(
        part=Part.FRAMES, subject="frame", name="x", expects=NotTaken("FormationViolation"), frames=("x",)
    )
    found = finding(Taken(case, "x", [Closed(1002, "")], ""))
    assert (found.semantic, found.why) == (Verdict.PASS, "the connection was closed, and could be opened again")


def test_all_answers_are_shown() -> None:
    found = finding(taken("LogStatusNotification", "x", Result({}), Error("GenericError", "twice")))
    assert found.came == "CALLRESULT {}; CALLERROR GenericError: twice"
    assert found.why == "answered 2 times"
    assert finding(taken("LogStatusNotification", "x")).came == "nothing"


def test_a_long_text_is_shortened() -> None:
    assert shortened("x" * SHOWN) == "x" * SHOWN
    assert shortened("x" * (SHOWN + 1)) == "x" * SHOWN + f"… ({SHOWN + 1} characters)"
