import httpx
import pytest

from tests.cpo_central.rest.conftest import is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS = "/api/v1/users"


async def test_a_person_is_added_changed_and_deleted(api: httpx.AsyncClient) -> None:
    await api.put("/api/v1/tokens/ANNA-1", json={})
    added = await api.post(USERS, json={"name": "Anna", "email": "anna@example.org", "tokens": ["anna-1"]})
    assert added.status_code == 201
    anna = added.json()
    assert (anna["name"], anna["email"], anna["tokens"]) == ("Anna", "anna@example.org", ["ANNA-1"])
    path = f"{USERS}/{anna['userId']}"
    assert (await api.get(path)).json() == anna
    assert (await api.patch(path, json={"email": None})).json() == {**anna, "email": None}
    assert (await api.patch(path, json={"name": "Anne"})).json() == {**anna, "email": None, "name": "Anne"}
    refused = await api.delete(path)
    assert is_problem(refused, 409, "conflict")
    assert "take them away first" in refused.json()["detail"]
    assert (await api.patch(path, json={"tokens": []})).json()["tokens"] == []
    assert (await api.delete(path)).status_code == 204
    for answer in (await api.get(path), await api.patch(path, json={}), await api.delete(path)):
        assert is_problem(answer, 404, "not-found")


async def test_people_are_listed_page_by_page(api: httpx.AsyncClient) -> None:
    ids = [(await api.post(USERS, json={"name": f"U{number}"})).json()["userId"] for number in range(3)]
    page = (await api.get(USERS, params={"after": ids[0] - 1, "limit": 2})).json()
    assert [user["userId"] for user in page["items"]] == ids[:2]
    page = (await api.get(USERS, params={"after": page["next"], "limit": 2})).json()
    assert ([user["userId"] for user in page["items"]], page["next"]) == (ids[2:], None)


async def test_what_belongs_to_another_is_a_conflict(api: httpx.AsyncClient) -> None:
    await api.put("/api/v1/tokens/BOB-1", json={})
    await api.post(USERS, json={"name": "Bob", "email": "bob@example.org", "tokens": ["BOB-1"]})
    for body in (
        {"name": "Eve", "email": "BOB@example.org"},
        {"name": "Eve", "tokens": ["bob-1"]},
        {"name": "Eve", "tokens": ["NOT-OURS"]},
    ):
        assert is_problem(await api.post(USERS, json=body), 409, "conflict")
    assert "Eve" not in (await api.get(USERS)).text


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "A", "email": "nowhere"}, {"name": "A", "tokens": ["ä"]}]
)
async def test_what_is_no_person(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert is_problem(await api.post(USERS, json=body), 422, "invalid")
