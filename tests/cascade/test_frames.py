import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import FrameError
from cascade.frames import (
    DESCRIPTION_MAX,
    MESSAGE_ID_MAX,
    Call,
    CallError,
    CallResult,
    Frame,
    Payload,
    decode,
    encode,
)

ids = st.text(max_size=MESSAGE_ID_MAX)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
payloads = st.dictionaries(st.text(), json_values, max_size=4)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Call, ids, st.text(), payloads),
    st.builds(CallResult, ids, payloads),
    st.builds(CallError, ids, st.text(), st.text(max_size=DESCRIPTION_MAX), payloads),
)
near_frames = st.builds(
    lambda kind, rest: [kind, *rest],
    st.sampled_from([2, 3, 4]) | json_values,
    st.lists(st.text(max_size=40) | json_values, max_size=5),
)


@given(frames)
def test_what_is_written_is_compact_and_read_as_it_was(frame: Frame) -> None:
    text = encode(frame)
    assert decode(text) == decode(text.decode()) == frame
    assert text == orjson.dumps(orjson.loads(text))


@given(st.text() | st.binary())
def test_any_text_is_a_frame_or_ignored_or_a_frame_error(text: str | bytes) -> None:
    try:
        frame = decode(text)
    except FrameError as error:
        assert error.message_id is None or text  # noqa: PT017 - which exception comes is the question
    else:
        assert frame is None or isinstance(frame, Call | CallResult | CallError)


@given(near_frames)
def test_a_call_whose_id_can_be_read_is_a_call_or_can_be_answered(parts: list[Any]) -> None:
    try:
        frame = decode(orjson.dumps(parts))
    except FrameError as error:
        is_call = type(parts[0]) is int and parts[0] == 2 and len(parts) > 1 and isinstance(parts[1], str)
        assert error.message_id == (parts[1] if is_call else None)  # noqa: PT017 - see above
    else:
        assert frame is None or frame.message_id == parts[1]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"1","Heartbeat",{}]', Call("1", "Heartbeat", {})),
        ('[2,"1","Heartbeat",null]', Call("1", "Heartbeat", {})),
        ('[3,"1",{"a":1}]', CallResult("1", {"a": 1})),
        ('[3,"1",null]', CallResult("1", {})),
        ('[4,"1","GenericError","no",{"a":1}]', CallError("1", "GenericError", "no", {"a": 1})),
        ('[4,"1","GenericError"]', CallError("1", "GenericError")),
        ('[4,"1","GenericError","no"]', CallError("1", "GenericError", "no")),
        ('[4,"1","GenericError",null,null]', CallError("1", "GenericError")),
        ('[4,"1","GenericError",7,[],"more"]', CallError("1", "GenericError")),
        (' [ 2 , "1" , "A" , { } ] ', Call("1", "A", {})),
        ('[2,"","A",{}]', Call("", "A", {})),
    ],
)
def test_frames_of_the_standard_and_those_that_are_tolerated(text: str, frame: Frame) -> None:
    assert decode(text) == frame


@pytest.mark.parametrize("text", ["[5]", '[0,"1"]', '[99,"1","x",{}]', "[-2]", '[5,"' + "x" * 99 + '"]'])
def test_unknown_message_types_are_ignored(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "{}",
        "[]",
        "null",
        '"2"',
        "2",
        '[2.0,"1","A",{}]',
        '["2","1","A",{}]',
        '[null,"1"]',
        "[2]",
        "[3]",
        '[2,17,"A",{}]',
        '[2,null,"A",{}]',
        '[2,["1"],"A",{}]',
        '[3,"1"]',
        '[3,"1",{},{}]',
        '[3,"1",[]]',
        '[3,"1","x"]',
        '[4,"1"]',
        '[4,"1",7]',
        '[3,"' + "x" * 37 + '",{}]',
        '[4,"' + "x" * 37 + '","GenericError","",{}]',
        '[2,"1","A",{"a":NaN}]',
        '[2,"1","A",{"a":Infinity}]',
        '[2,"1","A",{"a":1e999}]',
        '[2,"1","A",{"a":"\\ud800"}]',
        '[2,"1","A",{"a":"\ud800"}]',
        '[2,"1","A",{}]trailing',
        "[" * 5000,
        "[" * 5000 + "]" * 5000,
        '[2,"1","A",' + '{"a":' * 3000 + "1" + "}" * 3000 + "]",
        b'[2,"1","\xff",{}]',
    ],
)
def test_what_is_no_frame_and_cannot_be_answered(text: str | bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode(text)
    assert caught.value.message_id is None


@pytest.mark.parametrize(
    "text",
    [
        '[2,"17"]',
        '[2,"17","A"]',
        '[2,"17","A",{},{}]',
        '[2,"17",7,{}]',
        '[2,"17",null,{}]',
        '[2,"17","A",[]]',
        '[2,"17","A","{}"]',
        '[2,"17","A",1]',
        '[2,"17","A",true]',
    ],
)
def test_a_bad_call_with_a_readable_id_can_be_answered(text: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode(text)
    assert caught.value.message_id == "17"


def test_a_message_id_has_at_most_36_characters_and_a_longer_one_is_answered() -> None:
    assert decode(encode(Call("x" * 36, "A", {}))) == Call("x" * 36, "A", {})
    with pytest.raises(FrameError) as caught:
        decode(encode(Call("x" * 37, "A", {})))
    assert caught.value.message_id == "x" * 37


def test_huge_integers_are_read_as_json_numbers_not_refused() -> None:
    frame = decode('[2,"1","A",{"a":18446744073709551615,"b":1' + "0" * 30 + "}]")
    assert isinstance(frame, Call)
    assert frame.payload["a"] == 2**64 - 1
    assert math.isclose(frame.payload["b"], 1e30)


def test_a_description_is_cut_to_what_the_standard_allows() -> None:
    sent = decode(encode(CallError("1", "GenericError", "ä" * 300)))
    assert sent == CallError("1", "GenericError", "ä" * 255)


@pytest.mark.parametrize("payload", [{"a": object()}, {"a": {1, 2}}, {"a": 2**64}, {"a": "\ud800"}])
def test_what_json_cannot_hold_is_a_type_error(payload: Payload) -> None:
    for frame in (Call("1", "A", payload), CallResult("1", payload), CallError("1", "A", "", payload)):
        with pytest.raises(TypeError):
            encode(frame)
