import httpx
import pytest

from cpo_central.rest.api import describe
from cpo_central.rest.api_keys import Role
from tests.conftest import LogLines
from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS = [
    (path, method, operation)
    for path, operations in describe()["paths"].items()
    for method, operation in operations.items()
]
OPEN = "/health"


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_without_a_key_nothing_is_told(
    rest: Rest, path: str, method: str, operation: dict[str, object]
) -> None:
    async with rest.client(None) as nobody:
        answer = await nobody.request(method, path.format(user_id=1, transaction_id=1, id_tag="A", **IDS))
    if path == OPEN:
        assert answer.json() == {"status": "ok", "connected": 0}
        return
    assert is_problem(answer, 401, "no-key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert operation["security"] == [{"apiKey": []}, {"bearer": []}]


IDS = {"charge_point_id": "CP-1", "name": "x", "cdr_id": "00000000-0000-0000-0000-000000000000"}


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    [each for each in OPERATIONS if each[2].get("x-role") in {"operate", "admin"}],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_role_that_is_too_small_may_not(
    rest: Rest, path: str, method: str, operation: dict[str, object]
) -> None:
    role = list(Role)[list(Role).index(Role(str(operation["x-role"]))) - 1]
    async with rest.client(role) as client:
        answer = await client.request(method, path.format(user_id=1, id_tag="A", **IDS))
    assert is_problem(answer, 403, "role-too-small")


async def test_a_key_may_come_as_a_bearer_token(rest: Rest) -> None:
    async with httpx.AsyncClient(base_url=rest.url) as client:
        for key, status in ((rest.keys[Role.READ], 200), ("wrong", 401), ("ä", 401)):
            headers = {b"Authorization": f"Bearer {key}".encode()}
            assert (await client.get("/api/v1/users", headers=headers)).status_code == status
        assert (await client.get("/api/v1/users", headers={"Authorization": "Basic YTpi"})).status_code == 401


async def test_the_log_tells_who_asked_what_and_no_secret(rest: Rest, logs: LogLines) -> None:
    async with rest.client(Role.READ) as client:
        await client.get("/api/v1/tokens/ANNA-CARD-1")
    line = await logs.event("rest")
    assert (line["key"], line["route"], line["status"]) == ("read", "/api/v1/tokens/{id_tag}", 404)
    assert rest.keys[Role.READ] not in str(logs.entries)
    assert "ANNA-CARD-1" not in str(logs.entries)
