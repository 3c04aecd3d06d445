"""Reading what a system under test sends: more tolerant than a link, for nothing of it may be lost."""

from typing import Any, NamedTuple, assert_never

import orjson

from cascade import frames
from cascade.frames import Payload
from chargepoint_model.conformance.model import Answer, Closed, Error, Garbage, Result, Silence


class Question(NamedTuple):
    """A CALL of the system under test."""

    message_id: str
    action: str
    payload: Payload


class Reply(NamedTuple):
    """An answer of the system under test, under whatever id."""

    message_id: object
    answer: Answer


def read(message: str | bytes) -> Question | Reply:
    """What a message is; one that is nothing is a reply of `Garbage` with None for its id."""
    if isinstance(message, bytes):
        return Reply(None, Garbage(f"a binary message of {len(message)} bytes"))
    try:
        parts = orjson.loads(message)
    except orjson.JSONDecodeError:
        return Reply(None, Garbage(message))
    match parts:
        case [frames.CALL, str(message_id), str(action), dict() | None as payload]:
            return Question(message_id, action, payload or {})
        case [_, message_id, *_]:
            return Reply(message_id, _answer(parts) or Garbage(message))
        case _:
            return Reply(None, Garbage(message))


def _answer(parts: list[Any]) -> Answer | None:
    match parts:
        case [frames.CALL_RESULT, _, dict() | None as payload]:
            return Result(payload or {})
        case [frames.CALL_ERROR, _, str(code), str(description), dict()]:
            return Error(code, description)
        case _:
            return None


def shown(answer: Answer) -> str:
    """An answer for a person."""
    match answer:
        case Result(payload, astray):
            return f"CALLRESULT{' under another id' if astray else ''} {orjson.dumps(payload).decode()}"
        case Error(code, description, astray):
            return f"CALLERROR {code}{' under another id' if astray else ''}: {description}"
        case Garbage(text):
            return f"no frame: {text}"
        case Closed(code, reason):
            return f"the connection was closed: {code} {reason}".rstrip()
        case Silence():
            return "nothing"
        case _:
            assert_never(answer)
