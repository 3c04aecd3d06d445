"""The model's time: as fast as the wall's, faster, or without any waiting at all."""

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """Something that is to happen later."""

    def cancel(self) -> None:
        """Let it not happen."""


class ModelTime:
    """A clock that passes `scale` seconds in one.

    Args:
        scale: model seconds per second, above 0; infinite for a clock that passes only while somebody
            waits, and lets nobody wait.
    """

    def __init__(self, scale: float) -> None:
        if not scale > 0:
            raise ValueError("a clock that stands still: the time scale must be above 0")
        self._scale = scale
        self._began = time.monotonic()
        self._skipped = 0.0
        self._timers: list[tuple[float, int, _Skipped]] = []
        self._order = itertools.count()

    def seconds(self) -> float:
        """Model seconds since the clock was made."""
        if math.isinf(self._scale):
            return self._skipped
        return (time.monotonic() - self._began) * self._scale

    def utc(self) -> datetime:
        """The model's time of day, in whole milliseconds: the wall's when the clock was made, ahead later."""
        now = datetime.now(UTC)
        if math.isinf(self._scale):
            now += timedelta(seconds=self._skipped)
        else:
            now += timedelta(seconds=self.seconds() - (time.monotonic() - self._began))
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def later(self, seconds: float, then: Callable[[], None]) -> Timer:
        """Call `then` after model `seconds`; on a clock that lets nobody wait, while somebody waits past it."""
        if math.isinf(self._scale):
            timer = _Skipped(then)
            heapq.heappush(self._timers, (self._skipped + max(seconds, 0), next(self._order), timer))
            return timer
        return asyncio.get_running_loop().call_later(seconds / self._scale, then)

    async def wait(self, seconds: float, until: asyncio.Event) -> None:
        """Wait for model `seconds`, 0 or more, or until the event."""
        if math.isinf(self._scale):
            self._skip(seconds, until)
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds / self._scale):
                await until.wait()
        except TimeoutError:
            return

    def _skip(self, seconds: float, until: asyncio.Event) -> None:
        end = self._skipped + seconds
        while not until.is_set():
            if not self._timers or self._timers[0][0] > end:
                self._skipped = end
                return
            at, _, timer = heapq.heappop(self._timers)
            if timer.then is not None:
                self._skipped = at
                timer.then()


class _Skipped:
    """A timer of a clock that lets nobody wait."""

    __slots__ = ("then",)

    def __init__(self, then: Callable[[], None]) -> None:
        self.then: Callable[[], None] | None = then

    def cancel(self) -> None:
        self.then = None


class Alarm:
    """One thing that happens later, and may be put off or called off.

    Args:
        time: the model's time.
        then: what happens.
    """

    __slots__ = ("_due_s", "_then", "_time", "_timer")

    def __init__(self, time: ModelTime, then: Callable[[], None]) -> None:
        self._time = time
        self._then = then
        self._timer: Timer | None = None
        self._due_s = 0.0

    @property
    def is_set(self) -> bool:
        """Whether it is going to happen."""
        return self._timer is not None

    def set(self, seconds: float) -> None:
        """Let it happen after model `seconds`, and not when it would have."""
        self.cancel()
        self._due_s = self._time.seconds() + seconds
        self._timer = self._time.later(seconds, self._ring)

    def cancel(self) -> None:
        """Let it not happen."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        early_s = self._due_s - self._time.seconds()
        if early_s > 0:  # the loop's timers may be a millisecond early: on a fast clock that is long
            self._timer = self._time.later(early_s, self._ring)
        else:
            self._then()
