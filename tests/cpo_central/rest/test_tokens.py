import httpx
import pytest

from tests.cpo_central.rest.conftest import Chargers, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS = "/api/v1/tokens"
CSV = {"Content-Type": "text/csv"}


async def test_a_token_is_added_changed_blocked_and_found_without_case(
    api: httpx.AsyncClient, charger: Chargers
) -> None:
    answer = await api.put(f"{TOKENS}/Anna 1%2F2", json={"expiryDate": "2099-01-01T01:00:00+01:00"})
    token = {
        "idTag": "Anna 1/2",
        "status": "Accepted",
        "expiryDate": "2099-01-01T00:00:00Z",
        "parentIdTag": None,
        "rejectedByHub": None,
    }
    assert (answer.status_code, answer.json()) == (200, token)
    assert (await api.get(f"{TOKENS}/ANNA%201%2f2")).json() == token
    standing = await charger("CP-1")
    assert (await standing.authorize("anna 1/2"))["status"] == "Accepted"
    assert (await api.post(f"{TOKENS}/anna 1%2F2/block")).json() == {**token, "status": "Blocked"}
    assert (await standing.authorize("anna 1/2"))["status"] == "Blocked"
    changed = await api.put(f"{TOKENS}/Anna 1%2F2", json={"parentIdTag": "GROUP"})
    assert changed.json() == {**token, "expiryDate": None, "parentIdTag": "GROUP"}


async def test_a_token_that_is_not_ours(api: httpx.AsyncClient) -> None:
    assert is_problem(await api.get(f"{TOKENS}/NOBODY"), 404, "not-found")
    assert is_problem(await api.post(f"{TOKENS}/NOBODY/block"), 404, "not-found")


@pytest.mark.parametrize(
    ("id_tag", "body"),
    [
        ("A" * 21, {}),
        ("%C3%A4", {}),
        ("A", {"status": "ConcurrentTx"}),
        ("A", {"expiryDate": "2026-01-01T00:00:00"}),
        ("A", {"expiryDate": 0}),
        ("A", {"deleted": True}),
    ],
)
async def test_what_is_no_token(api: httpx.AsyncClient, id_tag: str, body: dict[str, object]) -> None:
    assert is_problem(await api.put(f"{TOKENS}/{id_tag}", json=body), 422, "invalid")


async def test_tokens_are_listed_page_by_page(api: httpx.AsyncClient) -> None:
    lines = "\n".join(["idTag", *(f"PAGE-{number}" for number in range(5))])
    answer = await api.post(TOKENS, content=lines, headers=CSV)
    assert (answer.status_code, answer.json()) == (200, {"imported": 5})
    seen, after = [], "PAGE"
    while after is not None:
        page = (await api.get(TOKENS, params={"after": after, "limit": 2})).json()
        seen += [token["idTag"] for token in page["items"]]
        after = page["next"]
    assert seen == [f"PAGE-{number}" for number in range(5)]


async def test_an_import_is_all_or_nothing_and_names_each_line(api: httpx.AsyncClient) -> None:
    content = "idTag,status\nCSV-GOOD,Accepted\nCSV-BAD,Perhaps\n,Accepted\nCSV-LONG,Accepted,more\n"
    answer = await api.post(TOKENS, content=content, headers=CSV)
    assert is_problem(answer, 422, "invalid")
    assert [fault["place"] for fault in answer.json()["errors"]] == ["line 3", "line 4", "line 5"]
    assert is_problem(await api.get(f"{TOKENS}/CSV-GOOD"), 404, "not-found")


@pytest.mark.parametrize("content", [b"", b"name\nA\n", b"idTag\n\xff\n", b'idTag\n"A\n', b'idTag\n"A"B\n'])
async def test_what_is_no_csv(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post(TOKENS, content=content, headers=CSV)
    assert is_problem(answer, 422, "invalid")
    assert "the CSV cannot be read" in answer.json()["detail"]
