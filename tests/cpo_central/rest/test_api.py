"""The interface against its own description, asked over a real port by somebody who read only that."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cpo_central.app import Central
from cpo_central.rest.api import describe
from cpo_central.rest.api_keys import ApiKeyStore, Role
from cpo_central.settings import CentralSettings

STARTED_WITHIN_S = 30


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A central system in a thread of its own, for a client that blocks: its URL, and an admin's key."""
    folder = tmp_path_factory.mktemp("api")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[Central, str]:
        central = Central(CentralSettings(operator_id="C1", database=folder / "c1.sqlite", port=0, rest_port=0))
        await central.start()
        return central, await ApiKeyStore(central._database).add("admin", Role.ADMIN, datetime.now(UTC)) or ""

    central, key = asyncio.run_coroutine_threadsafe(start(), loop).result(STARTED_WITHIN_S)
    yield f"http://127.0.0.1:{central.rest_port}", key
    asyncio.run_coroutine_threadsafe(central.stop(), loop).result(STARTED_WITHIN_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


Case = schemathesis.Case[Any]


def schema(*, coverage: bool) -> Any:  # noqa: ANN401 - a schema of schemathesis
    options = {"phases": {"coverage": {"enabled": coverage}}}
    return schemathesis.openapi.from_dict(describe(), config=SchemathesisConfig.from_dict(options))


few = settings(max_examples=2, derandomize=True, suppress_health_check=list(HealthCheck))

commands = schema(coverage=False).include(tag="commands")
resources = schema(coverage=True).exclude(tag="commands").exclude(tag="events")  # events do not end


@commands.parametrize()  # type: ignore[untyped-decorator] # its types are its own affair
@few
def test_commands_do_what_they_say(case: Case, address: tuple[str, str]) -> None:
    # to the standard's schemas (draft 4) 1.0 is no integer, to those of OpenAPI 3.1 it is
    _ask(case, address, excluded=[positive_data_acceptance])


@resources.parametrize()  # type: ignore[untyped-decorator] # the same
@few
def test_resources_do_what_they_say(case: Case, address: tuple[str, str]) -> None:
    # no schema says what CSV is
    _ask(case, address, excluded=[positive_data_acceptance] if case.media_type == "text/csv" else [])


def _ask(case: Case, address: tuple[str, str], *, excluded: list[Any]) -> None:
    url, key = address
    case.call_and_validate(url, headers={"X-API-Key": key}, excluded_checks=excluded)
