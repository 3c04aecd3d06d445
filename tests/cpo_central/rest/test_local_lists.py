import httpx
import pytest

from cascade.frames import Call, Payload
from tests.cpo_central.rest.conftest import Chargers, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


def path(charge_point_id: str) -> str:
    return f"/api/v1/central-system/clients/{charge_point_id}/local-list"


async def test_our_tokens_become_a_charger_s_list_and_we_count_its_versions(
    api: httpx.AsyncClient, charger: Chargers
) -> None:
    heard: list[Payload] = []

    async def take(call: Call) -> Payload:
        heard.append(call.payload)
        return {"status": "Accepted"}

    await charger("CP-1", SendLocalList=take)
    await api.put("/api/v1/tokens/LIST-1", json={"parentIdTag": "GROUP"})
    sent = await api.post(path("CP-1"), json={"full": True})
    assert (sent.status_code, sent.json()) == (200, {"status": "Accepted", "version": 1, "tokens": 1})
    await api.put("/api/v1/tokens/LIST-2", json={})
    assert (await api.post(path("CP-1"), json={})).json() == {"status": "Accepted", "version": 2, "tokens": 1}
    again = {"idTags": ["list-1"]}
    assert (await api.post(path("CP-1"), json=again)).json()["version"] == 3
    assert [(request["listVersion"], request["updateType"]) for request in heard] == [
        (1, "Full"),
        (2, "Differential"),
        (3, "Differential"),
    ]
    tags = [entry["idTag"] for request in heard for entry in request["localAuthorizationList"]]
    assert tags == ["LIST-1", "LIST-2", "LIST-1"]
    assert (await api.get("/api/v1/charge-points/CP-1")).json()["localListVersion"] == 3


async def test_a_token_that_is_not_ours_and_a_charger_that_is_nobody_s(
    api: httpx.AsyncClient, charger: Chargers
) -> None:
    await charger("CP-1")
    assert is_problem(await api.post(path("CP-1"), json={"idTags": ["NOT-OURS"]}), 404, "not-found")
    assert is_problem(await api.post(path("NOBODY"), json={"full": True}), 404, "unknown-charge-point")
    assert is_problem(await api.post(path("CP-1"), json={"full": True}), 502, "call-error")
