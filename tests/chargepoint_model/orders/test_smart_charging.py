import asyncio

import pytest

from cascade.frames import Payload
from chargepoint_model.behaviour import Event, State
from chargepoint_model.charger import Charger
from chargepoint_model.orders.smart_charging import in_unit
from tests.chargepoint_model.conftest import Central, ChargerOf
from tests.chargepoint_model.test_charging_profiles import a_profile

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def setting(connector: int, profile: Payload) -> Payload:
    return {"connectorId": connector, "csChargingProfiles": profile}


async def started(charger_of: ChargerOf, connectors: int = 1) -> Charger:
    """A charge point that charges at connector 1, on a clock of its own."""
    charger = await charger_of(time_scale=float("inf"), connectors=connectors, energy_wh=10**6)
    charger.station.configuration.set("MeterValueSampleInterval", 0)
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    await charger.authorizer.present(connector, "T-1")
    await charger.station.outbox.empty()
    assert connector.state is State.CHARGING
    return charger


async def test_a_profile_changes_what_is_metered(central: Central, charger_of: ChargerOf) -> None:
    charger = await started(charger_of)
    connector, wait = charger.station.connectors[1], charger.station.time.wait
    await wait(3600, until=asyncio.Event())
    profile = a_profile(1, "TxProfile", limits={0: 3600, 7200: 0}, transactionId=1)
    assert await central.ask("SetChargingProfile", setting(1, profile)) == ACCEPTED
    await wait(1800, until=asyncio.Event())
    reading = connector.reading()
    assert (reading.energy_wh, reading.power_w) == (22_000 + 1800, 3600)
    await wait(3600, until=asyncio.Event())
    await central.hears("StatusNotification", status="SuspendedEVSE")
    assert connector.reading().energy_wh == 22_000 + 3600
    assert await central.ask("ClearChargingProfile", {"id": 1}) == ACCEPTED
    assert await central.ask("ClearChargingProfile", {"id": 1}) == {"status": "Unknown"}
    await central.hears("StatusNotification", 2, status="Charging")
    await wait(3600, until=asyncio.Event())
    assert connector.reading().energy_wh == 44_000 + 3600


async def test_a_transactions_profile_needs_its_transaction(central: Central, charger_of: ChargerOf) -> None:
    charger = await started(charger_of, connectors=2)
    for connector, transaction, status in (
        (2, {}, REJECTED),
        (1, {"transactionId": 9}, REJECTED),
        (1, {}, ACCEPTED),
    ):
        profile = a_profile(1, "TxProfile", **transaction)  # type: ignore[arg-type]
        assert await central.ask("SetChargingProfile", setting(connector, profile)) == status
    charger.station.connectors[1].happen(Event.UNPLUGGED)
    assert await central.ask("ClearChargingProfile") == {"status": "Unknown"}, "it went with its transaction"


@pytest.mark.parametrize(
    ("connector", "profile"),
    [
        (9, a_profile()),
        (-1, a_profile()),
        (1, a_profile(purpose="ChargePointMaxProfile", kind="Absolute")),
        (1, a_profile(limits={5: 1000})),
    ],
)
async def test_what_makes_no_sense_is_rejected(
    central: Central, charger_of: ChargerOf, connector: int, profile: Payload
) -> None:
    await charger_of()
    assert await central.ask("SetChargingProfile", setting(connector, profile)) == REJECTED


async def test_the_composite_schedule_of_one_and_of_all(central: Central, charger_of: ChargerOf) -> None:
    await charger_of(connectors=2)
    await central.ask("SetChargingProfile", setting(1, a_profile(1, limits={0: 6900, 60: 0})))
    answer = await central.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 300})
    schedule = answer["chargingSchedule"]
    assert (answer["status"], answer["connectorId"]) == ("Accepted", 1)
    assert (schedule["duration"], schedule["chargingRateUnit"]) == (300, "W")
    assert [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]] == [
        (0, 6900.0),
        (60, 0.0),
    ]
    asked = {"connectorId": 0, "duration": 300, "chargingRateUnit": "A"}
    together = (await central.ask("GetCompositeSchedule", asked))["chargingSchedule"]
    assert [(one["startPeriod"], one["limit"]) for one in together["chargingSchedulePeriod"]] == [
        (0, in_unit(22_000 + 6900, "A")),
        (60, in_unit(22_000, "A")),
    ]


@pytest.mark.parametrize("asked", [{"connectorId": 9, "duration": 1}, {"connectorId": 1, "duration": -1}])
async def test_a_composite_schedule_of_nothing(central: Central, charger_of: ChargerOf, asked: Payload) -> None:
    await charger_of()
    assert await central.ask("GetCompositeSchedule", asked) == REJECTED


async def test_a_composite_schedule_has_an_end(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    daily = a_profile(
        *(1, "TxDefaultProfile", 0),
        kind="Recurring",
        recurrencyKind="Daily",
        startSchedule="2026-01-01T00:00:00Z",
        limits={second * 60: second for second in range(100)},
    )
    assert await central.ask("SetChargingProfile", setting(1, daily)) == ACCEPTED
    answer = await central.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 10**12})
    assert len(answer["chargingSchedule"]["chargingSchedulePeriod"]) == 100


def test_limits_have_one_decimal() -> None:
    assert in_unit(11_040, "A") == 16.0
    assert in_unit(22_000, "A") == 31.8
    assert in_unit(7, "W") == 7.0
