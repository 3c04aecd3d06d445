"""A full disk: what comes is refused, not acknowledged, and goes on by itself when there is space."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cascade.errors import PeerError
from cascade.frames import Payload
from cascade.link import NOT_STORED
from tests.faults.processes.chargers import Charger
from tests.faults.processes.site import HUB, Site
from tests.faults.simulation.parties import OPERATORS

TAGS = {home: [f"{home}-DRIVER"] for home in OPERATORS}
START = {"connectorId": 1, "idTag": "B-DRIVER", "meterStart": 0, "timestamp": "2026-01-01T10:00:00Z"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    running = Site(tmp_path, TAGS)
    await running.start_all()
    yield running
    await running.stop()


@pytest.fixture
async def charger(site: Site) -> AsyncIterator[Charger]:
    made = Charger(site.ports["A"], "CP-1", random.Random(1))  # noqa: S311 - who comes, not a secret
    yield made
    await made.hang_up()


def stop(transaction_id: int) -> Payload:
    return {"transactionId": transaction_id, "meterStop": 900, "timestamp": "2026-01-01T11:00:00Z"}


async def all_home(site: Site) -> None:
    async with asyncio.timeout(30):
        while site.missing():  # noqa: ASYNC110 - other processes write what is waited for
            await asyncio.sleep(0.05)


async def test_at_the_hub(site: Site, charger: Charger) -> None:
    await charger.insist("Authorize", {"idTag": "B-DRIVER"})
    transaction_id = (await charger.insist("StartTransaction", START))["transactionId"]
    site.fill_disk(HUB)
    await charger.insist("StopTransaction", stop(transaction_id))
    refused = await site.event("A", "cdr_waits")
    assert refused["because"] == f"InternalError: {NOT_STORED}"
    fault = await site.event(HUB, "not_stored")
    assert "did not take a write" in fault["because"]
    assert site.at_home() == 0
    assert site.broken_now() == []
    site.free_disk(HUB)
    await all_home(site)
    assert site.at_home() == 1


async def test_at_a_central_system(site: Site, charger: Charger) -> None:
    await charger.insist("Authorize", {"idTag": "B-DRIVER"})
    site.fill_disk("A")
    with pytest.raises(PeerError, match=NOT_STORED):
        await charger.call("StartTransaction", START)
    assert (await charger.call("Heartbeat", {})).keys() == {"currentTime"}
    site.free_disk("A")
    transaction_id = (await charger.insist("StartTransaction", START))["transactionId"]
    site.fill_disk("A")
    with pytest.raises(PeerError):
        await charger.call("StopTransaction", stop(transaction_id))
    assert site.broken_now() == []
    site.free_disk("A")
    await charger.insist("StopTransaction", stop(transaction_id))
    await all_home(site)
    assert site.at_home() == 1
