"""The Smart Charging profile (OCPP 1.6, sections 5.5, 5.7 and 5.16)."""

from datetime import datetime
from functools import partial
from itertools import islice

from cascade.frames import Call, Payload
from cascade.link import Handler
from cascade.roaming.model import utc_text
from chargepoint_model.charging_profiles import (
    FOR_EVER,
    Limit,
    Period,
    Profile,
    Purpose,
    composite,
    read_profile,
)
from chargepoint_model.connector import Connector
from chargepoint_model.keys import MAX_PERIODS
from chargepoint_model.measurands import PHASES, VOLTS
from chargepoint_model.station import Station

MAX_COMPOSITE_S = 366 * 86_400
"""The longest composite schedule that is worked out."""


class SmartChargingOrders:
    """Answers the calls of the Smart Charging profile.

    Args:
        station: the charge point that obeys.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {
            "ClearChargingProfile": self.clear,
            "GetCompositeSchedule": self.composite_schedule,
            "SetChargingProfile": self.install,
        }

    async def install(self, call: Call) -> Payload:
        """Section 5.16: a TxProfile is one of the transaction that is under way."""
        number = call.payload["connectorId"]
        profile = read_profile(number, call.payload["csChargingProfiles"], self._station.time.utc())
        if profile is None or number not in {0, *self._station.connectors} or not self._has_place(profile):
            return {"status": "Rejected"}
        with self._station.changing():
            installed = self._station.profiles.install(profile)
        return {"status": "Accepted" if installed else "Rejected"}

    def _has_place(self, profile: Profile) -> bool:
        if profile.purpose is not Purpose.TRANSACTION:
            return True
        session = self._station.connectors[profile.connector_id].session
        return session is not None and profile.transaction_id in {None, session.transaction_id}

    async def clear(self, call: Call) -> Payload:
        """Section 5.5."""
        payload = call.payload
        with self._station.changing():
            cleared = self._station.profiles.clear(
                payload.get("id"),
                payload.get("connectorId"),
                payload.get("chargingProfilePurpose"),
                payload.get("stackLevel"),
            )
        return {"status": "Accepted" if cleared else "Unknown"}

    async def composite_schedule(self, call: Call) -> Payload:
        """Section 5.7: connector 0 is what all of them may draw together."""
        number, duration_s = call.payload["connectorId"], call.payload["duration"]
        connectors = [one for one in self._station.connectors.values() if number in {0, one.number}]
        if not connectors or duration_s < 0:
            return {"status": "Rejected"}
        now, duration_s = self._station.time.utc(), min(duration_s, MAX_COMPOSITE_S)
        unit = call.payload.get("chargingRateUnit", "W")
        periods = islice(composite(partial(_together, connectors, now), now, duration_s), MAX_PERIODS)
        return {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": utc_text(now),
            "chargingSchedule": {
                "duration": duration_s,
                "startSchedule": utc_text(now),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [_period(period, unit) for period in periods],
            },
        }


def _together(connectors: list[Connector], now: datetime, moment: datetime) -> Limit:
    limits = [
        connector.supply.limit_at(moment, connector.session.started_at if connector.session else now)
        for connector in connectors
    ]
    return Limit(
        sum(limit.power_w or 0 for limit in limits), min((limit.until for limit in limits), default=FOR_EVER)
    )


def _period(period: Period, unit: str) -> Payload:
    limit = in_unit(period.power_w, unit)
    return {"startPeriod": period.start_s, "limit": limit, "numberPhases": PHASES}


def in_unit(power_w: int, unit: str) -> float:
    """A power in W, or as the current in A of each phase, with one decimal, rounded down."""
    return float(power_w) if unit == "W" else power_w * 10 // (VOLTS * PHASES) / 10
