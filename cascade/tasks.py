"""Going on with work as soon as it can go on, without a task that waits for its turn of the event loop.

An answer that is relayed would cost a task for the question and a turn of the loop for the answer: as much as
all else that a relay does. Here work is begun where its call came in, and goes on where the answer came in.
Only work that waits for something else than a `Reply` becomes a task.

Until it is one it has no current task: `asyncio.timeout` and `TaskGroup` cannot be entered there. Tasks can be
made, futures and locks awaited, as anywhere.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Generic, TypeVar

import structlog

T = TypeVar("T")
Work = Coroutine[Any, Any, None]

log = structlog.get_logger()


class Reply(asyncio.Future[T], Generic[T]):
    """A future that lets the work that waits for it go on at once, in the call that settles it."""

    __slots__ = ("_go_on",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._go_on: Callable[[], None] | None = None

    def follow(self, go_on: Callable[[], None]) -> None:
        """Have `go_on` called when it is settled, instead of in a later turn of the loop."""
        self._asyncio_future_blocking = False  # whoever awaited it is not a task
        self._go_on = go_on

    def settle(self, result: T) -> bool:
        """Set the result, unless whoever waited has left; False if it takes effect in the next turn only."""
        if not self.done():
            self.set_result(result)
            if self._go_on is None:
                return False
            self._go_on()
        return True

    def fail(self, error: Exception) -> None:
        """Set an exception, unless whoever waited has left."""
        if not self.done():
            self.set_exception(error)
            if self._go_on is not None:
                self._go_on()


def go_on(work: Work, spawn: Callable[[Work], None]) -> None:
    """Begin work, or go on with it, as far as it goes now; raises what it raises.

    Args:
        work: a coroutine, new or waiting for a `Reply` that has been settled.
        spawn: makes a task of the rest, where it waits for something else than a `Reply`.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return
    if isinstance(awaited, Reply):
        awaited.follow(lambda: go_on(work, spawn))
    else:
        spawn(_as_task(work, awaited))


class Afterwards:
    """Does what nobody waits for, such as writing down what was answered, once the answer has gone."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def do(self, job: Callable[[], None]) -> None:
        """Have `job` called in the next turn of the event loop, after those that were told before."""
        self._waiting.append(job)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._do_all)

    def _do_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for job in waiting:
            try:
                job()
            except Exception:
                log.exception("afterwards_failed")


async def _as_task(work: Work, awaited: object) -> None:
    await _rest(work, awaited)


@coroutine
def _rest(work: Work, awaited: object) -> Generator[object, object, None]:
    """Wait for what the work already waits for, and hand on all that a task does to it."""
    try:
        while True:
            try:
                answer = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation is for the work to handle
                awaited = work.throw(error)
            else:
                awaited = work.send(answer)
    except StopIteration:
        return
