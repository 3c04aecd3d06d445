from datetime import UTC, datetime, timedelta

import pytest

from chargepoint_model.behaviour import Driver
from chargepoint_model.reservations import Reservation, Reservations

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANNE, BOB = Driver("ANNE"), Driver("BOB")


def a_reservation(number: int, connector: int, holder: Driver = ANNE) -> Reservation:
    return Reservation(number, connector, holder, NOON)


@pytest.fixture
def reservations() -> Reservations:
    return Reservations()


def test_a_reserved_connector_is_its_holders(reservations: Reservations) -> None:
    reservations.add(a_reservation(1, 2, Driver("anne", "FLEET")))
    assert reservations.allow(2, ANNE, free=0)
    assert reservations.allow(2, Driver("OTHER", "fleet"), free=0)
    assert not reservations.allow(2, BOB, free=9)
    assert not reservations.allow(2, Driver("OTHER", "other"), free=9)
    assert reservations.allow(1, BOB, free=1), "the others are everybody's"


def test_as_many_are_kept_free_as_any_are_reserved(reservations: Reservations) -> None:
    reservations.add(a_reservation(1, 0))
    assert reservations.allow(1, BOB, free=2)
    assert not reservations.allow(1, BOB, free=1)
    assert reservations.allow(1, ANNE, free=1)


def test_which_one_a_driver_uses_up(reservations: Reservations) -> None:
    any_one, own = a_reservation(1, 0), a_reservation(2, 1)
    reservations.add(any_one)
    assert reservations.claimed(1, ANNE) == any_one
    reservations.add(own)
    assert reservations.claimed(1, ANNE) == own
    assert reservations.claimed(2, ANNE) == any_one
    assert reservations.claimed(1, BOB) is None


def test_one_with_the_same_id_is_replaced(reservations: Reservations) -> None:
    reservations.add(a_reservation(1, 1))
    reservations.add(a_reservation(1, 2))
    assert [one.connector_id for one in reservations] == [2]
    assert reservations.remove(1) == a_reservation(1, 2)
    assert reservations.remove(1) is None
    assert reservations.get(1) is None


def test_their_time_is_over(reservations: Reservations) -> None:
    reservations.add(a_reservation(1, 1))
    assert reservations.expired(NOON - timedelta(seconds=1)) == []
    assert reservations.expired(NOON) == [a_reservation(1, 1)]
