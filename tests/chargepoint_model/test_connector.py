import asyncio
import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.ocpp16 import ChargePointStatus, check_request
from chargepoint_model.behaviour import Driver, Event, EventRefusedError, State
from chargepoint_model.charging_profiles import ChargingProfiles
from chargepoint_model.configuration import Configuration
from chargepoint_model.connector import Connector
from chargepoint_model.model_time import ModelTime
from chargepoint_model.outbox import Outbox
from chargepoint_model.session import Session
from tests.chargepoint_model.test_charging_profiles import a_profile, read

DRIVER = Driver("T-1")


class Said(Outbox):
    """An outbox that shows what waits in it."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration, lambda *_: None)
        self.open()

    def actions(self) -> list[str]:
        return [
            message.payload.get("status", message.action) if message.session is None else message.action
            for message in self._messages
        ]

    def take(self) -> list[str]:
        actions = self.actions()
        self._messages.clear()
        return actions


class Rig:
    """A connector without a link, on a clock that passes only while somebody waits."""

    def __init__(self, scale: float = math.inf) -> None:
        self.configuration = Configuration(1)
        self.time = ModelTime(scale)
        self.profiles = ChargingProfiles(1)
        self.said = Said(self.configuration)
        self.connector = Connector(
            1,
            time=self.time,
            outbox=self.said,
            configuration=self.configuration,
            profiles=self.profiles,
            power_w=22_000,
        )

    def happen(self, *events: Event) -> None:
        for event in events:
            self.connector.happen(event, DRIVER)

    async def wait(self, seconds: int) -> None:
        await self.time.wait(seconds, until=asyncio.Event())

    def answer_start(self, status: str, transaction_id: int | None = 1) -> None:
        message = [one for one in self.said._messages if one.answered][-1]
        assert message.session is not None
        assert message.answered is not None
        message.session.start_status, message.session.transaction_id = status, transaction_id
        message.answered(message.session)

    def charging(self) -> Session:
        self.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
        self.answer_start("Accepted")
        assert self.connector.session is not None
        return self.connector.session


async def test_a_session_in_the_order_of_the_standard() -> None:
    rig = Rig()
    session = rig.charging()
    await rig.wait(300)
    assert rig.connector.locked
    rig.happen(Event.OWNER_RETURNED, Event.UNPLUGGED)
    assert rig.said.take() == [
        *("Preparing", "StartTransaction", "Charging", "MeterValues"),
        *("StopTransaction", "Finishing", "Available"),
    ]
    assert not rig.connector.locked
    assert rig.connector.owner is None
    assert session.stopped_at == session.started_at + timedelta(seconds=300)
    assert (session.meter_start_wh, session.meter_stop_wh) == (0, 22_000 * 300 // 3600)


async def test_the_next_session_begins_where_the_meter_stands() -> None:
    rig = Rig()
    first = rig.charging()
    await rig.wait(100)
    rig.happen(Event.UNPLUGGED)
    rig.said.take()
    second = rig.charging()
    assert second.meter_start_wh == first.meter_stop_wh == 611


async def test_energy_flows_only_while_it_charges() -> None:
    rig = Rig()
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    await rig.wait(1000)
    assert rig.connector.seconds_until(22_000) is None, "nobody knows when it begins"
    rig.answer_start("Accepted")
    await rig.wait(1800)
    rig.happen(Event.EV_PAUSED)
    await rig.wait(1000)
    rig.happen(Event.EVSE_PAUSED)
    await rig.wait(1000)
    assert rig.connector.seconds_until(22_000) is None
    rig.happen(Event.EVSE_RESUMED)
    assert rig.connector.seconds_until(22_000) == 1800


async def test_a_start_that_is_refused_stops_at_once() -> None:
    rig = Rig()
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    session = rig.connector.session
    rig.answer_start("Blocked")
    assert rig.connector.state is State.FINISHING
    assert session is not None
    assert session.meter_stop_wh == session.meter_start_wh
    assert rig.said.take() == ["Preparing", "StartTransaction", "StopTransaction", "Finishing"]


async def test_an_answer_that_comes_after_the_session_changes_nothing() -> None:
    rig = Rig()
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED, Event.UNPLUGGED)
    rig.answer_start("Blocked")
    assert rig.connector.state is State.AVAILABLE
    assert rig.said.take().count("StopTransaction") == 1


async def test_a_driver_who_does_not_plug_in_is_forgotten() -> None:
    rig = Rig(scale=1_000_000)
    rig.happen(Event.TAG_ACCEPTED)
    assert rig.connector.owner == DRIVER
    async with asyncio.timeout(10):
        await rig.connector.leave({State.AUTHORIZED})
    assert rig.connector.state is State.AVAILABLE
    assert rig.connector.owner is None


async def test_a_driver_who_plugs_in_starts() -> None:
    rig = Rig(scale=1)
    rig.happen(Event.TAG_ACCEPTED, Event.PLUGGED_IN)
    assert rig.connector.session is not None
    assert rig.connector.session.driver == DRIVER
    assert not rig.connector._plug_in.is_set


async def test_closing_leaves_no_timer() -> None:
    rig = Rig(scale=1)
    rig.happen(Event.TAG_ACCEPTED)
    assert rig.connector._plug_in.is_set
    rig.connector.close()
    assert not rig.connector._plug_in.is_set


async def test_an_inoperative_connector_becomes_unavailable_after_its_transaction() -> None:
    rig = Rig()
    rig.charging()
    rig.connector.operative = False
    rig.happen(Event.OWNER_RETURNED)
    assert rig.connector.status == ChargePointStatus.unavailable


async def test_a_refused_event_changes_nothing() -> None:
    rig = Rig()
    changed = rig.connector.changed
    with pytest.raises(EventRefusedError):
        rig.happen(Event.METER_TICK)
    assert rig.connector.state is State.AVAILABLE
    assert not changed.is_set()
    assert rig.said.take() == []


async def test_the_meter_can_be_asked_for() -> None:
    rig = Rig()
    rig.connector.show_meter("Trigger", "MeterValuesSampledData")
    idle = rig.said._messages[-1]
    assert idle.session is None
    session = rig.charging()
    rig.connector.show_meter("Trigger", "MeterValuesSampledData")
    busy = rig.said._messages[-1]
    assert busy.session is session
    assert [one["value"] for one in idle.payload["meterValue"][0]["sampledValue"]] == ["0", "0"]
    assert [one["value"] for one in busy.payload["meterValue"][0]["sampledValue"]] == ["0", "22000"]


async def test_a_read_tag_waits_for_its_answer() -> None:
    rig = Rig()
    rig.happen(Event.TAG_PRESENTED)
    assert rig.connector.state is State.AVAILABLE
    assert rig.said.take() == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Event), st.integers(0, 500)), max_size=40))
def test_whatever_happens_a_session_is_stopped_once_and_its_meter_runs_forward(
    story: list[tuple[Event, int]],
) -> None:
    async def tell() -> None:
        rig, meter_wh = Rig(), 0
        for event, seconds in story:
            await rig.wait(seconds)
            if event in {Event.START_CONFIRMED, Event.START_REFUSED}:
                if rig.connector.state is State.STARTING:
                    rig.answer_start("Accepted" if event is Event.START_CONFIRMED else "Blocked")
            else:
                try:
                    rig.happen(event)
                except EventRefusedError:
                    continue
            assert rig.connector.supply.meter_wh >= meter_wh
            meter_wh = rig.connector.supply.meter_wh
            assert (rig.connector.session is not None) == rig.connector.in_transaction
        starts, stops = (rig.said.actions().count(one) for one in ("StartTransaction", "StopTransaction"))
        assert starts - stops == int(rig.connector.in_transaction)

    asyncio.run(tell())


# --- without a link, without a right, without energy ----------------------------------------------------------


async def test_without_a_link_nobody_waits_for_an_answer() -> None:
    rig = Rig()
    rig.said._open = False
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    assert rig.connector.state is State.CHARGING
    rig.answer_start("Accepted")
    assert rig.connector.state is State.CHARGING


async def test_who_waits_for_an_answer_goes_on_when_the_link_is_lost() -> None:
    rig = Rig()
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    rig.connector.go_on_alone()
    assert rig.connector.status == ChargePointStatus.charging
    rig.connector.go_on_alone()
    rig.answer_start("Invalid")
    assert rig.connector.status == ChargePointStatus.finishing


async def test_where_a_refused_start_does_not_stop_no_energy_flows() -> None:
    rig = Rig()
    rig.configuration.change("StopTransactionOnInvalidId", "false")
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    rig.answer_start("Invalid")
    await rig.wait(1000)
    assert rig.connector.status == ChargePointStatus.suspended_evse
    assert rig.connector.reading().energy_wh == 0
    rig.happen(Event.UNPLUGGED)
    rig.charging()
    assert rig.connector.state is State.CHARGING, "the next driver may"


async def test_a_late_refusal_that_does_not_stop_holds_back() -> None:
    rig = Rig()
    rig.configuration.change("StopTransactionOnInvalidId", "false")
    rig.said._open = False
    rig.happen(Event.PLUGGED_IN, Event.TAG_ACCEPTED)
    await rig.wait(3600)
    rig.answer_start("Invalid")
    await rig.wait(3600)
    assert (rig.connector.state, rig.connector.reading().energy_wh) == (State.SUSPENDED_EVSE, 22_000)


async def test_a_cable_that_is_pulled_ends_no_transaction_where_it_shall_not() -> None:
    rig = Rig()
    rig.configuration.change("StopTransactionOnEVSideDisconnect", "false")
    session = rig.charging()
    rig.connector.unplug()
    assert rig.connector.status == ChargePointStatus.suspended_ev
    await rig.wait(3600)
    rig.happen(Event.PLUGGED_IN)
    await rig.wait(3600)
    assert (rig.connector.session, rig.connector.reading().energy_wh) == (session, 22_000)
    rig.configuration.change("StopTransactionOnEVSideDisconnect", "true")
    rig.connector.unplug()
    assert session.stopped_at is not None


async def test_a_limit_is_kept_and_shown_at_its_moment() -> None:
    rig = Rig()
    rig.profiles.install(read(a_profile(limits={0: 7200, 100: 0, 400: 3600})))
    session = rig.charging()
    await rig.wait(500)
    rig.happen(Event.UNPLUGGED)
    assert session.meter_stop_wh == (7200 * 100 + 3600 * 100) // 3600
    assert rig.said.take() == [
        *("Preparing", "StartTransaction", "Charging", "SuspendedEVSE", "MeterValues", "Charging"),
        *("StopTransaction", "Available"),
    ]


async def test_a_limit_that_is_there_from_the_start_suspends_at_once() -> None:
    rig = Rig()
    rig.profiles.install(read(a_profile(limits={0: 0})))
    rig.charging()
    assert rig.connector.status == ChargePointStatus.suspended_evse
    rig.profiles.clear(None, None, None, None)
    rig.connector.adapt()
    assert rig.connector.state is State.CHARGING


async def test_a_reserved_connector_is_held_again_after_a_fault() -> None:
    rig = Rig()
    rig.connector.reserve(reserved=True)
    rig.happen(Event.PLUGGED_IN)
    assert rig.connector.status == ChargePointStatus.reserved
    rig.happen(Event.FAULT, Event.FAULT_CLEARED)
    assert rig.connector.status == ChargePointStatus.reserved
    rig.connector.reserve(reserved=False)
    assert rig.connector.state is State.PLUGGED


# --- meter values -------------------------------------------------------------------------------------------


async def test_meter_values_come_at_the_interval_and_say_what_they_shall() -> None:
    rig = Rig()
    rig.configuration.change("MeterValueSampleInterval", "60")
    rig.configuration.change("MeterValuesSampledData", "Voltage")
    rig.charging()
    await rig.wait(150)
    rig.configuration.change("MeterValueSampleInterval", "10")
    rig.connector.adapt()
    await rig.wait(25)
    values = [one.payload["meterValue"][0] for one in rig.said._messages if one.action == "MeterValues"]
    assert [value["sampledValue"][0]["measurand"] for value in values] == ["Voltage"] * 4
    rig.configuration.change("MeterValueSampleInterval", "0")
    rig.connector.adapt()
    await rig.wait(1000)
    assert rig.said.actions().count("MeterValues") == 4


async def test_a_stop_carries_the_samples_that_it_shall() -> None:
    rig = Rig()
    rig.configuration.change("MeterValuesSampledData", "")
    rig.configuration.change("StopTxnSampledData", "Energy.Active.Import.Register")
    rig.charging()
    await rig.wait(3600)
    rig.happen(Event.UNPLUGGED)
    (stop,) = [one.payload for one in rig.said._messages if one.action == "StopTransaction"]
    sampled = [value["sampledValue"][0] for value in stop["transactionData"]]
    assert [one["context"] for one in sampled] == [
        "Transaction.Begin",
        *["Sample.Periodic"] * 12,
        "Transaction.End",
    ]
    assert [int(one["value"]) for one in sampled][-1] == 22_000
    assert "MeterValues" not in rig.said.actions()
    check_request("StopTransaction", {**stop, "transactionId": 1})
