import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest

from chargepoint_model.model_time import ModelTime


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
    assert ModelTime(1_000_000).later(3600, called.set) is not None
    async with asyncio.timeout(10):
        await called.wait()


async def test_nothing_comes_later_where_nobody_waits() -> None:
    def never() -> None:
        raise AssertionError

    assert ModelTime(math.inf).later(1, never) is None


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_clock_that_stands_still_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ModelTime(scale)


def test_moments_have_whole_milliseconds() -> None:
    assert ModelTime(7.3).utc().microsecond % 1000 == 0
