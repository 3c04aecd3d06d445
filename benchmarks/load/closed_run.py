"""Closed loop: so many callers, each of which asks again when it has its answer.

It finds what a system can do, and how long a call takes when there is no other.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.load.charge_point import PATIENCE_S, ChargePoint, authorize_tails
from benchmarks.load.plan import Driver, Drivers
from benchmarks.load.tally import Tally


class Caller:
    """A charge point of a closed run."""

    def __init__(self, run: "ClosedRun", charge_point: ChargePoint) -> None:
        self._run = run
        self._charge_point = charge_point
        self._due = 0.0
        self._driver = Driver("", admitted=True)

    def ask_next(self, free_since: float) -> None:
        """Ask again, if anything is left to ask."""
        driver = self._run.draw()
        if driver is None or not self._charge_point.linked:
            self._run.leave()
            return
        self._driver = driver
        self._due = perf_counter()
        self._run.tally.started(free_since, self._due)
        self._charge_point.ask(self._run.tails[driver.tag])

    def answered(self, message: Sequence[Any], now: float) -> None:
        """See User."""
        self._run.tally.answered(message, self._due, now, admitted=self._driver.admitted)
        self.ask_next(now)

    def cut_off(self, *, in_flight: bool) -> None:
        """A caller whose charge point is gone asks no more."""
        if in_flight:
            self._run.leave()


class ClosedRun:
    """Callers that ask, wait and ask again. A call is due when it is made.

    Args:
        charge_points: one for each caller.
        drivers: who may come.
        chance: who does.
        calls: how many in all; infinite for no limit.
        seconds: how long calls are started; infinite for no limit.
    """

    def __init__(
        self,
        charge_points: Sequence[ChargePoint],
        drivers: Drivers,
        chance: Random,
        *,
        calls: float,
        seconds: float,
    ) -> None:
        self._charge_points = charge_points
        self._drivers = drivers
        self._chance = chance
        self._remaining = calls
        self._callers = len(charge_points)
        self._all_left = asyncio.Event()
        self.tails = authorize_tails(drivers)
        self.tally = Tally(perf_counter())
        self._end = self.tally.begin + seconds

    async def run(self) -> Tally:
        """Run until all is answered, or nothing has been for `PATIENCE_S`."""
        for charge_point in self._charge_points:
            caller = Caller(self, charge_point)
            charge_point.user = caller
            caller.ask_next(perf_counter())
        while not self._all_left.is_set() and (patience_s := self.tally.last + PATIENCE_S - perf_counter()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_left.wait(), patience_s)
        for charge_point in self._charge_points:
            charge_point.release()
        return self.tally

    def draw(self) -> Driver | None:
        """Who comes next; None when nobody does."""
        if self._remaining <= 0 or perf_counter() >= self._end:
            return None
        self._remaining -= 1
        self.tally.asked += 1
        return self._drivers.draw(self._chance)

    def leave(self) -> None:
        """A caller asks no more."""
        self._callers -= 1
        if self._callers <= 0:
            self._all_left.set()
