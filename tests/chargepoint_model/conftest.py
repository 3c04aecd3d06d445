import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cascade.errors import AnswerError
from cascade.frames import Call, Payload
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import FROM_CHARGE_POINT, SUBPROTOCOL
from cascade.server import Gate, LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from chargepoint_model.charger import Charger
from chargepoint_model.station import ChargerSettings

NOW = "2026-01-01T00:00:00Z"
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
BOOTED = {"status": "Accepted", "currentTime": NOW, "interval": 300}

Answer = Payload | AnswerError | asyncio.Future[Payload] | Callable[[Payload], Payload]


class Central:
    """Plays a central system: answers as it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Payload]] = []
        self.link: Link | None = None
        self.port = 0
        self.script: dict[str, list[Answer]] = {}
        """What is answered to the next calls of an action, before the usual answer."""
        self.transactions = 0
        self._heard = asyncio.Event()

    def _usual(self, action: str) -> Payload:
        match action:
            case "BootNotification":
                return BOOTED
            case "Authorize" | "StopTransaction":
                return ACCEPTED
            case "Heartbeat":
                return {"currentTime": NOW}
            case "StartTransaction":
                self.transactions += 1
                return {"transactionId": self.transactions, **ACCEPTED}
            case "SignCertificate":
                return {"status": "Accepted"}
            case _:
                return {}

    async def handle(self, call: Call) -> Payload:
        self.calls.append((call.action, call.payload))
        heard, self._heard = self._heard, asyncio.Event()
        heard.set()
        script = self.script.get(call.action)
        answer = script.pop(0) if script else self._usual(call.action)
        if isinstance(answer, AnswerError):
            raise answer
        if isinstance(answer, asyncio.Future):
            return await answer
        return answer(call.payload) if callable(answer) else answer

    async def reception(self, identity: str, connection: ServerSocket) -> None:
        self.link = Link(
            connection,
            peer=identity,
            handlers=dict.fromkeys(FROM_CHARGE_POINT, self.handle),
            limits=LinkLimits(),
            trace=FrameTrace("central"),
        )
        await self.link.run()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def heard(self, action: str) -> list[Payload]:
        return [payload for name, payload in self.calls if name == action]

    async def hears(self, action: str, count: int = 1, **fields: object) -> Payload:
        """The `count`th call of this action with these fields, once it has come."""
        async with asyncio.timeout(30):
            while True:
                found = [one for one in self.heard(action) if fields.items() <= one.items()]
                if len(found) >= count:
                    return found[count - 1]
                await self._heard.wait()

    async def ask(self, action: str, payload: Payload | None = None) -> Payload:
        assert self.link is not None
        return await self.link.call(action, payload or {})

    def statuses(self, connector: int = 1) -> list[str]:
        return [one["status"] for one in self.heard("StatusNotification") if one["connectorId"] == connector]


async def _open(_: object) -> bool:
    return True


@pytest.fixture
async def central_of() -> AsyncIterator[Callable[..., Awaitable[Central]]]:
    """A factory of central systems on free ports, stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(gate: Gate = _open, port: int = 0) -> Central:
            central = Central()
            server = LinkServer(
                prefix="/ocpp",
                gate=gate,
                reception=central.reception,
                subprotocols=[SUBPROTOCOL],
                max_size=65536,
            )
            await server.start("127.0.0.1", port)
            stack.push_async_callback(server.stop)
            central.port = server.port
            return central

        yield start


@pytest.fixture
async def central(central_of: Callable[..., Awaitable[Central]]) -> Central:
    return await central_of()


ChargerOf = Callable[..., Awaitable[Charger]]


@pytest.fixture
async def charger_of(central: Central) -> AsyncIterator[ChargerOf]:
    """A factory of chargers of `central` that stay linked until the test is over."""
    async with AsyncExitStack() as stack:

        async def start(*, wait: bool = True, **settings: Any) -> Charger:  # noqa: ANN401 - any of ChargerSettings
            fast = {"boot_retry_s": 0.01, "backoff_base_s": 0.01, "backoff_cap_s": 0.05}
            charger = Charger(
                ChargerSettings(**{"url": central.url, "identity": "CP-1", **fast, **settings}),
                FrameTrace("CP-1"),
            )
            task = asyncio.create_task(charger.run())
            stack.push_async_callback(_end, charger, task)
            if wait:
                async with asyncio.timeout(30):
                    await charger.booted.wait()
                    await charger.station.outbox.empty()
            return charger

        yield start


async def _end(charger: Charger, task: asyncio.Task[None]) -> None:
    await charger.station.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
