"""Structured logs: one JSON object a line on standard error, or coloured text on a terminal."""

import json
import logging
import sys
from typing import Any

import orjson
import structlog


def set_up_logs(level: str, *, service: str) -> None:
    """Send structlog to standard error.

    Args:
        level: debug, info, warning or error.
        service: who writes; stands in each line.
    """
    structlog.contextvars.bind_contextvars(service=service)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if sys.stderr.isatty():
        finish: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
        factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    else:
        finish = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_line),
        ]
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=[*shared, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def _line(event: object, **_: object) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # half a surrogate, a huge integer: odd, but no reason for the caller to fail
        return json.dumps(event, default=str, ensure_ascii=False).encode(errors="replace")


def masked(id_tag: str) -> str:
    """A driver's token for a log: enough to recognise it beside the driver's card, not enough to use it."""
    return f"{id_tag[:2]}…{id_tag[-2:]}" if len(id_tag) > 6 else "…"
