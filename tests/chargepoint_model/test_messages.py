from datetime import UTC, datetime

import pytest

from cascade.frames import Payload
from cascade.ocpp16 import ChargePointStatus, Reason, check_request
from chargepoint_model import messages
from chargepoint_model.behaviour import Driver
from chargepoint_model.session import Session

AT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
SESSION = Session(2, Driver("T-1"), AT, 500)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("BootNotification", messages.boot_notification("CP-" + "9" * 60)),
        *(("StatusNotification", messages.status_notification(1, status, AT)) for status in ChargePointStatus),
        ("StartTransaction", messages.start_transaction(SESSION)),
        ("StartTransaction", messages.start_transaction(Session(1, Driver("T-1"), AT, 0, reservation_id=7))),
        ("SecurityEventNotification", messages.security_event("StartupOfTheDevice", AT)),
        *(
            ("StopTransaction", {**messages.stop_transaction(1, reason, AT, "T-1"), "transactionId": 1})
            for reason in Reason
        ),
    ],
)
def test_what_is_said_is_in_the_standard(action: str, payload: Payload) -> None:
    check_request(action, payload)


def test_a_start_carries_the_sessions_own_facts() -> None:
    assert messages.start_transaction(SESSION) == {
        "connectorId": 2,
        "idTag": "T-1",
        "meterStart": 500,
        "timestamp": "2026-01-01T12:30:00Z",
    }


def test_only_a_tag_that_was_presented_stops_by_its_name() -> None:
    assert "idTag" not in messages.stop_transaction(1, Reason.remote, AT, None)
    assert messages.stop_transaction(1, Reason.local, AT, "T-1")["idTag"] == "T-1"


def test_a_fault_shows_an_error() -> None:
    assert messages.status_notification(1, ChargePointStatus.faulted, AT)["errorCode"] == "OtherError"
    assert messages.status_notification(1, ChargePointStatus.available, AT)["errorCode"] == "NoError"
