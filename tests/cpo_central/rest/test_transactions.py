import httpx
import pytest
import pytest_asyncio

from cascade.frames import Payload
from tests.cpo_central.actors import Charger
from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSACTIONS = "/api/v1/transactions"


def measured(*moments: str, transaction_id: int | None = None, connector_id: int = 1) -> Payload:
    request: Payload = {
        "connectorId": connector_id,
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": "1"}]} for at in moments],
    }
    return request if transaction_id is None else {**request, "transactionId": transaction_id}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def numbers(rest: Rest, api: httpx.AsyncClient) -> list[int]:
    """Four transactions: two of A at CP-1, one of B at CP-2, and one of A there that goes on."""
    found = []
    for id_tag in ("A", "B"):
        await api.put(f"/api/v1/tokens/{id_tag}", json={})
    for charge_point_id, id_tag, hour, ends in (
        ("CP-1", "A", 10, True),
        ("CP-1", "a", 12, True),
        ("CP-2", "B", 14, True),
        ("CP-2", "A", 16, False),
    ):
        charger = await Charger.connect(rest.central.port, charge_point_id)
        number = (await charger.start(id_tag, at=f"2026-01-01T{hour}:00:00.5Z"))["transactionId"]
        moments = (f"2026-01-01T{hour}:20:00Z", f"2026-01-01T{hour + 1}:10:00+01:00")
        await charger.link.call("MeterValues", measured(*moments, transaction_id=number))
        if ends:
            await charger.stop(number, at=f"2026-01-01T{hour + 1}:00:00Z", reason="Local")
        found.append(number)
        await charger.close()
    return found


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [3, 2, 1, 0]),
        ({"chargePointId": "CP-1"}, [1, 0]),
        ({"idTag": "A"}, [3, 1, 0]),
        ({"open": "true"}, [3]),
        ({"open": "false", "idTag": "b"}, [2]),
        ({"from": "2026-01-01T12:00:00Z", "to": "2026-01-01T17:00:00+01:00"}, [2, 1]),
        ({"from": "2026-01-01T10:00:01Z", "to": "2026-01-01T12:00:00.7Z"}, []),
        ({"chargePointId": "NOBODY"}, []),
    ],
)
async def test_transactions_are_found(
    api: httpx.AsyncClient, numbers: list[int], parameters: dict[str, str], expected: list[int]
) -> None:
    page = (await api.get(TRANSACTIONS, params=parameters)).json()
    assert [item["transactionId"] for item in page["items"]] == [numbers[each] for each in expected]
    assert page["next"] is None


async def test_transactions_come_page_by_page(api: httpx.AsyncClient, numbers: list[int]) -> None:
    first = (await api.get(TRANSACTIONS, params={"limit": 3})).json()
    assert len(first["items"]) == 3
    last = (await api.get(TRANSACTIONS, params={"limit": 3, "after": first["next"]})).json()
    assert [item["transactionId"] for item in last["items"]] == numbers[:1]


async def test_one_transaction(api: httpx.AsyncClient, numbers: list[int]) -> None:
    shown = (await api.get(f"{TRANSACTIONS}/{numbers[0]}")).json()
    assert (shown["idTag"], shown["status"], shown["decidedBy"]) == ("A", "Accepted", "own")
    assert (shown["startedAt"], shown["meterStart"]) == ("2026-01-01T10:00:00.500000Z", 1000)
    assert (shown["stoppedAt"], shown["meterStop"], shown["stopReason"]) == (
        "2026-01-01T11:00:00Z",
        8500,
        "Local",
    )
    assert is_problem(await api.get(f"{TRANSACTIONS}/999"), 404, "not-found")
    assert is_problem(await api.get(f"{TRANSACTIONS}/{2**63}"), 422, "invalid")


async def test_meter_values_of_a_transaction_come_in_the_order_of_their_times(
    api: httpx.AsyncClient, numbers: list[int]
) -> None:
    path = f"{TRANSACTIONS}/{numbers[0]}/meter-values"
    first = (await api.get(path, params={"limit": 1})).json()
    second = (await api.get(path, params={"limit": 2, "after": first["next"]})).json()
    values = first["items"] + second["items"]
    assert [value["timestamp"] for value in values] == ["2026-01-01T10:10:00Z", "2026-01-01T10:20:00Z"]
    assert {(value["transactionId"], value["sampledValue"][0]["value"]) for value in values} == {
        (numbers[0], "1")
    }
    assert second["next"] is None
    assert is_problem(await api.get(f"{TRANSACTIONS}/999/meter-values"), 404, "not-found")


async def test_meter_values_of_a_charge_point(api: httpx.AsyncClient, numbers: list[int]) -> None:
    assert numbers
    parameters = {"chargePointId": "CP-1", "from": "2026-01-01T10:15:00Z", "to": "2026-01-01T12:15:00Z"}
    values = (await api.get("/api/v1/meter-values", params=parameters)).json()["items"]
    assert [value["timestamp"] for value in values] == ["2026-01-01T10:20:00Z", "2026-01-01T12:10:00Z"]
    assert is_problem(await api.get("/api/v1/meter-values"), 422, "invalid")
