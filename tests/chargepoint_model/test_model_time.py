import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest

from chargepoint_model.model_time import Alarm, ModelTime


async def test_an_infinite_scale_passes_only_while_somebody_waits() -> None:
    time = ModelTime(math.inf)
    assert time.seconds() == 0
    before = time.utc()
    await time.wait(3600, until=asyncio.Event())
    assert time.seconds() == 3600
    assert time.utc() - before >= timedelta(hours=1)


async def test_an_infinite_scale_does_not_wait_for_what_is_there() -> None:
    time, here = ModelTime(math.inf), asyncio.Event()
    here.set()
    await time.wait(3600, until=here)
    assert time.seconds() == 0


async def test_a_scale_makes_hours_short() -> None:
    time = ModelTime(1_000_000)
    began = datetime.now(UTC)
    await time.wait(3600, until=asyncio.Event())
    assert time.seconds() >= 3590  # the loop's clock may be a millisecond early
    assert time.utc() - began >= timedelta(seconds=3590 - 1)


async def test_an_event_ends_the_wait() -> None:
    time, event = ModelTime(1), asyncio.Event()
    waiting = asyncio.create_task(time.wait(86_400, until=event))
    event.set()
    async with asyncio.timeout(10):
        await waiting
    assert time.seconds() < 86_400


async def test_later_comes_in_model_time() -> None:
    called = asyncio.Event()
    ModelTime(1_000_000).later(3600, called.set)
    async with asyncio.timeout(10):
        await called.wait()


async def test_where_nobody_waits_it_comes_while_somebody_would() -> None:
    time, rung, never = ModelTime(math.inf), list[tuple[str, float]](), asyncio.Event()
    for name, seconds in (("b", 20), ("a", 10), ("c", 100)):
        time.later(seconds, lambda name=name: rung.append((name, time.seconds())))  # type: ignore[misc]
    time.later(15, lambda: rung.append(("cancelled", 0))).cancel()
    await asyncio.sleep(0)
    assert rung == []
    await time.wait(20, until=never)
    assert rung == [("a", 10), ("b", 20)]
    await time.wait(500, until=never)
    assert rung[2:] == [("c", 100)]
    assert time.seconds() == 520


async def test_what_comes_may_end_a_wait_that_nobody_waits() -> None:
    time, until = ModelTime(math.inf), asyncio.Event()
    time.later(10, until.set)
    await time.wait(20, until=until)
    assert time.seconds() == 10


async def test_an_alarm_rings_once_when_it_was_last_set_to() -> None:
    time, rung = ModelTime(math.inf), list[float]()
    alarm = Alarm(time, lambda: rung.append(time.seconds()))
    alarm.set(10)
    alarm.set(20)
    assert alarm.is_set
    await time.wait(100, until=asyncio.Event())
    assert (rung, alarm.is_set) == ([20], False)
    alarm.set(10)
    alarm.cancel()
    await time.wait(100, until=asyncio.Event())
    assert (rung, alarm.is_set) == ([20], False)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_clock_that_stands_still_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ModelTime(scale)


def test_moments_have_whole_milliseconds() -> None:
    assert ModelTime(7.3).utc().microsecond % 1000 == 0
