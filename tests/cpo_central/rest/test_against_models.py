"""Every operation against the charge point model: another implementation, with effects of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from cascade.frames import Payload
from cascade.trace import FrameTrace
from chargepoint_model.charger import Charger
from chargepoint_model.station import ChargerSettings
from cpo_central.chargers.events import EventKind
from cpo_central.rest.operations import OPERATIONS, Operation
from tests.cpo_central.rest.conftest import Rest

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = "/api/v1/central-system/clients"
TIME_SCALE = 60
"""Model seconds a second: a session of 20 minutes lasts until it is stopped."""

Models = Callable[[str], Awaitable[Charger]]

ANSWERS: dict[str, Payload] = {
    "cancel-reservation": {"status": "Rejected"},
    "certificate-signed": {"status": "Rejected"},
    "clear-charging-profile": {"status": "Unknown"},
    "data-transfer": {"status": "UnknownVendorId"},
    "delete-certificate": {"status": "NotFound"},
    "get-configuration": {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": [],
    },
    "get-installed-certificate-ids": {"status": "NotFound"},
    "get-local-list-version": {"listVersion": 0},
    "install-certificate": {"status": "Rejected"},
    "signed-update-firmware": {"status": "InvalidCertificate"},
    "stop-transaction": {"status": "Rejected"},
    "unlock-connector": {"status": "Unlocked"},
    "update-firmware": {},
}
"""What a model that has just booted answers to the examples, where it is not {"status": "Accepted"}."""

MORE = {"get-composite-schedule", "get-diagnostics", "get-log"}
"""Whose answers say more than a status."""


@pytest_asyncio.fixture(loop_scope="module")
async def model(rest: Rest, api: httpx.AsyncClient) -> AsyncIterator[Models]:
    """Starts charge point models, and ends them after the test."""
    await api.put("/api/v1/tokens/ANNA-CARD-1", json={})
    async with AsyncExitStack() as stack:

        async def start(identity: str) -> Charger:
            charger = Charger(
                ChargerSettings(
                    url=f"ws://127.0.0.1:{rest.central.port}/ocpp",
                    identity=identity,
                    connectors=2,
                    time_scale=TIME_SCALE,
                    backoff_base_s=0.02,
                ),
                FrameTrace(identity),
            )
            run = asyncio.create_task(charger.run())
            stack.push_async_callback(asyncio.wait, [run])
            stack.callback(run.cancel)
            stack.push_async_callback(charger.switch_off)
            await charger.booted.wait()
            return charger

        yield start


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
async def test_every_operation_is_answered(api: httpx.AsyncClient, model: Models, operation: Operation) -> None:
    await model(operation.path)
    answer = await api.post(f"{CLIENTS}/{operation.path}/{operation.path}", json=operation.example)
    assert answer.status_code == 200
    expected = ANSWERS.get(operation.path, {"status": "Accepted"})
    if operation.path in MORE:
        assert answer.json().get("status", "Accepted") == "Accepted"
    else:
        assert answer.json() == expected


async def test_a_session_from_afar(rest: Rest, api: httpx.AsyncClient, model: Models) -> None:
    await model("CP-A")
    with rest.central._events.watching() as watch:

        async def happened(kind: EventKind) -> Payload:
            async with asyncio.timeout(10):
                while (event := await watch.get()) is not None:
                    if (event.kind, event.charge_point_id) == (kind, "CP-A"):
                        return event.details
            raise AssertionError(f"no {kind}")

        start = {"connectorId": 1, "idTag": "ANNA-CARD-1"}
        assert (await api.post(f"{CLIENTS}/CP-A/start-transaction", json=start)).json() == {
            "status": "Accepted"
        }
        number = (await happened(EventKind.TRANSACTION_STARTED))["transactionId"]
        (shown,) = (await api.get("/api/v1/transactions", params={"open": True})).json()["items"]
        assert (shown["transactionId"], shown["chargePointId"], shown["connectorId"]) == (number, "CP-A", 1)
        stop = {"transactionId": number}
        await api.post(f"{CLIENTS}/CP-A/stop-transaction", json=stop)
        meter_stop = (await happened(EventKind.TRANSACTION_STOPPED))["meterStop"]
    shown = (await api.get(f"/api/v1/transactions/{number}")).json()
    assert (shown["meterStop"], shown["stopReason"]) == (meter_stop, "Remote")
    energy = (await api.get("/api/v1/energy", params={"group": "charge-point"})).json()
    by_group = {each["group"]: each["energyWh"] for each in energy}
    assert by_group["CP-A"] == meter_stop - shown["meterStart"]


async def test_commands_have_effects(rest: Rest, api: httpx.AsyncClient, model: Models) -> None:
    await model("CP-B")
    with rest.central._events.watching() as watch:

        async def is_now(connector_id: int, status: str) -> None:
            async with asyncio.timeout(10):
                while (event := await watch.get()) is not None:
                    details = event.details
                    if (details.get("connectorId"), details.get("status")) == (connector_id, status):
                        return

        await api.post(f"{CLIENTS}/CP-B/change-availability", json={"connectorId": 2, "type": "Inoperative"})
        await is_now(2, "Unavailable")
        reservation = {"expiryDate": "2099-01-01T00:00:00Z", "idTag": "ANNA-CARD-1", "reservationId": 7}
        await api.post(f"{CLIENTS}/CP-B/reserve-now", json={"connectorId": 1, **reservation})
        await is_now(1, "Reserved")
        await api.post(f"{CLIENTS}/CP-B/cancel-reservation", json={"reservationId": 7})
        await is_now(1, "Available")
    connectors = (await api.get("/api/v1/charge-points/CP-B")).json()["connectors"]
    assert {each["connectorId"]: each["status"] for each in connectors}[2] == "Unavailable"
    change = {"key": "HeartbeatInterval", "value": "77"}
    await api.post(f"{CLIENTS}/CP-B/change-configuration", json=change)
    answer = await api.post(f"{CLIENTS}/CP-B/get-configuration", json={"key": ["HeartbeatInterval", "Nix"]})
    assert answer.json()["configurationKey"][0]["value"] == "77"
    assert answer.json()["unknownKey"] == ["Nix"]
    sent = await api.post(f"{CLIENTS}/CP-B/local-list", json={"full": True})
    assert sent.json()["status"] == "Accepted"
    version = await api.post(f"{CLIENTS}/CP-B/get-local-list-version")
    assert version.json() == {"listVersion": sent.json()["version"]}
    with rest.central._events.watching() as watch:
        await api.post(f"{CLIENTS}/CP-B/reset", json={"type": "Hard"})
        async with asyncio.timeout(10):
            while (event := await watch.get()) is not None and event.kind is not EventKind.CONNECTED:
                pass
    assert (await api.get(CLIENTS)).json() == ["CP-B"]
