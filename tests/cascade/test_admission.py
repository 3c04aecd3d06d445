import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.admission import RETRY_AFTER_MAX_S, Admission, CrowdedError, PutOff

NEVER = 0.001
"""A pace at which nobody but the first comes in during a test."""


async def standing(admission: Admission, count: int) -> list[asyncio.Task[None]]:
    """So many in line, behind one who was let in."""
    await admission.turn()
    line = [asyncio.create_task(admission.turn()) for _ in range(count)]
    await asyncio.sleep(0)
    return line


async def retry_after_s(admission: Admission) -> int:
    with pytest.raises(CrowdedError) as crowded:
        await admission.turn()
    return crowded.value.retry_after_s


async def test_first_come_first_served() -> None:
    admission = Admission(pace=1000)
    came_in: list[int] = []

    async def newcomer(number: int) -> None:
        await admission.turn()
        came_in.append(number)

    async with asyncio.timeout(10):
        await asyncio.gather(*(newcomer(number) for number in range(100)))
    assert came_in == list(range(100))


async def test_who_would_wait_too_long_is_told_when_to_come_back_one_after_the_other() -> None:
    admission = Admission(pace=0.2, patience_s=18)
    line = await standing(admission, 3)
    assert [await retry_after_s(admission) for _ in range(3)] == [28, 38, 48]
    assert not any(place.done() for place in line)
    for place in line:
        place.cancel()


async def test_there_is_always_room_for_one_in_line() -> None:
    admission = Admission(pace=NEVER, patience_s=1)
    (waiting,) = await standing(admission, 1)
    assert not waiting.done()
    assert await retry_after_s(admission) == RETRY_AFTER_MAX_S
    waiting.cancel()


async def test_a_line_that_goes_on_slowly_sends_away_its_last() -> None:
    admission = Admission(pace=1000, patience_s=0.2)
    line = await standing(admission, 190)
    time.sleep(0.5)  # noqa: ASYNC251 - the event loop is busy
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*line, return_exceptions=True)
    came_in = [outcome is None for outcome in outcomes]
    assert came_in == sorted(came_in, reverse=True), "the first come in, the last are sent away"
    assert True in came_in
    told = [outcome.retry_after_s for outcome in reversed(outcomes) if isinstance(outcome, CrowdedError)]
    assert told
    assert told == sorted(told)


async def test_who_leaves_the_line_holds_up_nobody() -> None:
    admission = Admission(pace=100)
    line = await standing(admission, 50)
    for place in line[:49]:
        place.cancel()
    async with asyncio.timeout(10):
        await line[49]
        await admission.turn()


async def test_a_line_that_is_dissolved_sends_everybody_away() -> None:
    admission = Admission(pace=NEVER, patience_s=1e6)
    line = await standing(admission, 10)
    line[3].cancel()
    admission.dissolve()
    outcomes = await asyncio.gather(*line, return_exceptions=True)
    assert isinstance(outcomes.pop(3), asyncio.CancelledError)
    assert {str(outcome) for outcome in outcomes} == {"too many at once: come back in 1 s"}
    with pytest.raises(CrowdedError):
        await admission.turn()


@given(
    moments=st.lists(st.floats(0, 100)),
    lead_s=st.floats(0, 1000),
    each_s=st.floats(0.001, 10),
)
def test_nobody_is_put_off_to_before_another_or_for_ever(
    moments: list[float], lead_s: float, each_s: float
) -> None:
    put_off = PutOff()
    last = 0.0
    for now in sorted(moments):
        told = put_off.next(now, free_at=now + lead_s, each_s=each_s).retry_after_s
        assert 1 <= told <= RETRY_AFTER_MAX_S
        assert now + told > last - 1, "in whole seconds"
        last = now + told
