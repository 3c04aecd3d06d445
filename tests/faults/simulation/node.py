"""Virtual time, and nodes: parts of a system that can be killed as a process is, between any two steps.

The event loop's clock stands still while anything can run, and then jumps to the next timer: a schedule of many
minutes takes milliseconds, and the same seed gives the same schedule. Every task that is begun by a node's task
belongs to the node.
"""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime
from typing import Any

CURRENT: contextvars.ContextVar["Node"] = contextvars.ContextVar("node")


class NothingToWaitForError(Exception):
    """All tasks wait, and no timer is set: nothing will ever happen."""


class _Jump(selectors.SelectSelector):
    """Waits by moving the clock."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingToWaitForError
        self.loop.now += max(timeout, 0.0)
        self.loop.steps += 1
        for look in self.loop.after_each_step:
            look()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time.

    `after_each_step` holds what is called whenever everything that could run has run.
    """

    def __init__(self) -> None:
        selector = _Jump()
        selector.loop = self
        self.now = 0.0
        self.steps = 0
        self.after_each_step: list[Callable[[], None]] = []
        super().__init__(selector)
        self._clock_resolution = 1e-9
        self.set_task_factory(_task_of_a_node)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now


def _task_of_a_node(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    context: contextvars.Context | None = None,
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    node = CURRENT.get(None) if context is None else context.get(CURRENT, None)
    if node is not None:
        node.tasks[task] = None
        task.add_done_callback(lambda _: node.tasks.pop(task, None))
    return task


class Node:
    """One life of a process: from its start to its kill.

    Args:
        name: whose.
        clock: what the time is on its machine.
    """

    def __init__(self, name: str, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.clock = clock
        self.dead = False
        self.tasks: dict[asyncio.Task[Any], None] = {}  # a set would have another order in each run
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin work of this node."""
        return asyncio.get_running_loop().create_task(work, context=self._context)

    def run(self, function: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the function returns
        """Call a function as this node: the tasks that it begins are the node's."""
        return self._context.run(function)

    async def kill(self) -> None:
        """End it: what it would do from now on has no effect on any disk or wire."""
        self.dead = True
        while tasks := list(self.tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
