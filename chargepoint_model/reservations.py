"""Reservations: who may use which connector until when (OCPP 1.6, sections 3.10, 5.1 and 5.13).

A reservation of connector 0 is one of any connector: as many connectors as there are such reservations are kept
free for those who hold them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from chargepoint_model.behaviour import Driver


class Reservation(NamedTuple):
    """One reservation."""

    reservation_id: int
    connector_id: int
    """0 for any."""
    holder: Driver
    """By its idTag, or whoever has the same parent."""
    expires_at: datetime


class Reservations:
    """The reservations of one charge point."""

    def __init__(self) -> None:
        self._by_id: dict[int, Reservation] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return iter(list(self._by_id.values()))

    def get(self, reservation_id: int) -> Reservation | None:
        """The reservation with this id."""
        return self._by_id.get(reservation_id)

    def add(self, reservation: Reservation) -> None:
        """Add one, instead of the one with its id."""
        self._by_id[reservation.reservation_id] = reservation

    def remove(self, reservation_id: int) -> Reservation | None:
        """Remove one, if there is one with this id."""
        return self._by_id.pop(reservation_id, None)

    def expired(self, now: datetime) -> list[Reservation]:
        """Those whose time is over."""
        return [one for one in self._by_id.values() if one.expires_at <= now]

    def on(self, connector_id: int) -> Reservation | None:
        """The reservation of just this connector."""
        return next((one for one in self._by_id.values() if one.connector_id == connector_id), None)

    def of_any(self) -> list[Reservation]:
        """The reservations of connector 0."""
        return [one for one in self._by_id.values() if one.connector_id == 0]

    def claimed(self, connector_id: int, driver: Driver) -> Reservation | None:
        """The reservation that a driver would use up at a connector: the connector's own, else one of any."""
        candidates = [self.on(connector_id), *self.of_any()]
        return next((one for one in candidates if one and one.holder.owns(driver)), None)

    def allow(self, connector_id: int, driver: Driver, free: int) -> bool:
        """Whether a driver may use a connector.

        Args:
            connector_id: the connector.
            driver: who wants it, with the parent if it is known.
            free: how many connectors, this one included, are free and not reserved each by itself.
        """
        own = self.on(connector_id)
        if own is not None:
            return own.holder.owns(driver)
        return self.claimed(connector_id, driver) is not None or free > len(self.of_any())
