"""The call ledger: which calls of ours are in flight, which wait for a place, and which are overdue.

The rules, for one side of one link:

1. At most `window` calls are in flight; the others wait in order (OCPP-J 1.6, section 4.1.1: a window of 1).
2. A call leaves the ledger once: answered, overdue, forgotten by its caller, or lost with its link.
3. A call that leaves gives its place to the first that waits.
4. An answer to a call that is not in flight changes nothing. It is *late* if the call was ours not long
   ago, else *unknown*.

Time is an argument, in seconds on any monotonic clock. A *waiter* is whatever the caller wants back when
its call leaves.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from cascade.frames import Call

W = TypeVar("W")

REMEMBERED = 256
"""How many calls that ended unanswered are remembered, to tell a late answer from an unknown one."""


@dataclass(slots=True)
class Entry(Generic[W]):
    """One call in the ledger."""

    call: Call
    waiter: W
    deadline: float
    in_flight: bool


class Stray(Enum):
    """An answer that settles nothing."""

    LATE = "late"
    UNKNOWN = "unknown"


class DuplicateIdError(ValueError):
    """A call was begun with the message id of one that has not ended."""


class CallLedger(Generic[W]):
    """The calls of one side of one link.

    Args:
        window: how many may be in flight at once, 1 or more.
    """

    def __init__(self, window: int) -> None:
        if window < 1:
            raise ValueError("a window holds at least one call")
        self._window = window
        self._in_flight: dict[str, Entry[W]] = {}
        self._waiting: dict[str, Entry[W]] = {}
        self._unanswered: deque[str] = deque(maxlen=REMEMBERED)

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._waiting)

    def begin(self, call: Call, waiter: W, deadline: float) -> bool:
        """Enter a call; True if it has a place and must be sent now, False if it waits.

        Raises:
            DuplicateIdError: a call with this id has not ended.
        """
        if call.message_id in self._in_flight or call.message_id in self._waiting:
            raise DuplicateIdError(call.message_id)
        has_place = not self._waiting and len(self._in_flight) < self._window
        entry = Entry(call, waiter, deadline, in_flight=has_place)
        (self._in_flight if entry.in_flight else self._waiting)[call.message_id] = entry
        return entry.in_flight

    def settle(self, message_id: str) -> Entry[W] | Stray:
        """An answer has come: the call that it ends, or why it ends none."""
        entry = self._in_flight.pop(message_id, None)
        if entry is not None:
            return entry
        return Stray.LATE if message_id in self._unanswered else Stray.UNKNOWN

    def forget(self, message_id: str) -> None:
        """The caller no longer wants the answer; a call that has already left is no error."""
        if self._in_flight.pop(message_id, None) is not None:
            self._unanswered.append(message_id)
        self._waiting.pop(message_id, None)

    def expire(self, now: float) -> list[Entry[W]]:
        """Take out every call whose deadline has come, in flight or not."""
        overdue = [
            entry
            for calls in (self._in_flight, self._waiting)
            for entry in calls.values()
            if entry.deadline <= now
        ]
        for entry in overdue:
            self.forget(entry.call.message_id)
        return overdue

    def promote(self) -> list[Entry[W]]:
        """Give free places to those that wait, in order; they must be sent now."""
        promoted = []
        while self._waiting and len(self._in_flight) < self._window:
            message_id = next(iter(self._waiting))
            entry = self._waiting.pop(message_id)
            entry.in_flight = True
            self._in_flight[message_id] = entry
            promoted.append(entry)
        return promoted

    def next_deadline(self) -> float | None:
        """When `expire` is next worth a call."""
        deadlines = [entry.deadline for calls in (self._in_flight, self._waiting) for entry in calls.values()]
        return min(deadlines, default=None)

    def lose(self) -> list[Entry[W]]:
        """The link is gone: take out every call."""
        lost = [*self._in_flight.values(), *self._waiting.values()]
        self._in_flight.clear()
        self._waiting.clear()
        return lost
