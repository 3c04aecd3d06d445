"""Values in the requests of charge points, where the standard's schemas leave something open."""

from datetime import UTC, datetime

from cascade.errors import BadValueError
from cascade.frames import Payload

INTEGER_MAX = 2**63 - 1
"""What the database holds; no meter gets there."""


def integer(request: Payload, field: str, *, least: int = -INTEGER_MAX) -> int:
    """A whole number of at least `least`.

    Raises:
        BadValueError: it is less, or more than the database holds.
    """
    value: int = request[field]
    if not least <= value <= INTEGER_MAX:
        raise BadValueError(f"{field}: {value} is less than {least} or more than {INTEGER_MAX}")
    return value


def moment(request: Payload, field: str) -> datetime:
    """A moment in UTC. The schema knows that it is RFC 3339, which has moments that no calendar has.

    Raises:
        BadValueError: such a moment.
    """
    try:
        return datetime.fromisoformat(request[field].upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"{field}: {request[field]} is no moment: {error}") from None
