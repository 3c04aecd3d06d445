from pathlib import Path

import httpx
import pytest

from cascade.errors import CascadeError, SetupError, StoreError
from cpo_central.rest.problems import Kind, problem_of, responses
from tests.conftest import LogLines
from tests.cpo_central.rest.conftest import is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v1/tokens/", "/api/v1/central-system/clients/a/b/reset"]
)
async def test_a_path_where_nothing_is(api: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await api.get(path), 404, "not-found")


async def test_a_method_that_a_path_does_not_have(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/api/v1/tokens/A")
    assert is_problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, PUT"


async def test_each_fault_of_a_request_is_named(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/transactions", params={"limit": 0, "open": "perhaps", "from": "2026-01-01"})
    assert is_problem(answer, 422, "invalid")
    assert {fault["place"] for fault in answer.json()["errors"]} == {"query/limit", "query/open", "query/from"}


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"name": 1}', '{"name": "\\ud800"}', '{"name": "A", "more": 1}', ""]
)
async def test_a_body_that_is_none(api: httpx.AsyncClient, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert is_problem(await api.post("/api/v1/users", content=body, headers=headers), 422, "invalid")


async def test_a_database_that_cannot_be_used_is_503() -> None:
    assert problem_of(StoreError("full")).problem.status == 503


async def test_what_nobody_thought_of_is_500_and_logged(logs: LogLines) -> None:
    for error in (SetupError("private"), CascadeError("private")):
        problem = problem_of(error).problem
        assert (problem.status, "private" in problem.detail) == (500, False)
    assert len(logs.named("rest_failed")) == 2


async def test_the_page_for_staff_names_every_problem() -> None:
    page = (Path(__file__).parents[3] / "docs" / "rest.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for kind in Kind:
        assert any(f"| {kind.value.status} |" in row and f"`{kind.slug}`" in row for row in rows)


async def test_problems_of_one_status_are_described_together() -> None:
    described = responses(Kind.NOT_CONNECTED, Kind.NOT_ACCEPTED, Kind.SILENT)
    assert set(described) == {409, 504}
    assert "`not-connected`" in described[409]["description"]
    assert "`not-accepted`" in described[409]["description"]
