import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from benchmarks.baselines.roles import answer
from benchmarks.load import open_run
from benchmarks.load.charge_point import ChargePoint
from benchmarks.load.groups import Groups
from benchmarks.load.open_run import OpenRun
from benchmarks.load.plan import Arrival, Driver, Drivers, Report
from tests.benchmarks.load.central import Call, Central, Reply, central

ANNA, MALLORY = Driver("ANNA", admitted=True), Driver("DENY-1", admitted=False)
DRIVERS = Drivers(["ANNA"], ["DENY-1"], 0.5)


@asynccontextmanager
async def charge_points(number: int, reply: Reply = answer) -> AsyncIterator[tuple[Central, list[ChargePoint]]]:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(central(reply))
        groups = Groups()
        stack.push_async_callback(groups.close_all)
        await groups.open("group", system.url, "CP", number)
        yield system, groups.take("group", number)


def run_of(
    where: list[ChargePoint], plan: list[Arrival], *, warm_up_s: float = 0.0, seconds: float = 0.02
) -> OpenRun:
    return OpenRun(where, plan, DRIVERS, warm_up_s=warm_up_s, seconds=seconds)


async def test_every_arrival_is_asked_about_and_its_start_is_the_intended_one() -> None:
    plan = [Arrival(k / 5000, k % 3, MALLORY if k % 4 == 0 else ANNA) for k in range(100)]
    async with charge_points(3) as (system, where):
        tally = await run_of(where, plan).run()
        assert (tally.accepted, tally.denied, tally.lost, tally.unexpected) == (75, 25, 0, 0)
        assert sorted(tally.samples()[:, 0].tolist()) == pytest.approx([arrival.at_s for arrival in plan])
        assert sorted(system.presented()) == sorted(arrival.driver.tag for arrival in plan)
        assert (tally.samples()[:, 1] > 0).all()


async def test_nothing_is_started_before_it_is_due() -> None:
    async with charge_points(1) as (_, where):
        run = run_of(where, [Arrival(0.004 * k, 0, ANNA) for k in range(5)])
        tally = await run.run()
        assert min(tally._late) >= 0.0


async def test_the_warm_up_is_asked_but_not_counted() -> None:
    plan = [Arrival(k / 1000, 0, ANNA) for k in range(20)]
    async with charge_points(1) as (system, where):
        tally = await run_of(where, plan, warm_up_s=0.0095, seconds=0.01).run()
        assert len(system.calls) == 20
        assert (tally.asked, tally.answers, tally.lost) == (10, 10, 0)
        assert (tally.samples()[:, 0] >= 0).all()


async def test_a_driver_who_finds_the_charge_point_busy_waits_and_the_wait_counts() -> None:
    held: asyncio.Queue[Call] = asyncio.Queue()
    plan = [Arrival(0.0, 0, ANNA), Arrival(0.001, 0, MALLORY), Arrival(0.002, 0, ANNA)]
    async with charge_points(1, held.put_nowait) as (system, where):
        run = run_of(where, plan)
        running = asyncio.create_task(run.run())
        async with asyncio.timeout(10):
            first = await held.get()
            while run.tally.asked < len(plan):  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0)
            calls = [first]
            for _ in plan:
                # one call is in flight, whoever waits
                assert held.empty()
                await system.sockets["CP-1"].send(answer(calls[-1]), text=True)
                if len(calls) < len(plan):
                    calls.append(await held.get())
            tally = await running
        assert system.presented() == ["ANNA", "DENY-1", "ANNA"]
        assert tally.samples()[:, 0] == pytest.approx([0.0, 0.001, 0.002])
        assert (tally.samples()[:, 1] + tally.samples()[:, 0] * 1e3 >= 2.0).all()
        # the generator is not to blame for those who waited
        assert len(tally._late) == 1


async def test_what_gets_no_answer_in_time_is_lost_with_all_that_waits_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_run, "PATIENCE_S", 1.0)
    plan = [Arrival(0.001 * k, k % 2, ANNA if k % 2 else MALLORY) for k in range(6)]
    async with charge_points(2, lambda call: answer(call) if call[3]["idTag"] == "ANNA" else None) as (
        _,
        where,
    ):
        tally = await run_of(where, plan).run()
        assert (tally.accepted, tally.denied, tally.lost) == (3, 0, 3)
        assert not any(charge_point.busy for charge_point in where)


async def test_what_comes_to_a_socket_that_has_gone_is_lost() -> None:
    async with charge_points(2) as (_, where):
        where[0].close()
        await where[0].closed()
        tally = await run_of(where, [Arrival(0.001 * k, k % 2, ANNA) for k in range(6)]).run()
        assert (tally.accepted, tally.lost) == (3, 3)


async def test_a_socket_that_goes_takes_with_it_what_waits() -> None:
    async with charge_points(1, lambda _: None) as (system, where):
        running = asyncio.create_task(run_of(where, [Arrival(0.001 * k, 0, ANNA) for k in range(4)]).run())
        async with asyncio.timeout(10):
            await system.called.wait()
            await system.sockets["CP-1"].close()
            tally = await running
        assert (tally.answers, tally.lost) == (0, 4)


async def test_a_socket_that_goes_while_it_is_idle_loses_only_what_comes_later() -> None:
    async with charge_points(1) as (system, where):
        run = run_of(where, [Arrival(0.0, 0, ANNA), Arrival(0.2, 0, ANNA)])
        running = asyncio.create_task(run.run())
        async with asyncio.timeout(10):
            while not run.tally.answers:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0)
            await system.sockets["CP-1"].close()
            tally = await running
        assert (tally.answers, tally.lost) == (1, 1)


async def test_a_plan_without_arrivals_ends() -> None:
    async with charge_points(1) as (_, where):
        tally = await run_of(where, []).run()
        assert (tally.asked, tally.lost) == (0, 0)


async def test_the_background_tells_its_sessions_beside_the_arrivals() -> None:
    reports = [
        Report(0.001, 0, "StatusNotification", status="Preparing"),
        Report(0.001, 0, "StartTransaction", tag="ANNA"),
        Report(0.002, 0, "MeterValues", meter_wh=10),
        Report(0.003, 0, "Heartbeat"),
        Report(0.004, 0, "StopTransaction", meter_wh=20),
    ]
    async with charge_points(2) as (system, where):
        run = OpenRun(
            where[:1],
            [Arrival(0.002, 0, ANNA)],
            DRIVERS,
            stations=where[1:],
            reports=reports,
            warm_up_s=0.0,
            seconds=0.01,
        )
        tally = await run.run()
        assert (tally.asked, tally.answers) == (1, 1)
        assert run.background.report() == {"answers": 5, "errors": 0, "lost": 0}
        told = [call[2] for call in system.calls if call[2] != "Authorize"]
        assert told == [report.action for report in reports]
        assert run.cpu_s > 0.0
