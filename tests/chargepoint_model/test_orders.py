import pytest

from cascade.errors import PeerError
from cascade.frames import Payload
from chargepoint_model.behaviour import Driver, Event, State
from tests.chargepoint_model.conftest import Central, ChargerOf

DRIVER = Driver("T-1")


async def test_a_remote_start_charges(central: Central, charger_of: ChargerOf) -> None:
    await charger_of(time_scale=100_000, connectors=2)
    answer = await central.ask("RemoteStartTransaction", {"idTag": "T-7", "connectorId": 2})
    assert answer == {"status": "Accepted"}
    start = await central.hears("StartTransaction", connectorId=2, idTag="T-7")
    stop = await central.hears("StopTransaction", transactionId=1)
    assert stop["meterStop"] - start["meterStart"] >= 7400
    await central.hears("StatusNotification", 2, connectorId=2, status="Available")
    assert not central.heard("Authorize"), "the central system knows the driver whom it names"


async def test_a_remote_start_takes_a_free_connector_or_none(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(connectors=2)
    charger.station.connectors[1].happen(Event.FAULT)
    order = {"idTag": "T-7"}
    assert await central.ask("RemoteStartTransaction", {**order, "connectorId": 1}) == {"status": "Rejected"}
    assert await central.ask("RemoteStartTransaction", {**order, "connectorId": 9}) == {"status": "Rejected"}
    assert await central.ask("RemoteStartTransaction", order) == {"status": "Accepted"}
    assert await central.ask("RemoteStartTransaction", order) == {"status": "Rejected"}
    await central.hears("StartTransaction", connectorId=2)


async def test_a_remote_stop_stops_the_transaction_that_it_names(
    central: Central, charger_of: ChargerOf
) -> None:
    await charger_of()
    await central.ask("RemoteStartTransaction", {"idTag": "T-7"})
    await central.hears("StatusNotification", status="Charging")
    assert await central.ask("RemoteStopTransaction", {"transactionId": 99}) == {"status": "Rejected"}
    assert await central.ask("RemoteStopTransaction", {"transactionId": 1}) == {"status": "Accepted"}
    stop = await central.hears("StopTransaction")
    assert (stop["transactionId"], stop["reason"]) == (1, "Remote")
    assert "idTag" not in stop


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
async def test_a_reset_stops_sessions_and_comes_back(
    central: Central, charger_of: ChargerOf, kind: str, reason: str
) -> None:
    await charger_of()
    await central.ask("RemoteStartTransaction", {"idTag": "T-7"})
    await central.hears("StatusNotification", status="Charging")
    assert await central.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    assert (await central.hears("StopTransaction"))["reason"] == reason
    await central.hears("BootNotification", 2)
    assert len(central.heard("StartTransaction")) == 1


async def test_unlocking_ends_the_transaction(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    await central.ask("RemoteStartTransaction", {"idTag": "T-7"})
    await central.hears("StatusNotification", status="Charging")
    assert charger.station.connectors[1].locked
    assert await central.ask("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    assert (await central.hears("StopTransaction"))["reason"] == "UnlockCommand"
    assert not charger.station.connectors[1].locked
    assert await central.ask("UnlockConnector", {"connectorId": 2}) == {"status": "NotSupported"}


async def test_the_configuration_is_read_and_changed(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    change = {"key": "MeterValueSampleInterval", "value": "60"}
    assert await central.ask("ChangeConfiguration", change) == {"status": "Accepted"}
    answer = await central.ask("GetConfiguration", {"key": ["MeterValueSampleInterval"]})
    assert answer["configurationKey"][0]["value"] == "60"
    assert len((await central.ask("GetConfiguration"))["configurationKey"]) > 5


async def test_a_connector_is_taken_out_of_service_and_back(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(connectors=2)
    order = {"connectorId": 1, "type": "Inoperative"}
    assert await central.ask("ChangeAvailability", order) == {"status": "Accepted"}
    await central.hears("StatusNotification", connectorId=1, status="Unavailable")
    assert charger.station.connectors[2].state is State.AVAILABLE
    assert await central.ask("ChangeAvailability", {**order, "type": "Operative"}) == {"status": "Accepted"}
    await central.hears("StatusNotification", 2, connectorId=1, status="Available")
    assert await central.ask("ChangeAvailability", {**order, "connectorId": 9}) == {"status": "Rejected"}


async def test_the_whole_charge_point_goes_out_of_service_as_it_can(
    central: Central, charger_of: ChargerOf
) -> None:
    await charger_of(connectors=2)
    await central.ask("RemoteStartTransaction", {"idTag": "T-7", "connectorId": 1})
    await central.hears("StatusNotification", status="Charging")
    order = {"connectorId": 0, "type": "Inoperative"}
    assert await central.ask("ChangeAvailability", order) == {"status": "Scheduled"}
    await central.hears("StatusNotification", connectorId=0, status="Unavailable")
    await central.hears("StatusNotification", connectorId=2, status="Unavailable")
    assert "Unavailable" not in central.statuses(1)
    await central.ask("RemoteStopTransaction", {"transactionId": 1})
    await central.hears("StatusNotification", connectorId=1, status="Unavailable")


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


async def test_what_cannot_be_triggered(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    order = {"requestedMessage": "FirmwareStatusNotification"}
    assert await central.ask("TriggerMessage", order) == {"status": "NotImplemented"}
    nowhere = {"requestedMessage": "Heartbeat", "connectorId": 9}
    assert await central.ask("TriggerMessage", nowhere) == {"status": "Rejected"}


async def test_what_is_not_had_is_said_so(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    assert await central.ask("ClearCache") == {"status": "Rejected"}
    assert await central.ask("DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}
    with pytest.raises(PeerError, match="NotSupported"):
        await central.ask("GetLocalListVersion")
