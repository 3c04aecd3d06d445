import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cascade.errors import SetupError
from cpo_central.app import Central
from cpo_central.commands.api_keys import add
from cpo_central.rest.api_keys import ApiKeyStore, Role
from cpo_central.settings import CentralSettings
from tests.cpo_central.conftest import Start

Make = Callable[..., CentralSettings]


async def test_without_a_port_there_is_no_interface(start: Start) -> None:
    assert (await start()).rest_port is None


async def test_a_port_that_is_taken_is_named(start: Start, settings: Make) -> None:
    taken = (await start(rest_port=0)).rest_port
    assert taken is not None
    with pytest.raises(SetupError, match="set CPO_REST_PORT to another"):
        await Central(settings("C3", rest_port=taken)).start()


async def test_with_a_certificate_it_speaks_tls(start: Start, certificate: Path) -> None:
    central = await start(rest_port=0, tls_certificate=certificate, tls_key=certificate)
    trusted = ssl.create_default_context(cafile=certificate)
    async with httpx.AsyncClient(verify=trusted) as client:
        answer = await client.get(f"https://127.0.0.1:{central.rest_port}/health")
    assert answer.json() == {"status": "ok", "connected": 0}


async def test_it_stops_while_somebody_watches(settings: Make) -> None:
    central = Central(settings(rest_port=0))
    await central.start()
    key = await ApiKeyStore(central._database).add("watcher", Role.READ, datetime.now(UTC))
    url = f"http://127.0.0.1:{central.rest_port}"
    async with (
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": str(key)}) as client,
        client.stream("GET", "/api/v1/events") as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == ": watching"
        async with asyncio.timeout(5):
            await central.stop()
            assert [line async for line in lines if line] == []
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")


async def test_a_key_of_the_command_line_is_noticed(start: Start) -> None:
    central = await start(rest_port=0)
    key = await add(central._settings.database, "cli", Role.READ)
    url = f"http://127.0.0.1:{central.rest_port}/api/v1/users"
    async with asyncio.timeout(5), httpx.AsyncClient(headers={"X-API-Key": str(key)}) as client:
        while (answer := await client.get(url)).status_code == 401:
            pass
    assert answer.status_code == 200
