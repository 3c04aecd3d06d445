import asyncio
import contextlib

import pytest

from chargepoint_model.behaviour import Driver, Event, State
from chargepoint_model.station import ChargerSettings, Station
from tests.conftest import LogLines


@pytest.fixture
def station() -> Station:
    return Station(ChargerSettings(url="ws://localhost", identity="CP-1", connectors=3))


async def test_an_event_that_ends_transactions_leaves_the_others_alone(station: Station) -> None:
    one, two, three = station.connectors.values()
    for connector in (one, two):
        connector.happen(Event.PLUGGED_IN)
    two.happen(Event.TAG_ACCEPTED, Driver("T-1"))
    station.stop_sessions(Event.HARD_RESET)
    assert [connector.state for connector in (one, two, three)] == [
        State.PLUGGED,
        State.FINISHING,
        State.AVAILABLE,
    ]


async def test_a_failure_of_a_task_is_logged(station: Station, logs: LogLines) -> None:
    async def fail() -> None:
        raise RuntimeError("no power")

    station.spawn(fail())
    assert "no power" in (await logs.event("task_failed"))["error"]


async def test_closing_ends_tasks_and_timers(station: Station, logs: LogLines) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(ended.set)
            running.set()
            await asyncio.Event().wait()

    running = asyncio.Event()
    station.spawn(work())
    await running.wait()
    station.connectors[1].happen(Event.TAG_ACCEPTED, Driver("T-1"))
    assert station.connectors[1]._plug_in.is_set
    await station.close()
    assert ended.is_set()
    assert not station.connectors[1]._plug_in.is_set
    assert not logs.named("task_failed")


async def test_what_charges_changes_its_availability_later(station: Station) -> None:
    connector = station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    connector.happen(Event.TAG_ACCEPTED, Driver("T-1"))
    assert not station.make(connector, operative=False)
    assert connector.status == "Charging", "nobody can be asked"
    connector.happen(Event.UNPLUGGED)
    assert connector.status == "Unavailable"
    assert station.make(connector, operative=True)
    assert connector.status == "Available"
