"""OCPP-J frames: what stands in one WebSocket text message (OCPP-J 1.6, section 4.2)."""

from typing import Any, NamedTuple, assert_never

import orjson

from cascade.errors import FrameError

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
MESSAGE_ID_MAX = 36
DESCRIPTION_MAX = 255
_KINDS = frozenset({CALL, CALL_RESULT, CALL_ERROR})

Payload = dict[str, Any]


class Call(NamedTuple):
    """A request: `[2, id, action, payload]`."""

    message_id: str
    action: str
    payload: Payload


class CallResult(NamedTuple):
    """The result of a request: `[3, id, payload]`."""

    message_id: str
    payload: Payload


class CallError(NamedTuple):
    """The failure of a request: `[4, id, code, description, details]`."""

    message_id: str
    code: str
    description: str = ""
    details: Payload = {}  # noqa: RUF012 - a field's default, never changed


Frame = Call | CallResult | CallError


def decode(text: str | bytes) -> Frame | None:
    """Read one frame; None for a message type that the standard tells us to ignore.

    An empty payload may be `{}` or `null`. Trailing elements that a later version might add are refused.

    Raises:
        FrameError: the text is no frame. It carries the message id where the text is a CALL whose id can
            be read, because that CALL must be answered.
    """
    try:
        parts = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FrameError(f"not JSON: {error}") from error
    if not isinstance(parts, list) or not parts:
        raise FrameError("a frame is a JSON array that starts with its message type")
    kind, message_id = parts[0], parts[1] if len(parts) > 1 else None
    if isinstance(kind, int) and kind not in _KINDS:
        return None
    if not isinstance(kind, int) or not isinstance(message_id, str):
        raise FrameError("a frame is [2, 3 or 4, message id, ...] with a string as its id")
    if len(message_id) > MESSAGE_ID_MAX:
        readable = message_id if kind == CALL else None
        raise FrameError(f"a message id has at most {MESSAGE_ID_MAX} characters", readable)
    if kind == CALL:
        if len(parts) != 4 or not isinstance(parts[2], str):
            raise FrameError("a CALL is [2, id, action, payload]", message_id)
        return Call(message_id, parts[2], _object(parts[3], message_id))
    if kind == CALL_RESULT:
        if len(parts) != 3:
            raise FrameError("a CALLRESULT is [3, id, payload]")
        return CallResult(message_id, _object(parts[2], None))
    return _call_error(message_id, parts)


def _call_error(message_id: str, parts: list[Any]) -> CallError:
    """Its code is what matters: the rest may be missing or odd."""
    if len(parts) < 3 or not isinstance(parts[2], str):
        raise FrameError("a CALLERROR is [4, id, code, description, details]")
    description, details = [*parts[3:5], None, None][:2]
    return CallError(
        message_id,
        parts[2],
        description if isinstance(description, str) else "",
        details if isinstance(details, dict) else {},
    )


def _object(payload: object, message_id: str | None) -> Payload:
    if isinstance(payload, dict):
        return payload
    if payload is None:
        return {}
    raise FrameError("a payload is a JSON object", message_id)


def encode(frame: Frame) -> bytes:
    """Write one frame as compact UTF-8 JSON.

    Raises:
        TypeError: the payload holds something that JSON cannot.
    """
    if isinstance(frame, Call):
        return orjson.dumps((CALL, frame.message_id, frame.action, frame.payload))
    if isinstance(frame, CallResult):
        return orjson.dumps((CALL_RESULT, frame.message_id, frame.payload))
    if isinstance(frame, CallError):
        description = frame.description[:DESCRIPTION_MAX]
        return orjson.dumps((CALL_ERROR, frame.message_id, frame.code, description, frame.details))
    assert_never(frame)
