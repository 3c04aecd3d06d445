from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cascade.roaming.model import (
    Count,
    IdTag,
    IdTagPrefix,
    Moment,
    Number,
    OperatorId,
    RoamingModel,
    id_key,
    utc_text,
)


class Sample(RoamingModel):
    some_moment: Moment
    some_number: int = 0
    some_text: str | None = None


MOMENT = datetime(2026, 1, 31, 23, 59, 59, 123000, tzinfo=UTC)


def read(**fields: object) -> Sample:
    return Sample.model_validate_json(orjson.dumps({"someMoment": "2026-01-31T23:59:59Z", **fields}))


def test_names_are_camel_case_on_the_wire_and_what_is_not_there_is_left_out() -> None:
    assert Sample(some_moment=MOMENT).wire() == '{"someMoment":"2026-01-31T23:59:59.123000Z","someNumber":0}'


@pytest.mark.parametrize("number", ["1", 1.5, True, None])
def test_nothing_is_coerced(number: object) -> None:
    with pytest.raises(ValidationError):
        read(someNumber=number)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="unheardOf"):
        read(unheardOf=1)


def test_a_message_does_not_change() -> None:
    message = read()
    with pytest.raises(ValidationError, match="frozen"):
        message.some_number = 2  # type: ignore[misc]  # that is the point


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_moments_come_back_as_the_same_moment_in_utc(moment: datetime) -> None:
    try:
        sent = Sample(some_moment=moment)
    except ValidationError:
        assert moment.year in {1, 9999}
        return
    text = orjson.loads(sent.wire())["someMoment"]
    received = Sample.model_validate_json(sent.wire()).some_moment
    assert text == utc_text(received)
    assert received == moment.astimezone(UTC)  # an hour that a clock shows twice equals none by itself
    assert received.tzinfo is UTC or received.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["2026-02-01T00:59:59.123+01:00", "2026-01-31T23:59:59.123Z", "2026-01-31T18:29:59.123-05:30"]
)
def test_any_offset_is_read(text: str) -> None:
    assert read(someMoment=text).some_moment == MOMENT


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-31T23:59:59",
        "yesterday",
        "",
        None,
        1769903999,
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
    ],
)
def test_what_is_no_moment_of_utc_is_refused(moment: object) -> None:
    with pytest.raises(ValidationError):
        read(someMoment=moment)


def test_utc_text_ends_in_z_and_needs_a_time_zone() -> None:
    assert utc_text(MOMENT.astimezone(timezone(timedelta(hours=9)))) == "2026-01-31T23:59:59.123000Z"
    with pytest.raises(ValueError, match="without a time zone"):
        utc_text(MOMENT.replace(tzinfo=None))


def allowed(kind: Any, value: object) -> bool:  # noqa: ANN401 - an annotated type
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (IdTag, ["A", "a" * 20, "~ !", "DE-ABC*12"], ["", "a" * 21, "ä", "a\n", "\x00", 7]),
        (IdTagPrefix, ["DE", "a" * 20], ["D", "", "a" * 21, "DE\n"]),
        (OperatorId, ["DE*ABC", "c1", "a" * 36], ["", "a" * 37, "a b", "a/b", "a\n", "ä"]),
        (Number, [0, -(2**63), 2**63 - 1], [2**63, -(2**63) - 1, 1.0, True, "1"]),
        (Count, [0, 2**63 - 1], [-1, 2**63, 1.0, True, "1"]),
    ],
    ids=["IdTag", "IdTagPrefix", "OperatorId", "Number", "Count"],
)
def test_the_shared_types(kind: object, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not allowed(kind, value)] == []
    assert [value for value in bad if allowed(kind, value)] == []


def test_tokens_are_compared_without_case() -> None:
    assert id_key("aBc-1") == id_key("AbC-1") != id_key("abc-2")
