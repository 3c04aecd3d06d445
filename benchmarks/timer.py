"""A timer finer than the loop's.

The loop's own timers count whole milliseconds, which is more than most of what is measured here. Polling with
`call_soon` would be fine enough, but takes a processor from what is measured. The kernel has timers of
nanoseconds that are waited for like sockets: timerfd. When the time has come the loop wakes as it does for a
frame, and frames that are there at the same moment are read in the same round, so receiving is never starved.
Linux only. Python 3.13 has it as `os.timerfd_create`.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable

CLOCK_MONOTONIC = 1
"""The clock that `time.perf_counter` reads (timerfd_create(2), clock_gettime(2))."""
ABSOLUTE = 1
"""TFD_TIMER_ABSTIME."""
SETTING = struct.Struct("@qqqq")
"""struct itimerspec: interval and value, each in seconds and nanoseconds."""
EXPIRATIONS_SIZE = 8
NS = 1_000_000_000


class FineTimer:
    """Calls back once when its time has come; to be set again and again.

    Args:
        on_due: called in the running loop.
    """

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._setting = ctypes.create_string_buffer(SETTING.size)
        self._descriptor: int = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer to be had")
        self._loop.add_reader(self._descriptor, self._fire)

    def set(self, due: float) -> None:
        """Set it for a moment of `time.perf_counter`, in seconds; one that has passed is due at once."""
        # zero would disarm it
        seconds, nanoseconds = divmod(max(int(due * NS), 1), NS)
        SETTING.pack_into(self._setting, 0, 0, 0, seconds, nanoseconds)
        if self._libc.timerfd_settime(self._descriptor, ABSOLUTE, self._setting, None):
            raise OSError(ctypes.get_errno(), "the timer cannot be set")

    def close(self) -> None:
        """Give it back; it does not call any more."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _fire(self) -> None:
        try:
            os.read(self._descriptor, EXPIRATIONS_SIZE)
        except BlockingIOError:
            # it was set anew since the loop woke
            return
        self._on_due()
