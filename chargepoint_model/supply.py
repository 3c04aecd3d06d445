"""What a vehicle may draw at a connector, and what it has drawn.

The meter runs in whole seconds of the session, and so do the limits: between two of them the power is the same,
so that the energy is exact whenever it is looked at.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from chargepoint_model import behaviour
from chargepoint_model.charging_profiles import (
    FOR_EVER,
    ChargingProfiles,
    Limit,
    Period,
    composite,
    whole_seconds,
)
from chargepoint_model.model_time import ModelTime

FORESEEN_S = 30 * 86_400
"""How far ahead it is worked out when a vehicle will have what it wants."""

MOMENT = timedelta(milliseconds=1)


class Offer(NamedTuple):
    """What is offered from now on."""

    power_w: int
    change_s: float | None
    """Model seconds until it may change; None if it does not."""


class Supply:
    """The supply of one connector, metered.

    Args:
        number: the connectorId.
        time: the model's time.
        profiles: the charge point's charging profiles.
        power_w: what a vehicle draws if nothing limits it, in W.
    """

    def __init__(self, number: int, *, time: ModelTime, profiles: ChargingProfiles, power_w: int) -> None:
        self.barred = False
        """Whether the driver of the session was not accepted, and gets no energy."""
        self._number = number
        self._time = time
        self._profiles = profiles
        self._power_w = power_w
        self._watt_seconds = 0
        self._began_at = time.utc()
        self._began_s = self._metered_until = time.seconds()

    @property
    def meter_wh(self) -> int:
        """The register, in Wh."""
        return behaviour.reading(self._watt_seconds)

    @property
    def began_at(self) -> datetime:
        """When the session began."""
        return self._began_at

    @property
    def at(self) -> datetime:
        """The session's time: whole seconds since its start, the same that its meter has run."""
        return self._began_at + timedelta(seconds=round(self._metered_until - self._began_s))

    def begin(self) -> None:
        """A session begins, later than the one before: a retried start is told from another by its moment."""
        self.barred = False
        self._began_at = max(self._time.utc(), self._began_at + MOMENT)
        self._began_s = self._metered_until = self._time.seconds()

    def flow(self, *, drawn: bool) -> None:
        """Bring the meter to the present.

        Args:
            drawn: whether the vehicle has drawn what it might since this was asked last.
        """
        seconds = int(self._time.seconds() - self._metered_until)
        if drawn:
            self._watt_seconds += sum(power_w * (end - start) for start, power_w, end in self._parts(seconds))
        self._metered_until += seconds

    def limit_at(self, moment: datetime, began_at: datetime) -> Limit:
        """What may be drawn at a moment of a session that began then; its power is never None."""
        limit = self._profiles.limit(self._number, moment, began_at)
        most_w = 0 if self.barred else self._power_w
        return limit._replace(power_w=most_w if limit.power_w is None else min(limit.power_w, most_w))

    def offer(self) -> Offer:
        """What is offered now, where the meter stands."""
        limit = self.limit_at(self.at, self._began_at)
        if limit.until == FOR_EVER:
            return Offer(limit.power_w or 0, None)
        passed_s = self._time.seconds() - self._metered_until
        return Offer(limit.power_w or 0, whole_seconds(limit.until - self.at) - passed_s)

    def seconds_until(self, meter_wh: int) -> int | None:
        """Model seconds of drawing until the register shows `meter_wh`; None if that is not to be foreseen."""
        missing = meter_wh * behaviour.WATT_SECONDS_PER_WH - self._watt_seconds
        if missing <= 0:
            return 0
        for start_s, power_w, end_s in self._parts(FORESEEN_S):
            if power_w * (end_s - start_s) >= missing:
                return start_s + behaviour.seconds_for(missing, power_w)
            missing -= power_w * (end_s - start_s)
        return None

    def _parts(self, seconds: int) -> Iterator[tuple[int, int, int]]:
        """What may be drawn in the next whole seconds, where the meter stands: start, power in W, end."""
        parts = composite(partial(self.limit_at, began_at=self._began_at), self.at, seconds)
        for part, following in pairwise([*parts, Period(seconds, 0)]):
            yield part.start_s, part.power_w, following.start_s
