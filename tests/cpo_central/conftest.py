"""Fixtures: a hub, chargers and central systems over real sockets, with real databases."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cascade.database import Database
from cpo_central.app import Central
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings
from tests.cpo_central.actors import CREDENTIAL, Charger, Hub


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's environment says must not matter."""
    for name in [name for name in os.environ if name.startswith("CPO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(tmp_path / "central.sqlite")
    yield opened
    await opened.close()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., CentralSettings]:
    """Makes settings that fit a test: free ports, short waits."""

    def make(operator_id: str = "C2", hub: Hub | None = None, **given: object) -> CentralSettings:
        linked: dict[str, Any] = {}
        if hub is not None:
            linked = {"hub_url": hub.url, "hub_credential": SecretStr(CREDENTIAL)}
        options: dict[str, Any] = {
            "operator_id": operator_id,
            "database": tmp_path / f"{operator_id}.sqlite",
            "port": 0,
            "relink_base_s": 0.02,
            "relink_cap_s": 0.1,
            "cdr_retry_base_s": 0.02,
            "cdr_retry_cap_s": 0.1,
            "poll_s": 0.02,
            "call_timeout_s": 5.0,
        }
        return CentralSettings(**{**options, **linked, **given})

    return make


Start = Callable[..., Awaitable[Central]]


@pytest.fixture
async def start(settings: Callable[..., CentralSettings]) -> AsyncIterator[Start]:
    """Starts central systems, and stops them after the test."""
    async with AsyncExitStack() as stack:

        async def begin(operator_id: str = "C2", hub: Hub | None = None, **given: object) -> Central:
            central = Central(settings(operator_id, hub, **given))
            await central.start()
            stack.push_async_callback(central.stop)
            return central

        yield begin


@pytest.fixture
async def charger() -> AsyncIterator[Callable[..., Awaitable[Charger]]]:
    """Connects chargers to a central system, and disconnects them after the test."""
    async with AsyncExitStack() as stack:

        async def connect(central: Central, identity: str = "CP-1", **given: Any) -> Charger:  # noqa: ANN401 - see there
            made = await Charger.connect(central.port, identity, **given)
            stack.push_async_callback(made.close)
            return made

        yield connect
