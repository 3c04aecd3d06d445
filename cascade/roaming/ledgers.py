"""Ledgers of CDRs that operators give out, and the periods that they are about: what settlement compares.

A session belongs to the period in which it ended, by the `sessionEnd` of its CDR, and a credit to the period of
the CDR that it cancels.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import Field

from cascade.roaming.model import Moment, OperatorId, RoamingModel

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)

DAY_LENGTH = len("2026-01-31")


class Period(NamedTuple):
    """From `start` on and before `end`, both in UTC and on whole seconds."""

    start: datetime = EARLIEST
    end: datetime = LATEST

    @classmethod
    def read(cls, start: str | None, end: str | None) -> Self:
        """A period as it is given on a command line: dates in UTC, or moments with a time zone.

        Raises:
            ValueError: a bound is neither, is no whole second, or the end is not after the start.
        """
        period = cls(
            EARLIEST if start is None else read_moment("from", start),
            LATEST if end is None else read_moment("to", end),
        )
        if period.start.microsecond or period.end.microsecond:
            raise ValueError("a period begins and ends on whole seconds")
        if period.end <= period.start:
            raise ValueError("the period ends before it begins: what is given as its end is outside of it")
        return period

    def seconds(self) -> tuple[str, str]:
        """The bounds as text, as far as the second: with the Z it would not sort as time does."""
        return _second(self.start), _second(self.end)


def _second(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def read_moment(name: str, text: str) -> datetime:
    """A moment as a person gives it: a date in UTC, of which it is the beginning, or ISO 8601 with a time zone.

    Args:
        name: what it is for, which an error begins with.
        text: the moment.

    Raises:
        ValueError: it is neither.
    """
    try:
        if len(text) == DAY_LENGTH:
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{name}: {text!r} is neither a date such as 2026-01-31 nor a moment such as 2026-01-31T12:00:00Z"
    )


class Entry(RoamingModel):
    """One CDR in an operator's ledger."""

    cdr_id: UUID
    digest: Annotated[str, Field(min_length=64, max_length=64)]
    visited: OperatorId
    home: OperatorId | None = None
    """None: sent through the hub, which alone knew whose token it was."""
    energy_wh: int
    """Wh; negative in a credit."""
    credit_reference_id: UUID | None = None
    direction: Literal["sent", "received"]
    route: Literal["hub", "peer"]
    state: Literal["Queued", "Parked", "Received", "Delivered", "Accepted", "Rejected"]


class Ledger(RoamingModel):
    """An operator's CDRs of one period."""

    operator_id: OperatorId
    period_start: Moment
    period_end: Moment
    entries: tuple[Entry, ...]

    @property
    def period(self) -> Period:
        """What it is about."""
        return Period(self.period_start, self.period_end)
