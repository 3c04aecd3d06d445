"""Charging profiles: what a central system lets a connector draw, and until when (OCPP 1.6, section 3.13).

The rules:

1. At every moment the profile of the highest stack level that says something about that moment counts.
2. For a transaction its TxProfile counts before a TxDefaultProfile of its connector, and that before one of
   connector 0.
3. A ChargePointMaxProfile counts besides: it is shared out evenly among the connectors, whether they charge
   or not, so that together they never exceed it.
4. Limits are whole watts, rounded down; a limit in amperes is one of `PHASES` phases unless it says how many.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

from cascade.frames import Payload
from chargepoint_model.keys import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL, MOST
from chargepoint_model.measurands import PHASES, VOLTS
from chargepoint_model.moments import read_moment

DAY_S = 86_400
RECURRENCE_S = {"Daily": DAY_S, "Weekly": 7 * DAY_S}

FOR_EVER = datetime.max.replace(tzinfo=UTC)


class Purpose(StrEnum):
    """ChargingProfilePurposeType (section 7.11)."""

    WHOLE = "ChargePointMaxProfile"
    DEFAULT = "TxDefaultProfile"
    TRANSACTION = "TxProfile"


class Limit(NamedTuple):
    """What may be drawn from a moment on."""

    power_w: int | None
    """0 or more; None if nothing is said."""
    until: datetime
    """When it may change; `FOR_EVER` if it does not."""


class Period(NamedTuple):
    """A part of a schedule."""

    start_s: int
    power_w: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A ChargingProfile as it is installed (section 7.8)."""

    profile_id: int
    connector_id: int
    """0 for the whole charge point."""
    purpose: Purpose
    stack_level: int
    periods: tuple[Period, ...]
    start: datetime | None
    """None if it starts with the transaction."""
    recurrence_s: int | None
    duration_s: int | None
    valid_from: datetime
    valid_to: datetime
    transaction_id: int | None

    def at(self, moment: datetime, began: datetime) -> Limit:
        """What it says about a moment in a transaction that `began` then."""
        if moment < self.valid_from:
            return Limit(None, self.valid_from)
        if moment >= self.valid_to:
            return Limit(None, FOR_EVER)
        limit = self._scheduled(moment, self.start or began)
        return limit._replace(until=min(limit.until, self.valid_to))

    def _scheduled(self, moment: datetime, start: datetime) -> Limit:
        if moment < start:
            return Limit(None, start)
        again = FOR_EVER
        if self.recurrence_s is not None:
            recurrence = timedelta(seconds=self.recurrence_s)
            start += (moment - start) // recurrence * recurrence
            again = after(start, self.recurrence_s)
        over = again if self.duration_s is None else min(again, after(start, self.duration_s))
        if moment >= over:
            return Limit(None, again)
        power_w = None
        for period in self.periods:
            begins = after(start, period.start_s)
            if begins > moment:
                return Limit(power_w, min(begins, over))
            power_w = period.power_w
        return Limit(power_w, over)


def after(moment: datetime, seconds: int) -> datetime:
    """A later moment, as far as the calendar goes."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return FOR_EVER


def read_profile(connector_id: int, profile: Payload, now: datetime) -> Profile | None:
    """A ChargingProfile as it was sent; None if it makes no sense or is beyond what is supported.

    Args:
        connector_id: where it is to be installed.
        profile: the payload's csChargingProfiles.
        now: when an Absolute schedule of the whole charge point starts that does not say when.

    Raises:
        BadValueError: a moment in it is not in the calendar.
    """
    schedule = profile["chargingSchedule"]
    purpose, kind = Purpose(profile["chargingProfilePurpose"]), profile["chargingProfileKind"]
    relative = kind == "Relative"
    start = None if relative else _moment(schedule, "startSchedule", now if purpose is Purpose.WHOLE else None)
    recurrence_s = RECURRENCE_S.get(profile.get("recurrencyKind", "")) if kind == "Recurring" else None
    read = Profile(
        profile_id=profile["chargingProfileId"],
        connector_id=connector_id,
        purpose=purpose,
        stack_level=profile["stackLevel"],
        periods=tuple(_periods(schedule)),
        start=start,
        recurrence_s=recurrence_s,
        duration_s=schedule.get("duration"),
        valid_from=_moment(profile, "validFrom", datetime.min.replace(tzinfo=UTC)),
        valid_to=_moment(profile, "validTo", FOR_EVER),
        transaction_id=profile.get("transactionId"),
    )
    fits = {
        Purpose.WHOLE: connector_id == 0 and not relative,
        Purpose.DEFAULT: True,
        Purpose.TRANSACTION: connector_id > 0,
    }[purpose]
    recurs = kind != "Recurring" or (recurrence_s is not None and "startSchedule" in schedule)
    return read if fits and recurs and _sound(read) else None


def _moment(payload: Payload, name: str, default: Any) -> Any:  # noqa: ANN401 - a moment, or what stands for none
    return read_moment(payload[name]) if name in payload else default


def _periods(schedule: Payload) -> Iterator[Period]:
    for period in schedule["chargingSchedulePeriod"]:
        per_unit = VOLTS * period.get("numberPhases", PHASES) if schedule["chargingRateUnit"] == "A" else 1
        # tenths first: the limit has one decimal, and 0.1 is no binary fraction
        yield Period(period["startPeriod"], round(period["limit"] * 10) * per_unit // 10)


def _sound(profile: Profile) -> bool:
    starts = [period.start_s for period in profile.periods]
    return (
        0 <= profile.stack_level <= MAX_STACK_LEVEL
        and 1 <= len(starts) <= MAX_PERIODS
        and starts[0] == 0
        and all(one < other for one, other in pairwise(starts))
        and starts[-1] <= MOST
        and all(period.power_w >= 0 for period in profile.periods)
        and (profile.duration_s is None or 0 < profile.duration_s <= MOST)
        and profile.valid_from < profile.valid_to
    )


class ChargingProfiles:
    """The profiles of one charge point.

    Args:
        connectors: how many it has.
    """

    def __init__(self, connectors: int) -> None:
        self._connectors = connectors
        self._installed: list[Profile] = []

    def install(self, profile: Profile) -> bool:
        """Install a profile instead of the one with its id, or with its place; False if there is no room."""
        rest = [one for one in self._installed if not _replaces(profile, one)]
        if len(rest) >= MAX_PROFILES:
            return False
        self._installed = [*rest, profile]
        return True

    def clear(
        self, profile_id: int | None, connector_id: int | None, purpose: str | None, stack_level: int | None
    ) -> bool:
        """Remove those that match all that is given; False if none did (section 5.5)."""
        rest = [
            one
            for one in self._installed
            if profile_id not in {None, one.profile_id}
            or connector_id not in {None, one.connector_id}
            or purpose not in {None, one.purpose}
            or stack_level not in {None, one.stack_level}
        ]
        cleared = len(rest) < len(self._installed)
        self._installed = rest
        return cleared

    def limit(self, connector_id: int, moment: datetime, began: datetime) -> Limit:
        """What a connector may draw at a moment of a transaction that `began` then."""
        if not self._installed:
            return UNLIMITED
        said = [
            _highest(self._of(purpose, number), moment, began)
            for purpose, number in (
                (Purpose.TRANSACTION, connector_id),
                (Purpose.DEFAULT, connector_id),
                (Purpose.DEFAULT, 0),
            )
        ]
        whole = _highest(self._of(Purpose.WHOLE, 0), moment, began)
        share = None if whole.power_w is None else whole.power_w // self._connectors
        own = next((one.power_w for one in said if one.power_w is not None), None)
        limits = [power_w for power_w in (own, share) if power_w is not None]
        return Limit(min(limits, default=None), min(one.until for one in (*said, whole)))

    def of_transaction_over(self, connector_id: int) -> None:
        """A TxProfile goes with its transaction (section 3.13.1)."""
        self.clear(None, connector_id, Purpose.TRANSACTION, None)

    def _of(self, purpose: Purpose, connector_id: int) -> Iterator[Profile]:
        return (one for one in self._installed if (one.purpose, one.connector_id) == (purpose, connector_id))


UNLIMITED = Limit(None, FOR_EVER)


def _replaces(new: Profile, old: Profile) -> bool:
    place = (old.connector_id, old.purpose, old.stack_level)
    return old.profile_id == new.profile_id or place == (new.connector_id, new.purpose, new.stack_level)


def _highest(profiles: Iterable[Profile], moment: datetime, began: datetime) -> Limit:
    """What the highest profile that says something says; it may change whenever any of them does."""
    power_w, until = None, FOR_EVER
    for profile in sorted(profiles, key=lambda one: -one.stack_level):
        limit = profile.at(moment, began)
        power_w, until = limit.power_w if power_w is None else power_w, min(until, limit.until)
    return Limit(power_w, until)


def composite(limit: Callable[[datetime], Limit], start: datetime, duration_s: int) -> Iterator[Period]:
    """The parts of a composite schedule that differ (section 5.7); a change counts from the next whole second.

    Args:
        limit: what may be drawn at a moment.
        start: of the schedule.
        duration_s: of the schedule, 0 or more.
    """
    second, shown = 0, None
    while second < duration_s:
        at = limit(after(start, second))
        if at.power_w != shown and at.power_w is not None:
            shown = at.power_w
            yield Period(second, shown)
        if at.until == FOR_EVER:
            return
        second = max(whole_seconds(at.until - start), second + 1)


def whole_seconds(span: timedelta) -> int:
    """The seconds of a time span, rounded up."""
    return -(-span // timedelta(seconds=1))
