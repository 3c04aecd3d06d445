"""Reading what comes, however odd it is."""

import pytest

from chargepoint_model.conformance.answers import Question, Reply, read, shown
from chargepoint_model.conformance.model import Answer, Closed, Error, Garbage, Result, Silence


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('[3,"a",{"x":1}]', Reply("a", Result({"x": 1}))),
        ('[3,"a",null]', Reply("a", Result({}))),
        ('[4,"a","GenericError","why",{}]', Reply("a", Error("GenericError", "why"))),
        ('[2,"a","Reset",{"type":"Soft"}]', Question("a", "Reset", {"type": "Soft"})),
        ('[2,"a","Heartbeat",null]', Question("a", "Heartbeat", {})),
        ('[3,"a","text"]', Reply("a", Garbage('[3,"a","text"]'))),
        ('[4,"a","GenericError"]', Reply("a", Garbage('[4,"a","GenericError"]'))),
        ('[4,-1,"GenericError","",{}]', Reply(-1, Error("GenericError", ""))),
        ("[3]", Reply(None, Garbage("[3]"))),
        ("{}", Reply(None, Garbage("{}"))),
        ("hello", Reply(None, Garbage("hello"))),
        (b"12345", Reply(None, Garbage("a binary message of 5 bytes"))),
    ],
)
def test_what_a_message_is(message: str | bytes, expected: Question | Reply) -> None:
    assert read(message) == expected


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Result({"x": 1}), 'CALLRESULT {"x":1}'),
        (Result({}, astray=True), "CALLRESULT under another id {}"),
        (Error("SecurityError", "not yet"), "CALLERROR SecurityError: not yet"),
        (Error("SecurityError", "not yet", astray=True), "CALLERROR SecurityError under another id: not yet"),
        (Garbage("<html>"), "no frame: <html>"),
        (Closed(1009, "too big"), "the connection was closed: 1009 too big"),
        (Silence(), "nothing"),
    ],
)
def test_an_answer_can_be_shown(answer: Answer, text: str) -> None:
    assert shown(answer) == text
