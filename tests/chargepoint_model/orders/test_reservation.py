import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from cascade.errors import PeerError
from cascade.frames import Payload
from cascade.roaming.model import utc_text
from chargepoint_model import visit
from chargepoint_model.behaviour import Event, State
from tests.chargepoint_model.conftest import Central, ChargerOf

ACCEPTED = {"status": "Accepted"}


def a_reservation(number: int = 1, connector: int = 1, tag: str = "ANNE", **more: str) -> Payload:
    expiry = utc_text(datetime.now(UTC) + timedelta(hours=1))
    return {"reservationId": number, "connectorId": connector, "idTag": tag, "expiryDate": expiry, **more}


async def test_a_reserved_connector_waits_for_its_holder(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    assert await central.ask("ReserveNow", a_reservation(7)) == ACCEPTED
    await central.hears("StatusNotification", connectorId=1, status="Reserved")
    assert await central.ask("RemoteStartTransaction", {"idTag": "BOB"}) == {"status": "Rejected"}
    visit.arrive(connector)
    await charger.authorizer.present(connector, "BOB")
    assert connector.status == "Reserved"
    await charger.authorizer.present(connector, "anne")
    start = await central.hears("StartTransaction", idTag="anne")
    assert start["reservationId"] == 7
    visit.leave(connector)
    assert connector.state is State.AVAILABLE, "it is used up"
    await central.ask("RemoteStartTransaction", {"idTag": "BOB"})
    assert "reservationId" not in await central.hears("StartTransaction", idTag="BOB")


async def test_a_holder_may_start_from_afar_and_a_parent_counts(
    central: Central, charger_of: ChargerOf
) -> None:
    charger = await charger_of(connectors=2)
    await central.ask("ReserveNow", a_reservation(1, 1, parentIdTag="FLEET"))
    await central.ask("ReserveNow", a_reservation(2, 2))
    assert await central.ask("RemoteStartTransaction", {"idTag": "ANNE", "connectorId": 2}) == ACCEPTED
    assert (await central.hears("StartTransaction", connectorId=2))["reservationId"] == 2
    central.script["Authorize"] = [{"idTagInfo": {"status": "Accepted", "parentIdTag": "fleet"}}]
    visit.arrive(charger.station.connectors[1])
    await charger.authorizer.present(charger.station.connectors[1], "CAR-2")
    assert (await central.hears("StartTransaction", idTag="CAR-2"))["reservationId"] == 1


async def test_a_reservation_ends_by_its_time_or_by_order(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(time_scale=float("inf"), connectors=2)
    await central.ask("ReserveNow", a_reservation(1, 1))
    await central.ask("ReserveNow", a_reservation(2, 2))
    assert await central.ask("CancelReservation", {"reservationId": 2}) == ACCEPTED
    assert await central.ask("CancelReservation", {"reservationId": 2}) == {"status": "Rejected"}
    await central.hears("StatusNotification", 2, connectorId=2, status="Available")
    await charger.station.time.wait(3700, until=asyncio.Event())
    await central.hears("StatusNotification", 2, connectorId=1, status="Available")


async def test_one_of_any_is_kept_free(central: Central, charger_of: ChargerOf) -> None:
    await charger_of(connectors=2)
    assert await central.ask("ReserveNow", a_reservation(1, 0)) == ACCEPTED
    assert await central.ask("RemoteStartTransaction", {"idTag": "BOB"}) == ACCEPTED
    assert await central.ask("RemoteStartTransaction", {"idTag": "EVE"}) == {"status": "Rejected"}
    assert await central.ask("ReserveNow", a_reservation(2, 2)) == {"status": "Occupied"}
    assert await central.ask("ReserveNow", a_reservation(3, 0, "EVE")) == {"status": "Occupied"}
    assert await central.ask("RemoteStartTransaction", {"idTag": "ANNE"}) == ACCEPTED
    assert (await central.hears("StartTransaction", idTag="ANNE"))["reservationId"] == 1


async def test_the_same_reservation_moves(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of(connectors=2)
    states = [charger.station.connectors[number] for number in (1, 2)]
    for connector, expected in ((1, [True, False]), (1, [True, False]), (2, [False, True])):
        assert await central.ask("ReserveNow", a_reservation(1, connector)) == ACCEPTED
        assert [one.state is State.RESERVED for one in states] == expected
    assert await central.ask("ReserveNow", a_reservation(9, 2)) == {"status": "Occupied"}


@pytest.mark.parametrize(
    ("happened", "status"),
    [
        ([Event.FAULT], "Faulted"),
        ([Event.MADE_INOPERATIVE], "Unavailable"),
        ([Event.PLUGGED_IN], "Occupied"),
    ],
)
@pytest.mark.parametrize("connector", [0, 1])
async def test_what_is_not_free_cannot_be_reserved(
    central: Central, charger_of: ChargerOf, happened: list[Event], status: str, connector: int
) -> None:
    charger = await charger_of()
    for event in happened:
        charger.station.connectors[1].happen(event)
    assert await central.ask("ReserveNow", a_reservation(1, connector)) == {"status": status}


async def test_what_makes_no_sense_is_rejected(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    assert await central.ask("ReserveNow", a_reservation(1, 9)) == {"status": "Rejected"}
    past = {**a_reservation(), "expiryDate": "2020-01-01T00:00:00Z"}
    assert await central.ask("ReserveNow", past) == {"status": "Rejected"}
    with pytest.raises(PeerError, match="PropertyConstraintViolation"):
        await central.ask("ReserveNow", {**a_reservation(), "expiryDate": "2016-12-31T23:59:60Z"})
