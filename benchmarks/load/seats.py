"""A charge point of an open run, and what waits there for its turn."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from benchmarks.load.charge_point import ChargePoint

T = TypeVar("T")


class Pending:
    """How many calls of a run are waiting or in flight, and whether all of them have come."""

    def __init__(self) -> None:
        self.settled = asyncio.Event()
        """None is left, and no more will come."""
        self._count = 0
        self._complete = False

    def add(self) -> None:
        """One comes."""
        self._count += 1

    def settle(self, calls: int = 1) -> None:
        """So many are answered or lost."""
        self._count -= calls
        self._check()

    def complete(self) -> None:
        """No more will come."""
        self._complete = True
        self._check()

    def _check(self) -> None:
        if self._complete and not self._count:
            self.settled.set()


class Seat(ABC, Generic[T]):
    """One call in flight, the others in line. What comes when the socket has gone is lost.

    Args:
        charge_point: which it takes into its service.
        pending: told what comes and goes.
    """

    def __init__(self, charge_point: ChargePoint, pending: Pending) -> None:
        self._charge_point = charge_point
        self._pending = pending
        self._line: deque[tuple[float, T]] = deque()
        self._due = 0.0
        self._item: T | None = None
        charge_point.user = self

    @abstractmethod
    def on_arrival(self, due: float, *, free: bool) -> None:
        """Something has come, to a charge point that can take it at once or cannot."""

    @abstractmethod
    def tail(self, item: T) -> str:
        """What to ask, but for its message id."""

    @abstractmethod
    def on_answer(self, message: Sequence[Any], item: T, due: float, now: float) -> None:
        """It was answered."""

    def arrive(self, due: float, item: T) -> None:
        """Something comes that was due at `due` (`perf_counter`)."""
        self._pending.add()
        busy = self._charge_point.busy
        free = not busy and self._charge_point.linked
        self.on_arrival(due, free=free)
        if free:
            self._ask(due, item)
        elif busy:
            self._line.append((due, item))
        else:
            self._pending.settle()

    def answered(self, message: Sequence[Any], now: float) -> None:
        """See User."""
        item, due = self._item, self._due
        assert item is not None, "in flight"
        self.on_answer(message, item, due, now)
        if self._line:
            self._ask(*self._line.popleft())
        self._pending.settle()

    def cut_off(self, *, in_flight: bool) -> None:
        """See User."""
        if in_flight:
            self._pending.settle(1 + len(self._line))
            self._line.clear()

    def _ask(self, due: float, item: T) -> None:
        self._due, self._item = due, item
        self._charge_point.ask(self.tail(item))
