import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from cascade.frames import Payload
from cpo_central.chargers.events import EventKind
from cpo_central.rest import live
from tests.conftest import LogLines
from tests.cpo_central.rest.conftest import Chargers, Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = "/api/v1/events"


class Watch:
    """Somebody who watches."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def line(self) -> str:
        """The next line that is not empty."""
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line:
                    return line
        raise AssertionError("the stream has ended")

    async def event(self) -> tuple[str, Payload]:
        """The next event: its name and data."""
        while (name := await self.line()).startswith(":"):
            pass
        data = orjson.loads((await self.line()).removeprefix("data: "))
        return name.removeprefix("event: "), data


@asynccontextmanager
async def watching(api: httpx.AsyncClient, **parameters: str) -> AsyncIterator[Watch]:
    async with api.stream("GET", EVENTS, params=parameters) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        watch = Watch(answer)
        assert await watch.line() == ": watching"
        yield watch


async def test_what_happens_is_told_as_it_happens(api: httpx.AsyncClient, charger: Chargers) -> None:
    await api.put("/api/v1/tokens/ANNA-1", json={})
    async with watching(api) as watch:
        made = await charger("CP-1")
        name, data = await watch.event()
        assert (name, data["chargePointId"], data["details"]) == ("connected", "CP-1", {})
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
        await made.link.call("StatusNotification", status)
        name, data = await watch.event()
        assert (name, data["details"]) == ("status", status)
        number = (await made.start("ANNA-1"))["transactionId"]
        name, data = await watch.event()
        assert (name, data["details"]["transactionId"]) == ("transaction-started", number)
        assert "ANNA-1" not in str(data)
        await made.start("ANNA-1")  # once more, as if it had not been answered
        value = {"timestamp": "2026-01-01T10:10:00Z", "sampledValue": [{"value": "1100"}]}
        await made.link.call("MeterValues", {"connectorId": 1, "meterValue": [value]})
        assert (await watch.event())[0] == "meter-values"
        await made.stop(number, idTag="ANNA-1")
        name, data = await watch.event()
        assert (name, data["details"]["meterStop"]) == ("transaction-stopped", 8500)
        assert "ANNA-1" not in str(data)
        await made.close()
        assert (await watch.event())[0] == "disconnected"


async def test_only_one_charge_point_may_be_watched(api: httpx.AsyncClient, charger: Chargers) -> None:
    async with watching(api, chargePointId="CP-B") as watch:
        await charger("CP-A")
        await charger("CP-B")
        assert (await watch.event())[1]["chargePointId"] == "CP-B"


async def test_silence_is_interrupted_by_comments(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    async with watching(api) as watch:
        assert await watch.line() == ": nothing new"


async def test_who_is_too_slow_is_dropped_and_nobody_else(rest: Rest, api: httpx.AsyncClient) -> None:
    events = rest.central._events
    details = {"info": "x" * 4096}  # so that what the sockets hold is less than all of it
    async with watching(api) as quick, watching(api):
        for number in range(3 * events._room):
            events.publish(EventKind.STATUS, f"CP-{number}", details)
            assert (await quick.event())[1]["chargePointId"] == f"CP-{number}"
        assert len(events._watches) == 1


async def test_a_watcher_that_leaves_is_forgotten(rest: Rest, api: httpx.AsyncClient, logs: LogLines) -> None:
    async with watching(api):
        assert rest.central._events._watches
    answered = 0
    while rest.central._events._watches:  # those of other tests may still be leaving
        answered += 1
        assert (await logs.event("rest", answered))["route"] == EVENTS
    assert not logs.named("rest_failed")


async def test_watching_needs_a_key(rest: Rest) -> None:
    async with rest.client(None) as nobody:
        assert is_problem(await nobody.get(EVENTS), 401, "no-key")
