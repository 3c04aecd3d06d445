from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from cascade.roaming.cdrs import Authorization, Cdr
from cascade.roaming.tokens import Token
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import queue
from cpo_central.drivers.tokens import TokenStore
from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CDRS = "/api/v1/cdrs"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_cdr(operator_id: str, cdr_id: UUID) -> Cdr:
    return Cdr(
        session_start=NOW,
        id_tag="A",
        meter_start=0,
        operator_id=operator_id,
        transaction_id=1,
        meter_stop=100,
        cdr_id=cdr_id,
        session_end=NOW,
        home_operator_id="C9",
        charge_point_id="CP-1",
        connector_id=1,
        authorization=Authorization.HUB,
        authorization_reference="m-1",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cdr_ids(rest: Rest) -> list[str]:
    """Three sent ones, and a received one."""
    database = rest.central._database
    ids = sorted((uuid4() for _ in range(3)), key=str)
    for cdr_id in ids:
        cdr = a_cdr("C1", cdr_id)
        await database.write(lambda connection, cdr=cdr: queue(connection, cdr, NOW))  # type: ignore[misc]
    await TokenStore(database).put([Token(id_tag="A")])
    received = a_cdr("C2", uuid4())
    await Intake(database).take([received], None, NOW)
    return [*map(str, ids), str(received.cdr_id)]


async def test_cdrs_sent_come_page_by_page(api: httpx.AsyncClient, cdr_ids: list[str]) -> None:
    first = (await api.get(CDRS, params={"limit": 2})).json()
    last = (await api.get(CDRS, params={"limit": 2, "after": first["next"]})).json()
    assert [item["cdrId"] for item in first["items"] + last["items"]] == cdr_ids[:3]
    assert last["next"] is None
    item = first["items"][0]
    assert (item["direction"], item["status"], item["operatorId"]) == ("sent", "Queued", "C9")
    assert item["cdr"]["meterStop"] == 100


async def test_cdrs_received(api: httpx.AsyncClient, cdr_ids: list[str]) -> None:
    (item,) = (await api.get(CDRS, params={"direction": "received"})).json()["items"]
    assert (item["cdrId"], item["status"], item["operatorId"]) == (cdr_ids[3], "Received", "C2")


async def test_one_cdr(api: httpx.AsyncClient, cdr_ids: list[str]) -> None:
    for cdr_id in cdr_ids:
        shown = (await api.get(f"{CDRS}/{cdr_id}")).json()
        assert shown["cdrId"] == shown["cdr"]["cdrId"] == cdr_id
    assert is_problem(await api.get(f"{CDRS}/{uuid4()}"), 404, "not-found")
    assert is_problem(await api.get(f"{CDRS}/7"), 422, "invalid")
    assert is_problem(await api.delete(f"{CDRS}/{cdr_ids[0]}"), 405, "method-not-allowed")
