"""Moments that a central system sends."""

from datetime import UTC, datetime

from cascade.errors import BadValueError


def read_moment(text: str) -> datetime:
    """A dateTime of the standard, in UTC.

    Raises:
        BadValueError: it is one of RFC 3339, which allows leap seconds, but not one of the calendar.
    """
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValueError("a moment that is not in the calendar") from None
