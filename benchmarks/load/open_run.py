"""Open loop: drivers arrive whether the system keeps up or not.

A driver who finds the charge point busy waits there, and latency counts from the moment at which the driver
came: a stall is not hidden by asking less while it lasts (coordinated omission, as Gil Tene calls it).

Arrivals are started by a timer that is finer than the loop's. What is due when it wakes is started at once, but
not what falls due meanwhile: between two rounds the loop reads what has come.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from time import perf_counter, process_time
from typing import Any

from benchmarks.load.background import BackgroundTally, Station
from benchmarks.load.charge_point import PATIENCE_S, ChargePoint, authorize_tails
from benchmarks.load.plan import Arrival, Driver, Drivers, Report
from benchmarks.load.seats import Pending, Seat
from benchmarks.load.tally import Tally
from benchmarks.timer import FineTimer

LEAD_S = 0.05
"""The plan begins so much later than now, so that its first arrivals are not late."""


class CardReader(Seat[Driver]):
    """A charge point where drivers present their tags.

    Args:
        charge_point: which it takes into its service.
        pending: told what comes and goes.
        tally: told what came of it.
        tails: what to ask for each tag.
    """

    def __init__(
        self, charge_point: ChargePoint, pending: Pending, tally: Tally, tails: Mapping[str, str]
    ) -> None:
        super().__init__(charge_point, pending)
        self._tally = tally
        self._tails = tails

    def on_arrival(self, due: float, *, free: bool) -> None:
        """See Seat."""
        if due >= self._tally.begin:
            self._tally.asked += 1
            if free:
                self._tally.started(due, perf_counter())

    def tail(self, item: Driver) -> str:
        """See Seat."""
        return self._tails[item.tag]

    def on_answer(self, message: Sequence[Any], item: Driver, due: float, now: float) -> None:
        """See Seat."""
        if due >= self._tally.begin:
            self._tally.answered(message, due, now, admitted=item.admitted)


class OpenRun:
    """A plan that is carried out.

    Args:
        charge_points: where drivers arrive.
        arrivals: when they do, in order of time.
        drivers: who may come.
        stations: the charge points of the background.
        reports: what these tell, in order of time.
        warm_up_s: how much of the plan is not measured.
        seconds: how much of it is.
    """

    def __init__(
        self,
        charge_points: Sequence[ChargePoint],
        arrivals: Sequence[Arrival],
        drivers: Drivers,
        *,
        stations: Sequence[ChargePoint] = (),
        reports: Sequence[Report] = (),
        warm_up_s: float,
        seconds: float,
    ) -> None:
        self._charge_points = (*charge_points, *stations)
        plan: list[Arrival | Report] = [*arrivals, *reports]
        self._plan = sorted(plan, key=lambda event: event.at_s)
        self._next = 0
        self._pending = Pending()
        self._base = perf_counter() + LEAD_S
        self._end = self._base + warm_up_s + seconds
        self._measuring = False
        self._cpu_at_begin_s = process_time()
        self.tally = Tally(self._base + warm_up_s)
        self.background = BackgroundTally()
        tails = authorize_tails(drivers)
        self._readers = [CardReader(one, self._pending, self.tally, tails) for one in charge_points]
        self._stations = [Station(one, self._pending, self.background) for one in stations]
        self._timer = FineTimer(self._start_due)

    async def run(self) -> Tally:
        """Carry it out until all is answered, or `PATIENCE_S` after its end."""
        try:
            self._start_due()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pending.settled.wait(), self._end + PATIENCE_S - perf_counter())
        finally:
            self._timer.close()
            for charge_point in self._charge_points:
                charge_point.release()
        return self.tally

    @property
    def cpu_s(self) -> float:
        """Processor time of this process since the measured part began."""
        return process_time() - self._cpu_at_begin_s

    def _start_due(self) -> None:
        now = perf_counter()
        while self._next < len(self._plan):
            event = self._plan[self._next]
            due = self._base + event.at_s
            if due > now:
                self._timer.set(due)
                return
            self._next += 1
            self._start(due, event)
        self._pending.complete()

    def _start(self, due: float, event: Arrival | Report) -> None:
        if not self._measuring and due >= self.tally.begin:
            self._measuring = True
            self._cpu_at_begin_s = process_time()
        if isinstance(event, Arrival):
            self._readers[event.charge_point].arrive(due, event.driver)
        else:
            self._stations[event.charge_point].arrive(due, event)
