"""Writing down answered authorizations, together and not in the driver's time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from cascade.errors import StoreError

R = TypeVar("R")

log = structlog.get_logger()

KEEP_UNWRITTEN = 100_000
"""Records held at most while the store does not take them; the oldest go first."""


class Recorder(Generic[R]):
    """Collects records and hands them to the store at intervals.

    A crash loses at most one interval of them; a CDR whose authorization was lost is still taken, and marked.

    Args:
        write: commits records; what raises StoreError is tried again with the next.
        interval_s: seconds between two writings.
    """

    def __init__(self, write: Callable[[Sequence[R]], Awaitable[None]], *, interval_s: float) -> None:
        self._write = write
        self._interval_s = interval_s
        self._records: list[R] = []
        self._writing = asyncio.Lock()

    def record(self, record: R) -> None:
        """Remember it until the next writing."""
        self._records.append(record)

    async def flush(self) -> None:
        """Write what has come; what the store does not take is kept for the next time."""
        async with self._writing:
            if not self._records:
                return
            batch, self._records = self._records, []
            try:
                await self._write(batch)
            except StoreError as error:
                log.warning("authorizations_not_written", because=str(error), waiting=len(batch))
                self._records = [*batch, *self._records][-KEEP_UNWRITTEN:]

    async def run(self) -> None:
        """Write at intervals, for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()
