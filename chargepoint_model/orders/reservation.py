"""The Reservation profile (OCPP 1.6, sections 5.1 and 5.13)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from cascade.ocpp16 import ChargePointStatus
from chargepoint_model.behaviour import Driver, State
from chargepoint_model.moments import read_moment
from chargepoint_model.reservations import Reservation
from chargepoint_model.station import Station

REFUSALS = {ChargePointStatus.faulted: "Faulted", ChargePointStatus.unavailable: "Unavailable"}
"""Why a connector in this status cannot be reserved; in any other that is not Available it is Occupied."""


class ReservationOrders:
    """Answers the calls of the Reservation profile.

    Args:
        station: the charge point that obeys.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {"CancelReservation": self.cancel, "ReserveNow": self.reserve}

    async def reserve(self, call: Call) -> Payload:
        """Section 5.13: connector 0 is any of them."""
        payload = call.payload
        reservation = Reservation(
            payload["reservationId"],
            payload["connectorId"],
            Driver(payload["idTag"], payload.get("parentIdTag")),
            read_moment(payload["expiryDate"]),
        )
        if reservation.expires_at <= self._station.time.utc():
            return {"status": "Rejected"}
        if reservation.connector_id not in {0, *self._station.connectors}:
            return {"status": "Rejected"}
        status = self._status_for(reservation)
        if status == "Accepted":
            self._station.reserve(reservation)
        return {"status": status}

    def _status_for(self, reservation: Reservation) -> str:
        connectors, reservations = self._station.connectors.values(), self._station.reservations
        replaced = reservations.get(reservation.reservation_id)
        freed = replaced.connector_id if replaced else None
        free = {one.number for one in connectors if one.state is State.AVAILABLE or one.number == freed}
        wanted = {one.number for one in connectors if reservation.connector_id in {0, one.number}}
        promised = [one for one in reservations.of_any() if one != replaced]
        if wanted & free:
            return "Accepted" if len(free) > len(promised) else "Occupied"
        reasons = {REFUSALS.get(self._station.connectors[number].status, "Occupied") for number in wanted}
        return reasons.pop() if len(reasons) == 1 else "Occupied"

    async def cancel(self, call: Call) -> Payload:
        """Section 5.1."""
        released = self._station.release(call.payload["reservationId"])
        return {"status": "Accepted" if released else "Rejected"}
