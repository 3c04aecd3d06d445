import pytest

from cascade import errors

CODES = {
    errors.AnswerError: "GenericError",
    errors.UnknownActionError: "NotImplemented",
    errors.UnsupportedActionError: "NotSupported",
    errors.InternalFaultError: "InternalError",
    errors.MissingFieldError: "ProtocolError",
    errors.SecurityFaultError: "SecurityError",
    errors.MalformedPayloadError: "FormationViolation",
    errors.BadValueError: "PropertyConstraintViolation",
    errors.BadOccurrenceError: "OccurenceConstraintViolation",
    errors.WrongTypeError: "TypeConstraintViolation",
}
"""OCPP-J 1.6, section 4.2.3, table 7."""


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=CODES.values())
def test_each_answer_has_the_code_of_the_standard(kind: type[errors.AnswerError], code: str) -> None:
    error = kind("what is wrong", {"field": "idTag"})
    assert (error.code, error.description, error.details) == (code, "what is wrong", {"field": "idTag"})
    assert str(error) == "what is wrong"
    assert isinstance(error, errors.CascadeError)


def test_details_are_empty_unless_given_and_never_shared() -> None:
    one, other = errors.BadValueError("a"), errors.BadValueError("b")
    one.details["seen"] = True
    assert other.details == {}


def test_a_text_that_is_no_frame_is_a_malformed_payload() -> None:
    assert errors.FrameError("not JSON").code == "FormationViolation"
    assert errors.FrameError("not JSON").message_id is None
    assert errors.FrameError("bad arity", "17").message_id == "17"


def test_a_call_fails_in_one_of_four_ways() -> None:
    for kind in (errors.PeerError, errors.CallTimeoutError, errors.LinkLostError, errors.BadResultError):
        assert issubclass(kind, errors.CallFailed)
        assert not issubclass(kind, errors.AnswerError)


def test_what_the_peer_answered_is_kept_in_fields() -> None:
    error = errors.PeerError("GenericError", "no", {"a": 1})
    assert (error.code, error.description, error.details) == ("GenericError", "no", {"a": 1})
    assert str(error) == "GenericError: no"
    assert str(errors.PeerError("GenericError", "", {})) == "GenericError"


def test_a_timeout_says_whether_the_peer_may_have_acted() -> None:
    sent, unsent = errors.CallTimeoutError("Reset", sent=True), errors.CallTimeoutError("Reset", sent=False)
    assert (sent.action, sent.sent, str(sent)) == ("Reset", True, "Reset: no answer in time")
    assert (unsent.sent, str(unsent)) == (False, "Reset: the link was busy for too long")


def test_a_refusal_carries_a_code_and_a_sentence() -> None:
    refused = errors.RoamingRefused("UnknownToken", "nobody owns it")
    assert (refused.code, refused.detail) == ("UnknownToken", "nobody owns it")
    assert str(refused) == "UnknownToken: nobody owns it"
    assert not isinstance(refused, errors.AnswerError | errors.CallFailed)


def test_a_store_error_is_about_our_surroundings() -> None:
    assert issubclass(errors.StoreError, errors.SetupError)
