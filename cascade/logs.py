"""Structured logs: one JSON object a line on standard error, or coloured text on a terminal.

A service writes one line for each authorization, so these are cheap, and out of the driver's way: what happens
within a few milliseconds is rendered and written together. A process that has just answered then has nothing
left to do, and the next one can have its processor. What is a warning or worse is written at once, after all
that came before it.

A log that cannot be written, say on a full disk, is no reason to stop: its lines are lost, and counted.
"""

import asyncio
import atexit
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from cascade.roaming.model import utc_text

WRITE_WITHIN_S = 0.01
"""How long a line may wait for others; a process that is killed loses no more."""


class Lines:
    """Where lines go; a logger in structlog's sense.

    Args:
        stream: takes them; flushed after each writing.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: list[EventDict] = []
        self._lost = 0

    def write(self, line: bytes) -> None:
        """Write a line now, after those that wait."""
        self.flush()
        self._put([line])

    debug = info = warning = error = critical = exception = msg = write

    def write_soon(self, event: EventDict) -> None:
        """Write an event within `WRITE_WITHIN_S`; at once where there is no event loop."""
        self._waiting.append(event)
        if len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_later(WRITE_WITHIN_S, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        """Write what waits."""
        events, self._waiting = self._waiting, []
        if events:
            self._put([_line(event) for event in events])

    def _put(self, lines: list[bytes]) -> None:
        if self._lost:
            lines = [_line({"event": "log_lines_lost", "level": "warning", "count": self._lost}), *lines]
        try:
            self._stream.write(b"\n".join([*lines, b""]))
            self._stream.flush()
        except OSError:
            self._lost += len(lines) - (self._lost > 0)
        else:
            self._lost = 0


def set_up_logs(level: str, *, service: str) -> None:
    """Send structlog to standard error.

    Args:
        level: debug, info, warning or error.
        service: who writes; stands in each line.
    """

    def stamp(_: object, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["level"] = method
        event["timestamp"] = datetime.now(UTC)
        return event

    number = logging.getLevelNamesMapping()[level.upper()]
    logger = structlog.make_filtering_bound_logger(number)
    if sys.stderr.isatty():
        finish: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
        factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    else:
        lines = Lines(sys.stderr.buffer)
        atexit.register(lines.flush)
        finish = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_line),
        ]
        factory = lambda *_: lines  # noqa: E731 - every logger writes to the same place
        if number <= logging.INFO:
            logger = _with_cheap_info(logger, stamp, lines)
    structlog.configure(
        processors=[stamp, *finish],
        wrapper_class=logger,
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def _with_cheap_info(
    base: type[FilteringBoundLogger], stamp: Callable[[object, str, EventDict], EventDict], lines: Lines
) -> type[FilteringBoundLogger]:
    """A logger whose `info` takes the short way: no chain of processors, and not a write for each line."""

    class CheapInfo(base):  # type: ignore[misc, valid-type] # made at run time by structlog
        def info(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - whatever is logged
            fields["event"] = event
            lines.write_soon(stamp(None, "info", fields))

    return CheapInfo


def _line(event: object, **_: object) -> bytes:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    except TypeError:  # half a surrogate, a huge integer: odd, but no reason for the caller to fail
        return json.dumps(event, default=_text, ensure_ascii=False).encode(errors="replace")


def _text(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)


def masked(id_tag: str) -> str:
    """A driver's token for a log: enough to recognise it beside the driver's card, not enough to use it."""
    return f"{id_tag[:2]}…{id_tag[-2:]}" if len(id_tag) > 6 else "…"
