"""The charge point against the real central system, over a real socket and a real database."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import orjson
import pytest

from cascade.database import Database
from cascade.roaming.model import utc_text
from cascade.roaming.tokens import Token, TokenStatus
from cascade.trace import FrameTrace
from chargepoint_model import commands, visit
from chargepoint_model.behaviour import Driver, Event, State
from chargepoint_model.charger import Charger
from chargepoint_model.commands import Errand
from chargepoint_model.station import ChargerSettings
from cpo_central.app import Central
from cpo_central.cdrs.decisions import Transaction
from cpo_central.chargers.transactions import TransactionStore
from cpo_central.drivers.tokens import TokenStore
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings
from tests.chargepoint_model.wire import Wire


class C1(NamedTuple):
    """A central system with two drivers, and a look into its database."""

    port: int
    database: Database

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    async def transactions(self) -> list[Transaction]:
        return await TransactionStore(self.database, "C1").all()

    async def meter_values(self, transaction_id: int) -> list[tuple[str, int]]:
        """When they were measured and what they show of energy, in the order in which they came."""
        query = "SELECT measured_at, sampled FROM meter_value WHERE transaction_id = ? ORDER BY id"
        rows = await self.database.scan(lambda one: one.execute(query, [transaction_id]).fetchall())
        return [(at, int(orjson.loads(sampled)[0]["value"])) for at, sampled in rows]


@pytest.fixture
async def c1(tmp_path: Path) -> AsyncIterator[C1]:
    file = tmp_path / "central.sqlite"
    async with AsyncExitStack() as stack:
        database = open_database(file)
        stack.push_async_callback(database.close)
        good = Token(id_tag="C1-GOOD", status=TokenStatus.ACCEPTED)
        blocked = Token(id_tag="C1-BLOCKED", status=TokenStatus.BLOCKED)
        await TokenStore(database).put([good, blocked])
        central = Central(CentralSettings(operator_id="C1", database=file, port=0))
        await central.start()
        stack.push_async_callback(central.stop)
        yield C1(central.port, database)


def a_charger(url: str) -> Charger:
    return Charger(ChargerSettings(url=url, identity="CP-1", time_scale=float("inf")), FrameTrace("CP-1"))


async def test_a_session_is_the_same_on_both_sides(c1: C1) -> None:
    report = await commands.charge(a_charger(c1.url), Errand("c1-good", authorizations=2))
    assert [one.status for one in report.authorizations] == ["Accepted", "Accepted"]
    session = report.session
    assert session is not None
    (transaction,) = await c1.transactions()
    assert transaction.transaction_id == session.transaction_id
    assert transaction.id_tag.upper() == "C1-GOOD"
    assert (transaction.meter_start, transaction.started_at) == (0, session.started_at)
    assert transaction.stop is not None
    assert (transaction.stop.meter_stop, transaction.stop.stopped_at) == (7400, session.stopped_at)


async def test_a_blocked_driver_stays_without(c1: C1) -> None:
    report = await commands.charge(a_charger(c1.url), Errand("C1-BLOCKED"))
    assert [one.status for one in report.authorizations] == ["Blocked"]
    assert report.session is None
    assert await c1.transactions() == []


# --- without a link -----------------------------------------------------------------------------------------

TEN_MINUTES = 600
NEVER = asyncio.Event()


class Cut(NamedTuple):
    """A charge point on a wire that can be cut."""

    charger: Charger
    wire: Wire

    async def away(self) -> None:
        await self.wire.cut()
        async with asyncio.timeout(10):
            while self.charger.station.link is not None:  # noqa: ASYNC110 - nobody tells when it is noticed
                await asyncio.sleep(0)

    async def back(self) -> None:
        self.wire.mend()
        async with asyncio.timeout(10):
            await self.charger.booted.wait()
            await self.charger.station.outbox.empty()

    async def let_pass(self, seconds: int) -> None:
        """Model time; a meter value falls due every minute."""
        for _ in range(0, seconds, 60):
            await self.charger.station.time.wait(60, until=NEVER)


@pytest.fixture
async def cut(c1: C1) -> AsyncIterator[Cut]:
    wire = Wire(c1.port)
    await wire.start()
    settings = ChargerSettings(
        url=wire.url, identity="CP-1", time_scale=float("inf"), backoff_base_s=0.01, backoff_cap_s=0.02
    )
    charger = Charger(settings, FrameTrace("CP-1"))
    charger.station.configuration.set("MeterValueSampleInterval", 60)
    linking = asyncio.create_task(charger.run())
    await charger.booted.wait()
    yield Cut(charger, wire)
    await charger.station.close()
    linking.cancel()
    await asyncio.gather(linking, return_exceptions=True)
    await wire.stop()


def energies(minutes: int) -> list[int]:
    return [22_000 * minute // 60 for minute in range(1, minutes + 1)]


async def test_ten_minutes_without_a_link_lose_nothing_and_double_nothing(c1: C1, cut: Cut) -> None:
    connector = cut.charger.station.connectors[1]
    visit.arrive(connector)
    await cut.charger.authorizer.present(connector, "C1-GOOD")
    await cut.charger.station.outbox.empty()
    await cut.let_pass(120)
    await cut.charger.station.outbox.empty()
    first = connector.session
    await cut.away()
    await cut.let_pass(TEN_MINUTES)
    assert connector.session is first is not None, "it goes on"
    await cut.back()
    await cut.let_pass(60)
    await cut.charger.authorizer.present(connector, "c1-good")
    visit.leave(connector)
    await cut.charger.station.outbox.empty()
    (transaction,) = await c1.transactions()
    assert transaction.stop is not None
    assert (transaction.started_at, transaction.stop.stopped_at) == (first.started_at, first.stopped_at)
    assert transaction.stop.meter_stop == 22_000 * 13 // 60
    values = await c1.meter_values(transaction.transaction_id)
    assert [energy for _, energy in values] == energies(13)
    minutes = [utc_text(first.started_at + timedelta(minutes=one)) for one in range(1, 14)]
    assert [at for at, _ in values] == minutes


async def test_a_driver_comes_and_goes_without_a_link(c1: C1, cut: Cut) -> None:
    station = cut.charger.station
    connector = station.connectors[1]
    assert (await cut.charger.authorizer.ask("C1-GOOD")).driver is not None, "and is remembered"
    await cut.away()
    sessions = []
    for tag in ("C1-GOOD", "C1-NOBODY", "c1-good"):
        visit.arrive(connector)
        await cut.charger.authorizer.present(connector, tag)
        sessions.append(connector.session)
        await cut.let_pass(TEN_MINUTES)
        if connector.session is not None:
            await cut.charger.authorizer.present(connector, tag)
        visit.leave(connector)
    one, nobody, other = sessions
    assert nobody is None, "nobody knows it"
    await cut.back()
    transactions = await c1.transactions()
    assert [(one.started_at, one.stop.stopped_at) for one in transactions if one.stop] == [
        (session.started_at, session.stopped_at) for session in (one, other) if session
    ]
    values = [await c1.meter_values(transaction.transaction_id) for transaction in transactions]
    assert [energy for one in values for _, energy in one] == energies(20), "the register runs on"


async def test_a_late_start_that_is_refused_stops(c1: C1, cut: Cut) -> None:
    station = cut.charger.station
    station.configuration.change("AllowOfflineTxForUnknownId", "true")
    await cut.away()
    visit.arrive(station.connectors[1])
    await cut.charger.authorizer.present(station.connectors[1], "C1-NOBODY")
    await cut.let_pass(TEN_MINUTES)
    assert station.connectors[1].status == "Charging"
    await cut.back()
    assert station.connectors[1].state is State.FINISHING
    await station.outbox.empty()
    (transaction,) = await c1.transactions()
    assert transaction.stop is not None
    assert transaction.stop.reason == "DeAuthorized"


@pytest.mark.parametrize("seed", range(4))
async def test_whenever_the_wire_is_cut_all_arrives_once_and_in_order(c1: C1, cut: Cut, seed: int) -> None:
    chance, station = Random(seed), cut.charger.station  # noqa: S311 - a story, not a secret
    connector, sessions, whole = station.connectors[1], [], True
    for _ in range(100):
        await asyncio.sleep(chance.choice([0, 0, 0.002]))
        match chance.choice(["driver", *["minute"] * 6, "wire", "wire", "swallow"]):
            case "driver" if connector.session is None:
                sessions.append(visit.begin(connector, Driver("C1-GOOD")))
            case "driver":
                visit.leave(connector)
            case "minute":
                await cut.let_pass(60)
            case "wire" if whole:
                whole = False
                await cut.away()
            case "wire":
                whole = True
                cut.wire.mend()
            case "swallow" if whole:
                cut.wire.swallow()
    visit.leave(connector)
    await cut.wire.cut()
    await cut.back()
    taken = [
        (one.started_at, one.meter_start, one.stop.stopped_at, one.stop.meter_stop, one.transaction_id)
        for one in await c1.transactions()
        if one.stop is not None
    ]
    assert taken == [
        (one.started_at, one.meter_start_wh, one.stopped_at, one.meter_stop_wh, one.transaction_id)
        for one in sessions
    ]
    values = [await c1.meter_values(transaction_id) for *_, transaction_id in taken]
    for one in values:
        assert one == sorted(set(one)), "in order, and none twice"
    assert sum(map(len, values)) == station.outbox.taken["MeterValues"] > 0


@pytest.mark.parametrize("lost", ["StartTransaction", "MeterValues", "StopTransaction"])
async def test_what_was_taken_but_not_answered_is_taken_once(c1: C1, cut: Cut, lost: str) -> None:
    station = cut.charger.station
    connector = station.connectors[1]
    steps: dict[str, Callable[[], Awaitable[object] | object]] = {
        "StartTransaction": lambda: visit.begin(connector, Driver("C1-GOOD")),
        "MeterValues": lambda: cut.let_pass(60),
        "StopTransaction": lambda: connector.happen(Event.OWNER_RETURNED, Driver("C1-GOOD")),
    }
    for action, happens in steps.items():
        await station.outbox.empty()
        swallowed = cut.wire.swallow() if action == lost else None
        if inspect.isawaitable(happened := happens()):
            await happened
        if swallowed is not None:
            async with asyncio.timeout(10):
                await swallowed.wait()
            await cut.away()
            await cut.back()
    await station.outbox.empty()
    (transaction,) = await c1.transactions()
    assert transaction.stop is not None
    assert transaction.stop.meter_stop == 22_000 // 60
    values = await c1.meter_values(transaction.transaction_id)
    assert [energy for _, energy in values] == energies(1)
