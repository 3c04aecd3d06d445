"""Fixtures: one central system a module, with its REST interface on a real port, and keys for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from cascade.link import Handler
from cpo_central.app import Central
from cpo_central.rest.api_keys import ApiKeyStore, Role
from cpo_central.settings import CentralSettings
from tests.cpo_central.actors import Charger

Chargers = Callable[..., Awaitable[Charger]]


class Rest:
    """A central system with a REST interface."""

    def __init__(self, central: Central, keys: dict[Role, str]) -> None:
        self.central = central
        self.keys = keys
        self.url = f"http://127.0.0.1:{central.rest_port}"

    def client(self, role: Role | None) -> httpx.AsyncClient:
        """A client with the key of a role, or without one."""
        headers = {} if role is None else {"X-API-Key": self.keys[role]}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rest]:
    folder: Path = tmp_path_factory.mktemp("rest")
    central = Central(
        CentralSettings(
            operator_id="C1", database=folder / "c1.sqlite", port=0, rest_port=0, call_timeout_s=5, poll_s=0.02
        )
    )
    await central.start()
    store = ApiKeyStore(central._database)
    keys = {role: await store.add(role.value, role, datetime.now(UTC)) or "" for role in Role}
    yield Rest(central, keys)
    await central.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(rest: Rest) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    async with rest.client(Role.ADMIN) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def charger(rest: Rest) -> AsyncIterator[Chargers]:
    """Connects chargers, and disconnects them after the test."""
    async with AsyncExitStack() as stack:

        async def connect(identity: str, **answers: Handler) -> Charger:
            made = await Charger.connect(rest.central.port, identity, answers=answers)
            stack.push_async_callback(made.close)
            return made

        yield connect


def is_problem(answer: httpx.Response, status: int, kind: str) -> bool:
    """Whether an answer is this problem."""
    problem = answer.json()
    return (
        answer.status_code == status == problem["status"]
        and answer.headers["Content-Type"] == "application/problem+json"
        and problem["type"] == f"urn:problem-type:cpo-central:{kind}"
        and bool(problem["title"])
        and bool(problem["detail"])
    )
