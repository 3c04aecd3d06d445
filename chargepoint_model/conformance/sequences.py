"""Faults that take more than one message: an id used again, and calls that do not wait for answers."""

from collections.abc import Sequence

import orjson

from cascade.frames import CALL, Payload
from chargepoint_model.conformance.examiner import Examiner
from chargepoint_model.conformance.model import ID, Answered, Case, Conforms, Expectation, Part


def call(name: str, action: str, payload: Payload, expects: Expectation) -> Case:
    """A proper CALL as a case of the frame level."""
    frame = orjson.dumps([CALL, ID, action, payload]).decode()
    return Case(part=Part.FRAMES, subject="frame", name=name, frames=(frame,), expects=expects)


async def reuse_an_id(examiner: Examiner, action: str, payload: Payload) -> None:
    """Ask twice under one id, the second time after the answer to the first: a careless retry.

    Raises:
        LinkLostError: there is no connection to be had.
    """
    first = await examiner.examine(call("an id that will be used again", action, payload, Conforms(action)))
    again = call("the same id after its answer", action, payload, Answered(action))
    await examiner.examine(again, message_id=first.message_id)


async def pipeline(examiner: Examiner, calls: Sequence[tuple[str, Payload]]) -> None:
    """Ask several things at once: each is to be answered, once (OCPP-J 1.6, section 4.1.1 asks to wait).

    Raises:
        LinkLostError: there is no connection to be had.
    """
    await examiner.examine_together([
        call(f"without waiting: {action}", action, payload, Conforms(action)) for action, payload in calls
    ])  # fmt: skip
