import asyncio

import pytest

from chargepoint_model.behaviour import Event, State
from tests.chargepoint_model.conftest import Central, ChargerOf
from tests.chargepoint_model.test_charging_profiles import a_profile

ACCEPTED = {"status": "Accepted"}


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


async def test_a_remote_start_may_ask_about_its_driver(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(connectors=2)
    charger.station.configuration.change("AuthorizeRemoteTxRequests", "true")
    central.script["Authorize"] = [{"idTagInfo": {"status": "Blocked"}}]
    assert await central.ask("RemoteStartTransaction", {"idTag": "T-8"}) == {"status": "Accepted"}
    await central.hears("Authorize", idTag="T-8")
    assert await central.ask("RemoteStartTransaction", {"idTag": "T-7", "connectorId": 2}) == ACCEPTED
    await central.hears("StartTransaction", idTag="T-7", connectorId=2)
    assert len(central.heard("StartTransaction")) == 1


async def test_a_remote_start_brings_its_profile(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    order = {"idTag": "T-7", "chargingProfile": a_profile(1, "TxDefaultProfile")}
    assert await central.ask("RemoteStartTransaction", order) == {"status": "Rejected"}
    order["chargingProfile"] = a_profile(1, "TxProfile", limits={0: 1000})
    assert await central.ask("RemoteStartTransaction", order) == ACCEPTED
    await central.hears("StatusNotification", status="Charging")
    assert charger.station.connectors[1].reading().power_w == 1000


async def test_a_reset_keeps_what_was_set_and_lets_happen_what_waited(
    central: Central, charger_of: ChargerOf
) -> None:
    charger = await charger_of()
    for key, value in (("AuthorizationKey", "0123456789abcdef"), ("MeterValueSampleInterval", "7")):
        assert await central.ask("ChangeConfiguration", {"key": key, "value": value}) == ACCEPTED
    change = {"key": "SecurityProfile", "value": "1"}
    assert await central.ask("ChangeConfiguration", change) == {"status": "RebootRequired"}
    await central.ask("SendLocalList", {"listVersion": 3, "updateType": "Full"})
    await central.ask("Reset", {"type": "Hard"})
    await central.hears("SecurityEventNotification", 2, type="StartupOfTheDevice")
    await central.hears("SecurityEventNotification", type="ResetOrReboot")
    await central.hears("SecurityEventNotification", 2, type="ReconfigurationOfSecurityParameters")
    assert await central.ask("GetLocalListVersion") == {"listVersion": 3}
    keys = {"key": ["SecurityProfile", "MeterValueSampleInterval"]}
    shown = (await central.ask("GetConfiguration", keys))["configurationKey"]
    assert {one["key"]: one["value"] for one in shown} == {
        "SecurityProfile": "1",
        "MeterValueSampleInterval": "7",
    }
    assert charger.station.password == "0123456789abcdef"


async def test_a_changed_interval_counts_at_once(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(time_scale=float("inf"))
    order = {"key": "ClockAlignedDataInterval", "value": "3600"}
    assert await central.ask("ChangeConfiguration", order) == ACCEPTED
    await charger.station.time.wait(7200, until=asyncio.Event())
    await central.hears("MeterValues", 2)
    for one in central.heard("MeterValues"):
        value = one["meterValue"][0]
        assert value["sampledValue"][0]["context"] == "Sample.Clock"
        assert value["timestamp"][14:16] == "00", "on the hour"
    assert len(central.heard("MeterValues")) == 2


async def test_the_cache_is_cleared_where_there_is_one(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    await charger.authorizer.ask("T-1")
    assert charger.station.known("T-1") is not None
    assert await central.ask("ClearCache") == ACCEPTED
    assert charger.station.known("T-1") is None
    await central.ask("ChangeConfiguration", {"key": "AuthorizationCacheEnabled", "value": "false"})
    assert await central.ask("ClearCache") == {"status": "Rejected"}
    await charger.authorizer.ask("T-1")
    assert charger.station.known("T-1") is None


async def test_no_vendors_messages_are_known(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    assert await central.ask("DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}
