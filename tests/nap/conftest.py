"""Fixtures of the hub's tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from nap.store.sqlite import SqliteStore
from tests.nap.actors import NOW, World

StartHub = Callable[..., Awaitable[World]]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NAP_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty database of the hub: to copy one takes less than to create one."""
    path = tmp_path_factory.mktemp("blank") / "hub.sqlite"

    async def create() -> None:
        await (await SqliteStore.open(path, NOW)).close()

    asyncio.run(create())
    return path.read_bytes()


@pytest.fixture
async def start_hub(tmp_path: Path, blank: bytes) -> AsyncIterator[StartHub]:
    """A factory of running hubs on a database in `tmp_path`; each setting can be given."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> World:
            database = tmp_path / "hub.sqlite"
            if not database.exists():
                database.write_bytes(blank)
            world = World(database, **settings)
            await world.start()
            stack.push_async_callback(world.close)
            return world

        yield start


@pytest.fixture
async def world(start_hub: StartHub) -> World:
    """A running hub."""
    return await start_hub()
