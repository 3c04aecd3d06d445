import asyncio
import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.ocpp16 import ChargePointStatus
from chargepoint_model.behaviour import Driver, Event, EventRefusedError, State
from chargepoint_model.configuration import Configuration
from chargepoint_model.connector import Connector
from chargepoint_model.model_time import ModelTime
from chargepoint_model.outbox import Outbox
from chargepoint_model.session import Session

DRIVER = Driver("T-1")


class Said(Outbox):
    """An outbox that shows what waits in it."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
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
        self.said = Said(self.configuration)
        self.connector = Connector(
            1, time=self.time, outbox=self.said, configuration=self.configuration, power_w=22_000
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
    rig.happen(Event.METER_TICK)
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
    assert rig.connector.seconds_until(22_000) == 3600
    rig.answer_start("Accepted")
    await rig.wait(1800)
    rig.happen(Event.EV_PAUSED)
    await rig.wait(1000)
    rig.happen(Event.EVSE_PAUSED)
    await rig.wait(1000)
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
    assert rig.connector._plug_in_timer is None


async def test_closing_leaves_no_timer() -> None:
    rig = Rig(scale=1)
    rig.happen(Event.TAG_ACCEPTED)
    timer = rig.connector._plug_in_timer
    assert timer is not None
    rig.connector.close()
    assert timer.cancelled()


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
    rig.connector.show_meter()
    idle = rig.said._messages[-1]
    assert idle.session is None
    session = rig.charging()
    rig.connector.show_meter()
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
            assert rig.connector.meter_wh >= meter_wh
            meter_wh = rig.connector.meter_wh
            assert (rig.connector.session is not None) == rig.connector.in_transaction
        starts, stops = (rig.said.actions().count(one) for one in ("StartTransaction", "StopTransaction"))
        assert starts - stops == int(rig.connector.in_transaction)

    asyncio.run(tell())
