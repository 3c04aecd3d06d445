"""The stores, each of which must pass the contract suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nap.store.memory import MemoryStore
from nap.store.port import Store
from nap.store.sqlite import SqliteStore
from tests.nap.actors import NOW


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, blank: bytes) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    made: Store
    if request.param == "sqlite":
        path = tmp_path / "hub.sqlite"
        path.write_bytes(blank)
        made = await SqliteStore.open(path, NOW)
    else:
        made = MemoryStore(NOW)
    yield made
    await made.close()
