import httpx
import pytest

from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = "/api/v1/api-keys"


async def test_a_key_is_made_shown_once_and_taken_back(rest: Rest, api: httpx.AsyncClient) -> None:
    made = await api.post(KEYS, json={"name": "billing", "role": "read"})
    assert (made.status_code, made.json()["role"]) == (201, "read")
    key = made.json()["key"]
    async with httpx.AsyncClient(base_url=rest.url, headers={"X-API-Key": key}) as billing:
        assert (await billing.get("/api/v1/users")).status_code == 200
        listed = await api.get(KEYS)
        assert {each["name"]: each["role"] for each in listed.json()}["billing"] == "read"
        assert key not in listed.text
        assert (await api.delete(f"{KEYS}/billing")).status_code == 204
        assert is_problem(await billing.get("/api/v1/users"), 401, "no-key")


async def test_a_name_is_one_key_s(api: httpx.AsyncClient) -> None:
    assert is_problem(await api.post(KEYS, json={"name": "admin", "role": "read"}), 409, "conflict")
    assert is_problem(await api.delete(f"{KEYS}/nobody"), 404, "not-found")
    for body in ({"name": "a b", "role": "read"}, {"name": "a", "role": "chief"}, {"name": "a"}):
        assert is_problem(await api.post(KEYS, json=body), 422, "invalid")
