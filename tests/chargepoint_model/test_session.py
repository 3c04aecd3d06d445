from datetime import UTC, datetime, timedelta, timezone

import pytest

from chargepoint_model.behaviour import Driver
from chargepoint_model.session import Session

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_session_as_json_has_it() -> None:
    stop = START.astimezone(timezone(timedelta(hours=2))) + timedelta(minutes=20)
    session = Session(2, Driver("T-1", "P"), START, 100, stop, 7500, 9, "Accepted")
    assert session.document() == {
        "transactionId": 9,
        "idTag": "T-1",
        "connectorId": 2,
        "sessionStart": "2026-01-01T12:00:00Z",
        "sessionEnd": "2026-01-01T12:20:00Z",
        "meterStart": 100,
        "meterStop": 7500,
        "startStatus": "Accepted",
    }


def test_a_session_under_way_is_not_reported() -> None:
    with pytest.raises(AssertionError, match="over"):
        Session(1, Driver("T-1"), START, 0).document()
