"""The independent OCPP client of mobilityhouse/ocpp, unmodified, as the charger of scenarios 1 to 4."""

import asyncio
import contextlib

import orjson
import pytest
from ocpp.v16 import ChargePoint, call
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, RegistrationStatus
from websockets.asyncio.client import connect

from scenarios import drivers
from scenarios.cli import SCENARIOS
from scenarios.model import Route, Scenario
from scenarios.world import World

ROAMING = [scenario for scenario in SCENARIOS if scenario.number != 5]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", ROAMING, ids=lambda scenario: f"scenario {scenario.number}")
async def test_a_session_with_the_other_stack_comes_home(scenario: Scenario) -> None:
    async with World() as world:
        await world.build(scenario.centrals)
        url = (await world["C2"].event("listening"))["url"]
        async with connect(f"{url}/Other%20stack%201", subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
            charger = ChargePoint("Other stack 1", socket)
            receiving = asyncio.create_task(charger.start())
            try:
                session = await charge(charger)
            finally:
                receiving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await receiving
        queued = await world["C2"].event("cdr", lambda event: event["stage"] == "queued")
        delivered = await world["C2"].event("cdr", lambda event: event["stage"] == "delivered")
        await world["C1"].event("cdr", lambda event: event["stage"] == "received")
        rows = orjson.loads(await world.central_command("C1", "cdrs", "list", "--received", "--json"))

    cdr = rows[0]["cdr"]
    expected_route = next(variant.cdr for variant in scenario.variants if variant.cdr is not Route.NONE)
    assert (len(rows), cdr["cdrId"], delivered["route"]) == (1, queued["cdr_id"], expected_route)
    assert cdr["chargePointId"] == "Other stack 1"
    assert cdr["operatorId"] == "C2"
    assert {name: cdr[name] for name in session} == session


async def charge(charger: ChargePoint) -> dict[str, object]:
    """One session, with the refusals before it; returns what its CDR must say."""
    boot = await charger.call(call.BootNotification(charge_point_model="Other", charge_point_vendor="Stack"))
    assert boot.status == RegistrationStatus.accepted
    await charger.call(
        call.StatusNotification(
            connector_id=1, error_code=ChargePointErrorCode.no_error, status=ChargePointStatus.preparing
        )
    )
    for id_tag, status in (
        (drivers.UNKNOWN, "Invalid"),
        (drivers.NO_CONSENT, "Invalid"),
        (drivers.BLOCKED, "Blocked"),
        (drivers.EXPIRED, "Expired"),
        (drivers.ACCEPTED.lower(), "Accepted"),
    ):
        answer = await charger.call(call.Authorize(id_tag=id_tag))
        assert answer.id_tag_info["status"] == status, id_tag
    started = await charger.call(
        call.StartTransaction(
            connector_id=1, id_tag=drivers.ACCEPTED, meter_start=100, timestamp="2026-05-01T10:00:00Z"
        )
    )
    assert started.id_tag_info["status"] == "Accepted"
    await charger.call(
        call.MeterValues(
            connector_id=1,
            transaction_id=started.transaction_id,
            meter_value=[{"timestamp": "2026-05-01T10:15:00Z", "sampledValue": [{"value": "3100"}]}],
        )
    )
    await charger.call(
        call.StopTransaction(
            meter_stop=6100,
            timestamp="2026-05-01T10:30:00Z",
            transaction_id=started.transaction_id,
            id_tag=drivers.ACCEPTED,
        )
    )
    return {
        "idTag": drivers.ACCEPTED,
        "transactionId": started.transaction_id,
        "meterStart": 100,
        "meterStop": 6100,
        "sessionStart": "2026-05-01T10:00:00Z",
        "sessionEnd": "2026-05-01T10:30:00Z",
    }
