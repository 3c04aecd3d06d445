import pytest

from cascade.frames import Call, CallError, CallResult, Frame
from cascade.trace import FrameTrace
from tests.conftest import LogLines

TRANSFER = Call("1", "DataTransfer", {"vendorId": "nap.roaming", "messageId": "Cdr", "data": "SECRET"})


@pytest.mark.parametrize(
    ("frame", "kind", "about"),
    [
        (Call("1", "Authorize", {"idTag": "SECRET"}), "CALL", "Authorize"),
        (TRANSFER, "CALL", "DataTransfer(Cdr)"),
        (Call("1", "DataTransfer", {"vendorId": "com.example"}), "CALL", "DataTransfer"),
        (Call("1", "Authorize", {"messageId": "SECRET"}), "CALL", "Authorize"),
        (CallResult("1", {"idTagInfo": "SECRET"}), "CALLRESULT", ""),
        (CallError("1", "GenericError", "SECRET"), "CALLERROR", "GenericError"),
    ],
)
def test_a_frame_is_one_line_without_its_payload(logs: LogLines, frame: Frame, kind: str, about: str) -> None:
    trace = FrameTrace("C1")
    trace.sent("hub", frame)
    trace.received("hub", frame)
    sent, received = logs.named("frame")
    assert (sent["what"], sent["sender"], sent["receiver"]) == ("sent", "C1", "hub")
    assert (received["what"], received["sender"], received["receiver"]) == ("received", "hub", "C1")
    for line in (sent, received):
        assert (line["kind"], line["about"], line["message_id"]) == (kind, about, "1")
        assert "SECRET" not in str(line)
    assert sent["at_ns"] <= received["at_ns"]


def test_tracing_is_off_until_it_is_switched_on(logs: LogLines) -> None:
    trace = FrameTrace("C1")
    assert not trace.on
    trace.switch()
    assert trace.on
    trace.switch()
    assert not trace.on
    assert [line["on"] for line in logs.named("trace")] == [True, False]
