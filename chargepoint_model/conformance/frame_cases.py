"""Faults below the payload: what OCPP-J 1.6, section 4, says about frames, broken one rule at a time."""

from chargepoint_model.conformance.model import (
    ID,
    ID_LENGTH,
    Answered,
    Case,
    Conforms,
    Expectation,
    NotTaken,
    Part,
    Refused,
)

OVERSIZE_BYTES = 2**20 + 2**16
"""Beyond what any message of the standard needs, and beyond the 1 MiB that many WebSocket libraries take."""

DEEP = 200
"""Levels that JSON parsers take and schema validators may not."""

BOTTOMLESS = 30_000
"""Levels on which parsers that recurse run out of stack."""


def _call(action: str, payload: str = "{}") -> str:
    return f'[2,"{ID}","{action}",{payload}]'


def cases(probe: tuple[str, str], foreign: str) -> list[Case]:
    """The faults, in the order in which they are sent.

    Args:
        probe: an action without effect that the system under test must answer, and its payload as JSON.
        foreign: an action that only the system under test itself may ask.
    """
    action, payload = probe
    good = _call(action, payload)
    nowhere = NotTaken("FormationViolation")
    broken = Refused("FormationViolation")
    deep = '{"a":' * DEEP + "1" + "}" * DEEP
    bottomless = "[" * BOTTOMLESS + "]" * BOTTOMLESS
    faults: list[tuple[str, tuple[str | bytes, ...], Expectation]] = [
        ("not JSON", ("hello",), nowhere),
        ("nothing at all", ("",), nowhere),
        ("JSON cut off", (good[:-1],), nowhere),
        ("an object", (f'{{"messageId":"{ID}"}}',), nowhere),
        ("a string", (f'"{ID}"',), nowhere),
        ("an empty array", ("[]",), nowhere),
        ("unknown message type", (f'[9,"{ID}","{action}",{payload}]',), nowhere),
        ("message type as a string", (f'["2","{ID}","{action}",{payload}]',), nowhere),
        ("id is a number", (f'[2,1,"{action}",{payload}]',), nowhere),
        ("id is null", (f'[2,null,"{action}",{payload}]',), nowhere),
        ("id of 37 characters", (good.replace(ID, ID + "x" * (37 - ID_LENGTH)),), nowhere),
        ("an answer to nothing", (f'[3,"{ID}",{{}}]',), nowhere),
        ("an error to nothing", (f'[4,"{ID}","GenericError","",{{}}]',), nowhere),
        ("binary frame", (good.encode(),), nowhere),
        ("nested without bottom", (f'[2,"{ID}","{action}",{bottomless}]',), nowhere),
        ("no payload", (f'[2,"{ID}","{action}"]',), broken),
        ("five elements", (f'[2,"{ID}","{action}",{payload},{{}}]',), broken),
        ("action is a number", (f'[2,"{ID}",1,{payload}]',), broken),
        ("payload is an array", (_call(action, "[]"),), broken),
        ("payload is a string", (_call(action, '"x"'),), broken),
        ("payload nested deeply", (_call(action, deep),), broken),
        ("payload is null", (_call(action, "null"),), Conforms(action)),
        ("white space around", (f"  {good.replace(',', ' , ')}\n",), Conforms(action)),
        ("unknown action", (_call("Unheard"),), Refused("NotImplemented")),
        ("action in lower case", (_call(action.lower(), payload),), Refused("NotImplemented")),
        ("action of the other direction", (_call(*_foreign(foreign)),), Refused("NotSupported")),
        ("the same id twice at once", (good, good), Answered(action)),
        (
            "oversize message",
            (_call("DataTransfer", f'{{"vendorId":"x","data":"{"x" * OVERSIZE_BYTES}"}}'),),
            Answered("DataTransfer", may_close=True),
        ),
    ]
    return [
        Case(part=Part.FRAMES, subject="frame", name=name, frames=frames, expects=expects)
        for name, frames, expects in faults
    ]


def _foreign(action: str) -> tuple[str, str]:
    return (action, '{"type":"Soft"}') if action == "Reset" else (action, "{}")
