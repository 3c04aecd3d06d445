from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from pydantic import ValidationError

from cascade.roaming.ledgers import Entry, Ledger, Period

ENTRY = Entry(
    cdr_id=UUID(int=1),
    digest="0" * 64,
    visited="C2",
    energy_wh=-7500,
    credit_reference_id=UUID(int=2),
    direction="sent",
    route="hub",
    state="Delivered",
)


def test_a_ledger_comes_back_as_it_was_given_out() -> None:
    period = Period.read("2026-01-01", "2026-02-01")
    ledger = Ledger(operator_id="C2", period_start=period.start, period_end=period.end, entries=(ENTRY,))
    received = Ledger.model_validate_json(ledger.wire())
    assert received == ledger
    assert received.period == period


def test_what_is_no_ledger_is_refused() -> None:
    with pytest.raises(ValidationError, match="state"):
        Entry.model_validate_json(ENTRY.wire().replace("Delivered", "Lost"))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+07:00", datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=7)))),
    ],
)
def test_a_bound_is_a_date_in_utc_or_a_moment(text: str, moment: datetime) -> None:
    assert Period.read(text, None).start == moment
    assert Period.read(None, text).end == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-01-31T12:00:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_bound_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"from: .* is neither a date"):
        Period.read(text, None)
    with pytest.raises(ValueError, match=r"to: .* is neither a date"):
        Period.read(None, text)


def test_a_period_has_a_length_and_whole_seconds() -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        Period.read("2026-01-31T12:00:00.5Z", None)
    with pytest.raises(ValueError, match="ends before it begins"):
        Period.read("2026-01-31", "2026-01-31")
    assert Period.read("2026-01-31", "2026-02-01").seconds() == ("2026-01-31T00:00:00", "2026-02-01T00:00:00")
    assert Period.read(None, None).seconds() == ("0001-01-01T00:00:00", "9999-12-31T00:00:00")
