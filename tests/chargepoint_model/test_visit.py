import asyncio

import pytest

from chargepoint_model import visit
from chargepoint_model.behaviour import Driver, Event, EventRefusedError, State
from tests.chargepoint_model.conftest import Central, ChargerOf

DRIVER = Driver("T-1")


async def test_a_visit_takes_the_energy_that_it_wants(central: Central, charger_of: ChargerOf) -> None:
    station = (await charger_of(time_scale=float("inf"))).station
    connector = station.connectors[1]
    session = visit.begin(connector, DRIVER)
    await visit.to_the_end(station, connector, 7400)
    await station.outbox.empty()
    assert (session.meter_start_wh, session.meter_stop_wh) == (0, 7400)
    assert session.stopped_at is not None
    assert (session.stopped_at - session.started_at).total_seconds() == 1211, "7400 Wh at 22 kW"
    assert central.statuses() == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    values = [int(one["meterValue"][0]["sampledValue"][0]["value"]) for one in central.heard("MeterValues")]
    assert values == [1833, 3666, 5500, 7333]


async def test_without_an_interval_there_are_no_meter_values(central: Central, charger_of: ChargerOf) -> None:
    station = (await charger_of(time_scale=float("inf"))).station
    station.configuration.set("MeterValueSampleInterval", 0)
    session = visit.begin(station.connectors[1], DRIVER)
    await visit.to_the_end(station, station.connectors[1], 7400)
    await station.outbox.empty()
    assert session.meter_stop_wh == 7400
    assert not central.heard("MeterValues")


async def test_a_visit_ends_with_a_session_that_others_stop(central: Central, charger_of: ChargerOf) -> None:
    station = (await charger_of(time_scale=1)).station
    connector = station.connectors[1]
    visit.begin(connector, DRIVER)
    going = asyncio.create_task(visit.to_the_end(station, connector, 7400))
    await central.hears("StatusNotification", status="Charging")
    connector.happen(Event.REMOTE_STOP)
    async with asyncio.timeout(10):
        await going
    assert connector.state is State.AVAILABLE
    assert (await central.hears("StopTransaction"))["reason"] == "Remote"


async def test_a_visit_outlasts_a_pause(central: Central, charger_of: ChargerOf) -> None:
    station = (await charger_of(time_scale=1)).station
    connector = station.connectors[1]
    session = visit.begin(connector, DRIVER)
    going = asyncio.create_task(visit.to_the_end(station, connector, 7400))
    await central.hears("StatusNotification", status="Charging")
    connector.happen(Event.EV_PAUSED)
    await central.hears("StatusNotification", status="SuspendedEV")
    connector.happen(Event.EV_RESUMED)
    await central.hears("StatusNotification", 2, status="Charging")
    assert connector.session is session
    connector.happen(Event.UNPLUGGED)
    async with asyncio.timeout(10):
        await going
    assert (await central.hears("StopTransaction"))["reason"] == "EVDisconnected"


async def test_nobody_begins_where_it_is_out_of_order(charger_of: ChargerOf) -> None:
    station = (await charger_of()).station
    station.connectors[1].happen(Event.FAULT)
    with pytest.raises(EventRefusedError):
        visit.begin(station.connectors[1], DRIVER)
    visit.leave(station.connectors[1])
    visit.leave(station.connectors[1])
    assert station.connectors[1].state is State.FAULTED
