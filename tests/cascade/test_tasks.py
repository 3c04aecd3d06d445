"""What is begun at once behaves as it would in a task from the start."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cascade.tasks import Afterwards, Reply, go_on
from tests.conftest import LogLines


def spawning(tasks: list[asyncio.Task[None]]) -> Callable[[Coroutine[Any, Any, None]], None]:
    return lambda work: tasks.append(asyncio.create_task(work))


def new_reply() -> Reply[str]:
    return Reply(asyncio.get_running_loop())


async def done(tasks: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)


async def test_work_that_never_waits_is_done_when_begun() -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("now")

    go_on(work(), spawning([]))
    assert steps == ["now"]


async def test_work_goes_on_where_its_reply_is_settled() -> None:
    steps: list[object] = []
    tasks: list[asyncio.Task[None]] = []
    first, second = new_reply(), new_reply()

    async def work() -> None:
        steps.append(await first)
        try:
            await second
        except LookupError as error:
            steps.append(str(error))

    go_on(work(), spawning(tasks))
    assert steps == []
    first.settle("first")
    assert steps == ["first"]
    second.fail(LookupError("second"))
    assert steps == ["first", "second"]
    assert tasks == []


async def test_a_reply_that_is_there_already_is_not_waited_for() -> None:
    steps: list[str] = []
    reply = new_reply()
    reply.settle("there")

    async def work() -> None:
        steps.append(await reply)

    go_on(work(), spawning([]))
    assert steps == ["there"]


async def test_a_reply_is_settled_once() -> None:
    reply = new_reply()
    reply.settle("first")
    reply.settle("second")
    reply.fail(LookupError("third"))
    assert await reply == "first"


async def test_a_task_can_wait_for_a_reply_as_for_any_future() -> None:
    reply = new_reply()
    waiting = asyncio.ensure_future(reply)
    asyncio.get_running_loop().call_soon(reply.settle, "answered")
    async with asyncio.timeout(5):
        assert await waiting == "answered"


async def test_work_that_waits_for_something_else_becomes_a_task() -> None:
    steps: list[object] = []
    tasks: list[asyncio.Task[None]] = []
    reply = new_reply()
    other: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        steps.append(await reply)
        steps.append(await other)
        async with asyncio.timeout(5):  # there is a current task by now
            await asyncio.sleep(0)
            steps.append("ended")

    go_on(work(), spawning(tasks))
    reply.settle("reply")
    assert len(tasks) == 1
    other.set_result("other")
    await done(tasks)
    assert steps == ["reply", "other", "ended"]


async def test_what_is_raised_before_it_is_a_task_is_raised_at_once() -> None:
    async def work() -> None:
        raise LookupError("at once")

    with pytest.raises(LookupError, match="at once"):
        go_on(work(), spawning([]))


async def test_what_is_raised_later_ends_the_task() -> None:
    tasks: list[asyncio.Task[None]] = []
    other: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await other
        except ValueError as error:
            raise LookupError("later") from error

    go_on(work(), spawning(tasks))
    other.set_exception(ValueError("what it waited for"))
    with pytest.raises(LookupError, match="later"):
        await done(tasks)


async def test_a_cancellation_reaches_the_work_and_may_be_handled() -> None:
    reached: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            reached.append("cancelled")

    go_on(work(), spawning(tasks))
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert reached == ["cancelled"]
    assert not tasks[0].cancelled()


async def test_what_it_waits_for_may_be_cancelled_before_the_task_runs() -> None:
    tasks: list[asyncio.Task[None]] = []
    other: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await other

    go_on(work(), spawning(tasks))
    other.cancel()
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()


async def test_what_nobody_waits_for_is_done_afterwards_in_its_order(logs: LogLines) -> None:
    done: list[str] = []
    over = asyncio.Event()
    afterwards = Afterwards()

    def fail() -> None:
        raise ValueError("told to")

    for job in (lambda: done.append("first"), fail, lambda: done.append("last"), over.set):
        afterwards.do(job)
    assert done == []
    await over.wait()
    assert done == ["first", "last"]
    assert len(logs.named("afterwards_failed")) == 1
    over.clear()
    afterwards.do(over.set)
    await over.wait()
