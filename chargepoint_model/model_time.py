"""The model's time: as fast as the wall's, faster, or without any waiting at all."""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


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

    def later(self, seconds: float, then: Callable[[], None]) -> asyncio.TimerHandle | None:
        """Call `then` after model `seconds`; never on a clock that lets nobody wait."""
        if math.isinf(self._scale):
            return None
        return asyncio.get_running_loop().call_later(seconds / self._scale, then)

    async def wait(self, seconds: float, until: asyncio.Event) -> None:
        """Wait for model `seconds`, 0 or more, or until the event."""
        if math.isinf(self._scale):
            if not until.is_set():
                self._skipped += seconds
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds / self._scale):
                await until.wait()
        except TimeoutError:
            return
