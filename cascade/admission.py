"""Newcomers come in one at a time and at a pace, so that those who are in already are served in between.

A link costs its server half a millisecond to set up: a thousand of them in one go would hold up every call for
half a second. So they wait in line, first come, first served. Whoever would wait for too long is told when to
come back, each later than the one before, so that they do not come back all at once either.
"""

import asyncio
from collections import deque

from cascade.errors import CascadeError

PACE = 400.0
"""Newcomers a second."""

PATIENCE_S = 5.0
"""How long one waits in line at most: half of what clients usually allow for a handshake."""

RETRY_AFTER_MAX_S = 60

AS_PLANNED = 100
"""So many let in at the planned pace are taken for granted when the real one is measured."""

PUT_OFF_BY = 2
"""So many times the planned time between two is what those who are put off come back after one another."""

SENT_AWAY_AT_ONCE = 3
"""To refuse costs time too."""


class CrowdedError(CascadeError):
    """More want to come in than can for now.

    Args:
        retry_after_s: whole seconds after which to come back.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many at once: come back in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class PutOff:
    """Tells those who cannot come in now when to come back: one after the other."""

    def __init__(self) -> None:
        self._until = 0.0

    def next(self, now: float, *, free_at: float, each_s: float) -> CrowdedError:
        """What the next of them is told.

        Args:
            now: on any clock, in seconds, as is `free_at`.
            free_at: when those who are in line will have come in.
            each_s: how long each takes.
        """
        self._until = min(max(self._until, free_at) + each_s, now + RETRY_AFTER_MAX_S)
        return CrowdedError(min(max(1, round(self._until - now)), RETRY_AFTER_MAX_S))


class Admission:
    """A line of newcomers.

    Args:
        pace: how many come in a second at most; an event loop that is busy lets in fewer.
        patience_s: how long one waits, about, at most; who would have to wait longer is sent away.
    """

    def __init__(self, *, pace: float = PACE, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        self._interval_s = 1 / pace
        self._line: deque[asyncio.Future[None]] = deque()
        self._next_at = 0.0
        """When the next may come in, on the clock of the event loop."""
        self._line_since = 0.0
        self._let_in_since = 0
        """How many came in since there was nobody in line."""
        self._put_off = PutOff()
        self._is_dissolved = False

    async def turn(self) -> None:
        """Wait for our turn.

        Raises:
            CrowdedError: the line is too long, or dissolved.
        """
        if self._is_dissolved:
            raise CrowdedError(1)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._line and self._next_at <= now:
            self._next_at = now + self._interval_s
            return
        if not self._line:
            self._line_since, self._let_in_since = now, 0
            loop.call_at(self._next_at, self._let_in)
        elif (len(self._line) + 1) * self._spacing_s(now) > self.patience_s:
            raise self._crowded(now)
        place: asyncio.Future[None] = loop.create_future()
        self._line.append(place)
        await place

    def dissolve(self) -> None:
        """Send away everybody in line, and who comes from now on."""
        self._is_dissolved = True
        for place in self._line:
            if not place.done():
                place.set_exception(CrowdedError(1))

    def _let_in(self) -> None:
        """Let in the first who has not left. A loop that is late does not let in more at once for it."""
        now = asyncio.get_running_loop().time()
        self._let_in_since += 1
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                break
        self._send_away(now)
        self._next_at = now + self._interval_s
        if self._line:
            asyncio.get_running_loop().call_at(self._next_at, self._let_in)

    def _send_away(self, now: float) -> None:
        """Send away the last if the line goes on more slowly than was thought when they came."""
        for _ in range(SENT_AWAY_AT_ONCE):
            if len(self._line) < 2 or len(self._line) * self._spacing_s(now) <= self.patience_s:
                return
            place = self._line.pop()
            if not place.done():
                place.set_exception(self._crowded(now))

    def _crowded(self, now: float) -> CrowdedError:
        free_at = now + min((len(self._line) + 1) * self._spacing_s(now), self.patience_s)
        return self._put_off.next(now, free_at=free_at, each_s=PUT_OFF_BY * self._interval_s)

    def _spacing_s(self, now: float) -> float:
        """How long the line takes for each."""
        planned_s = AS_PLANNED * self._interval_s
        return (now - self._line_since + planned_s) / (self._let_in_since + AS_PLANNED)
