"""Showing frames as they pass, for a person who wants to see what a link does.

Tracing is off until it is switched on, in a running service by SIGUSR1; then each frame is one log line.
The moment is `CLOCK_MONOTONIC`, which all processes of a machine share, so lines of several can be merged.
Payloads are not shown: they hold drivers' tokens.
"""

import time

import structlog

from cascade.frames import Call, CallResult, Frame

log = structlog.get_logger()


class FrameTrace:
    """The frames of one process.

    Args:
        name: who we are, as the trace shows it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.on = False

    def switch(self) -> None:
        """Turn tracing on, or off again."""
        self.on = not self.on
        log.info("trace", on=self.on)

    def sent(self, peer: str, frame: Frame) -> None:
        """A frame is about to leave for `peer`."""
        _show("sent", self.name, peer, frame)

    def received(self, peer: str, frame: Frame) -> None:
        """A frame has come from `peer`."""
        _show("received", peer, self.name, frame)


def _show(what: str, sender: str, receiver: str, frame: Frame) -> None:
    match frame:
        case Call():
            kind, about = "CALL", _action(frame)
        case CallResult():
            kind, about = "CALLRESULT", ""
        case _:
            kind, about = "CALLERROR", frame.code
    log.info(
        "frame",
        what=what,
        at_ns=time.monotonic_ns(),
        sender=sender,
        receiver=receiver,
        kind=kind,
        about=about,
        message_id=frame.message_id,
    )


def _action(call: Call) -> str:
    """A DataTransfer is told by its messageId."""
    detail = call.payload.get("messageId") if call.action == "DataTransfer" else None
    return f"{call.action}({detail})" if detail else call.action
