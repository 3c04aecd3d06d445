import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import orjson
import pytest

from benchmarks.baselines.roles import answer
from benchmarks.load import closed_run
from benchmarks.load.charge_point import ChargePoint
from benchmarks.load.closed_run import ClosedRun
from benchmarks.load.groups import Groups
from benchmarks.load.plan import Drivers
from tests.benchmarks.load.central import Call, Central, Reply, central

DRIVERS = Drivers(["ANNA"], ["DENY-1"], 0.25)


@asynccontextmanager
async def callers(number: int, reply: Reply = answer) -> AsyncIterator[tuple[Central, list[ChargePoint]]]:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(central(reply))
        groups = Groups()
        stack.push_async_callback(groups.close_all)
        await groups.open("group", system.url, "CP", number)
        yield system, groups.take("group", number)


def run_of(
    charge_points: list[ChargePoint],
    *,
    calls: float = math.inf,
    seconds: float = math.inf,
    drivers: Drivers = DRIVERS,
) -> ClosedRun:
    chance = Random(1)  # noqa: S311 - nothing is kept secret by it
    return ClosedRun(charge_points, drivers, chance, calls=calls, seconds=seconds)


@pytest.mark.parametrize(("number", "calls"), [(1, 50), (8, 101), (8, 3)])
async def test_exactly_so_many_calls_are_made(number: int, calls: int) -> None:
    async with callers(number) as (system, charge_points):
        tally = await run_of(charge_points, calls=calls).run()
        assert len(system.calls) == calls
        assert (tally.answers, tally.errors, tally.lost, tally.unexpected) == (calls, 0, 0, 0)
        assert tally.denied == sum(tag == "DENY-1" for tag in system.presented())
        assert len(tally.samples()) == calls
        assert (tally.samples() > 0).all()


async def test_calls_are_started_for_so_long() -> None:
    async with callers(2) as (_, charge_points):
        tally = await run_of(charge_points, seconds=0.05).run()
        at_s = sorted(tally.samples()[:, 0].tolist())
        assert 2 < tally.answers == tally.asked
        # whatever holds the process up, only the call that is being started can start later
        assert at_s[-2] < 0.05


async def test_a_caller_has_one_call_in_flight() -> None:
    at_once = asyncio.Event()
    waiting: list[Call] = []

    def hold(call: Call) -> None:
        waiting.append(call)
        if len(waiting) == 3:
            at_once.set()

    async with callers(3, hold) as (system, charge_points):
        running = asyncio.create_task(run_of(charge_points, calls=6).run())
        for _ in range(2):
            async with asyncio.timeout(10):
                await at_once.wait()
            at_once.clear()
            assert len(waiting) == 3
            calls, waiting[:] = waiting[:], []
            for socket in system.sockets.values():
                for call in calls:
                    await socket.send(answer(call), text=True)  # only its own is taken by a caller
        assert (await running).answers == 6


async def test_what_should_have_been_denied_is_unexpected() -> None:
    def accept(call: Call) -> bytes:
        return orjson.dumps([3, call[1], {"idTagInfo": {"status": "Accepted"}}])

    async with callers(1, accept) as (system, charge_points):
        tally = await run_of(charge_points, calls=40).run()
        assert tally.unexpected == system.presented().count("DENY-1") > 0


async def test_errors_are_no_samples() -> None:
    def fail(call: Call) -> bytes:
        return orjson.dumps([4, call[1], "InternalError", "", {}])

    async with callers(1, fail) as (_, charge_points):
        tally = await run_of(charge_points, calls=5).run()
        assert (tally.answers, tally.errors, len(tally.samples())) == (0, 5, 0)


async def test_an_answer_that_never_comes_is_lost_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_run, "PATIENCE_S", 1.0)
    silenced: list[Call] = []

    def once_silent(call: Call) -> bytes | None:
        if silenced:
            return answer(call)
        silenced.append(call)
        return None

    async with callers(2, once_silent) as (_, charge_points):
        tally = await run_of(charge_points, calls=20).run()
        assert (tally.answers, tally.lost) == (19, 1)
        assert not any(charge_point.busy for charge_point in charge_points)
        # and the next run begins with all of them
        assert (await run_of(charge_points, calls=20).run()).answers == 20


async def test_a_caller_whose_socket_goes_asks_no_more() -> None:
    async with callers(2, lambda call: answer(call) if call[3]["idTag"] == "ANNA" else None) as (
        system,
        charge_points,
    ):
        drivers = Drivers([], ["DENY-1"], 1.0)
        running = asyncio.create_task(run_of(charge_points, calls=20, drivers=drivers).run())
        async with asyncio.timeout(10):
            while len(system.calls) < 2:
                await system.called.wait()
                system.called.clear()
            for socket in list(system.sockets.values()):
                await socket.close()
            tally = await running
        assert (tally.asked, tally.lost) == (2, 2)


async def test_a_caller_whose_socket_had_gone_loses_its_call() -> None:
    async with callers(2) as (_, charge_points):
        charge_points[0].close()
        await charge_points[0].closed()
        tally = await run_of(charge_points, calls=10).run()
        assert (tally.answers, tally.lost) == (9, 1)
