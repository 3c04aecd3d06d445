import pytest
from cryptography import x509

from cascade.errors import BadValueError
from cascade.frames import Payload
from tests.chargepoint_model.conftest import NOW, Central, ChargerOf
from tests.conftest import LogLines


@pytest.mark.parametrize(
    ("order", "action", "fields"),
    [
        ({"requestedMessage": "BootNotification"}, "BootNotification", {}),
        ({"requestedMessage": "Heartbeat"}, "Heartbeat", {}),
        ({"requestedMessage": "StatusNotification"}, "StatusNotification", {"connectorId": 0}),
        ({"requestedMessage": "StatusNotification"}, "StatusNotification", {"connectorId": 2}),
        (
            {"requestedMessage": "StatusNotification", "connectorId": 2},
            "StatusNotification",
            {"connectorId": 2},
        ),
        ({"requestedMessage": "MeterValues", "connectorId": 1}, "MeterValues", {"connectorId": 1}),
    ],
)
async def test_a_message_is_sent_when_asked_for(
    central: Central, charger_of: ChargerOf, order: Payload, action: str, fields: dict[str, int]
) -> None:
    await charger_of(connectors=2)
    central.calls.clear()
    assert await central.ask("TriggerMessage", order) == {"status": "Accepted"}
    await central.hears(action, **fields)


async def test_the_meter_of_a_transaction_is_shown_under_its_id(
    central: Central, charger_of: ChargerOf
) -> None:
    await charger_of()
    await central.ask("RemoteStartTransaction", {"idTag": "T-7"})
    await central.hears("StatusNotification", status="Charging")
    await central.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 0})
    shown = await central.hears("MeterValues", transactionId=1)
    assert shown["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


async def test_what_cannot_be_triggered(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    nowhere = {"requestedMessage": "Heartbeat", "connectorId": 9}
    assert await central.ask("TriggerMessage", nowhere) == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("order", "wanted", "said"),
    [
        ("TriggerMessage", "FirmwareStatusNotification", "FirmwareStatusNotification"),
        ("TriggerMessage", "DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
        ("ExtendedTriggerMessage", "FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("ExtendedTriggerMessage", "LogStatusNotification", "LogStatusNotification"),
    ],
)
async def test_who_does_nothing_is_idle(
    central: Central, charger_of: ChargerOf, order: str, wanted: str, said: str
) -> None:
    await charger_of()
    assert await central.ask(order, {"requestedMessage": wanted}) == {"status": "Accepted"}
    await central.hears(said, status="Idle")


async def test_a_certificate_is_asked_for(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    await central.ask("ChangeConfiguration", {"key": "CpoName", "value": "Operator"})
    order = {"requestedMessage": "SignChargePointCertificate"}
    assert await central.ask("ExtendedTriggerMessage", order) == {"status": "Accepted"}
    asked = await central.hears("SignCertificate")
    request = x509.load_pem_x509_csr(asked["csr"].encode())
    assert request.subject.rfc4514_string() == "O=Operator,CN=CP-1"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("StatusNotification", "StatusNotification"),
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("BootNotification", "BootNotification"),
    ],
)
async def test_while_it_is_pending_it_says_what_it_is_asked_for(
    central: Central, charger_of: ChargerOf, wanted: str, said: str
) -> None:
    pending = {"status": "Pending", "currentTime": NOW, "interval": 3600}
    central.script["BootNotification"] = [pending, pending]
    await charger_of(wait=False)
    await central.hears("BootNotification")
    central.calls.clear()
    assert await central.ask("TriggerMessage", {"requestedMessage": wanted}) == {"status": "Accepted"}
    await central.hears(said)
    assert {action for action, _ in central.calls} == {said}


async def test_a_failure_of_what_was_asked_for_is_logged(
    central: Central, charger_of: ChargerOf, logs: LogLines
) -> None:
    central.script["BootNotification"] = [{"status": "Pending", "currentTime": NOW, "interval": 3600}]
    central.script["Heartbeat"] = [BadValueError("no")]
    await charger_of(wait=False)
    await central.hears("BootNotification")
    await central.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert (await logs.event("not_delivered"))["action"] == "Heartbeat"
