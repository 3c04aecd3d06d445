from collections.abc import AsyncIterator

import httpx
import pytest

from cpo_central.rest.front import MAX_BODY, canonical
from tests.conftest import LogLines
from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/api/v1/tokens", "/api/v1/tokens"),
        (b"/api/v1/%74okens/a%2fb", "/api/v1/tokens/a%2Fb"),
        (b"/a b/%C3%A4/%252F", "/a%20b/%C3%A4/%252F"),
        (b"/%ff", "/%EF%BF%BD"),
        (b"/", "/"),
    ],
)
async def test_a_segment_stays_one(raw: bytes, path: str) -> None:
    assert canonical(raw) == path


async def test_a_large_body_is_refused_whether_its_length_is_declared_or_not(api: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 2**16 + 1):
            yield b" " * 2**16

    for content in (b" " * (MAX_BODY + 1), pieces()):
        answer = await api.post("/api/v1/tokens", content=content, headers={"Content-Type": "text/csv"})
        assert is_problem(answer, 413, "too-large")
    assert (await api.post("/api/v1/tokens", content=b"idTag" + b"\n" * (MAX_BODY - 5))).status_code == 200


async def test_a_fault_of_ours_is_a_500_that_tells_nothing(
    rest: Rest, api: httpx.AsyncClient, logs: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[str]:
        raise RuntimeError("something private")

    monkeypatch.setattr(rest.central.chargers, "connected", fail)
    answer = await api.get("/api/v1/central-system/clients")
    assert is_problem(answer, 500, "internal")
    assert "private" not in answer.text
    assert "something private" in str((await logs.event("rest_failed"))["exc_info"]) or logs.named(
        "rest_failed"
    )
