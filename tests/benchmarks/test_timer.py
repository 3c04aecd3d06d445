import asyncio
from time import perf_counter

from benchmarks.timer import FineTimer


async def test_it_calls_when_the_time_has_come_and_not_before() -> None:
    called = asyncio.get_running_loop().create_future()
    timer = FineTimer(lambda: called.set_result(perf_counter()))
    due = perf_counter() + 0.0021
    timer.set(due)
    async with asyncio.timeout(10):
        assert await called >= due
    timer.close()


async def test_a_moment_that_has_passed_is_due_at_once_again_and_again() -> None:
    calls = 0
    done = asyncio.Event()

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            done.set()
        else:
            timer.set(-1.0)

    timer = FineTimer(count)
    timer.set(0.0)
    async with asyncio.timeout(10):
        await done.wait()
    timer.close()


async def test_the_last_setting_counts() -> None:
    called = asyncio.get_running_loop().create_future()
    timer = FineTimer(lambda: called.set_result(perf_counter()))
    timer.set(perf_counter() + 3600)
    timer.set(perf_counter())
    async with asyncio.timeout(10):
        await called
    timer.close()


async def test_what_is_set_anew_after_the_loop_woke_is_not_called_for_the_old_moment() -> None:
    calls: list[str] = []
    both_wake = perf_counter()
    other = FineTimer(lambda: calls.append("other"))
    timer = FineTimer(lambda: calls.append("timer"))
    other.set(both_wake)
    timer.set(both_wake)
    timer.set(perf_counter() + 3600)
    timer._fire()  # as the loop would, which had seen it ready
    assert calls == []
    other.close()
    timer.close()


async def test_one_that_is_closed_does_not_call() -> None:
    calls: list[str] = []
    reached = asyncio.Event()
    timer = FineTimer(lambda: calls.append("closed"))
    timer.set(perf_counter())
    timer.close()
    later = FineTimer(reached.set)
    later.set(perf_counter() + 0.001)
    async with asyncio.timeout(10):
        await reached.wait()
    later.close()
    assert calls == []
