"""Live status, for whoever watches: what happens at the chargers, as it happens.

Nobody waits for a watcher. Each has room for some events; one that does not take them in time is dropped, with
all that waits for it, and the others notice nothing. What happened is in the database: events are not kept.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from cascade.frames import Payload

ROOM = 1000
"""Events that may wait for one watcher."""


class EventKind(StrEnum):
    """What has happened."""

    CONNECTED = "connected"
    """A charger has linked; details: none."""
    DISCONNECTED = "disconnected"
    """Its link was lost or closed, and there is no newer one; details: reason."""
    STATUS = "status"
    """A StatusNotification; details: the request."""
    TRANSACTION_STARTED = "transaction-started"
    """A transaction that was not known before; details: transactionId, connectorId, meterStart, timestamp."""
    TRANSACTION_STOPPED = "transaction-stopped"
    """The end of a transaction; details: transactionId, meterStop, timestamp, and the reason if it has one."""
    METER_VALUES = "meter-values"
    """What a meter says; details: the MeterValues request."""


class Event(NamedTuple):
    """Something that has happened at a charger."""

    kind: EventKind
    charge_point_id: str
    at: datetime
    """When we learnt of it."""
    details: Payload
    """In OCPP's words; never an idTag, which would let a watcher charge."""


Watch = asyncio.Queue[Event | None]
"""A watcher's events; None is the last of them."""


class Events:
    """Tells watchers of the same process and event loop.

    Args:
        room: events that may wait for one watcher.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._watches: set[Watch] = set()

    def publish(self, kind: EventKind, charge_point_id: str, details: Payload) -> None:
        """Tell all watchers; whoever has no room for it is dropped."""
        if not self._watches:
            return
        event = Event(kind, charge_point_id, datetime.now(UTC), details)
        for watch in tuple(self._watches):
            if watch.full():
                self._end(watch)
            else:
                watch.put_nowait(event)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """The events from now on."""
        watch: Watch = asyncio.Queue(self._room)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def close(self) -> None:
        """End every watch."""
        for watch in tuple(self._watches):
            self._end(watch)

    def _end(self, watch: Watch) -> None:
        self._watches.discard(watch)
        while not watch.empty():
            watch.get_nowait()
        watch.put_nowait(None)
