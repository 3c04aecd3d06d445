"""How a link ends: whatever the peer does or leaves undone, soon, and with no word or deed after it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from cascade import sockets
from cascade.client import dial, link_url
from cascade.errors import CallTimeoutError, LinkLostError
from cascade.frames import Call, Payload
from cascade.link import TAKEN_OVER, Handler, Link, LinkLimits
from cascade.ocpp16 import WINDOWED_SUBPROTOCOL
from cascade.server import LinkServer
from cascade.sockets import READY_BELOW, ServerSocket
from cascade.trace import FrameTrace
from tests.bare import Bare
from tests.conftest import LogLines

pytestmark = pytest.mark.usefixtures("logs")

ServerFactory = Callable[..., Awaitable[LinkServer]]

WITHIN_S = 5.0
"""Half of what `websockets` gives a peer to close its end."""


@pytest.fixture(autouse=True)
def _close_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sockets.CLOSE_WITHIN_S < 1.0
    monkeypatch.setattr(sockets, "CLOSE_WITHIN_S", 0.1)


class Desk:
    """A handler that answers when it may."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, call: Call) -> Payload:
        self.seen.append(call.payload["idTag"])
        self.called.set()
        await self.may_answer.wait()
        return {"idTagInfo": {"status": "Accepted"}}


Meet = Callable[..., Awaitable[tuple[Bare, Link]]]


@pytest.fixture
async def meet(running_server: ServerFactory) -> AsyncIterator[Meet]:
    """A factory of bare clients, each with a link at the server's end."""
    async with AsyncExitStack() as stack:

        async def make(authorize: Handler | None = None, limits: LinkLimits | None = None) -> tuple[Bare, Link]:
            met: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

            async def reception(identity: str, connection: ServerSocket) -> None:
                link = Link(
                    connection,
                    peer=identity,
                    handlers={"Authorize": authorize} if authorize else {},
                    limits=limits or LinkLimits(),
                    trace=FrameTrace("server"),
                )
                met.set_result(link)
                await link.run()

            server = await running_server(reception)
            return await stack.enter_async_context(Bare(server.port, "bare")), await met

        yield make


def authorize(link: Link, timeout_s: float | None = None) -> asyncio.Task[Payload]:
    return asyncio.create_task(link.call("Authorize", {"idTag": "A"}, timeout_s=timeout_s))


async def test_a_link_that_is_closed_gives_no_answer_more(meet: Meet) -> None:
    desk = Desk()
    bare, link = await meet(desk)
    await bare.say(2, "1", "Authorize", {"idTag": "A"})
    await desk.called.wait()
    await asyncio.sleep(0)
    desk.may_answer.set()  # it could answer in the next turn of the loop, and is closed in this one
    await asyncio.create_task(link.close(TAKEN_OVER, "another has come"))
    assert b"Accepted" not in await bare.read()


async def test_a_link_that_is_closed_takes_no_answer_more(meet: Meet) -> None:
    _, link = await meet()
    asked = asyncio.create_task(link.call("Authorize", {"idTag": "A"}, message_id="asked"))
    await asyncio.sleep(0)  # it goes out
    closing = asyncio.create_task(link.close(TAKEN_OVER, "another has come"))
    link._receive('[3,"asked",{"idTagInfo":{"status":"Accepted"}}]')
    with pytest.raises(LinkLostError, match="another has come"):
        await asked
    await closing


async def test_what_is_said_on_a_link_that_is_closed_has_no_effect(meet: Meet) -> None:
    desk = Desk()
    bare, link = await meet(desk)
    closing = asyncio.create_task(link.close(TAKEN_OVER, "another has come"))
    await bare.say(2, "1", "Authorize", {"idTag": "late"})
    await closing
    assert desk.seen == []


async def test_a_peer_that_takes_no_part_in_closing_is_not_waited_for(meet: Meet) -> None:
    bare, link = await meet()
    async with asyncio.timeout(WITHIN_S):
        await link.close(TAKEN_OVER, "another has come")
    assert TAKEN_OVER.to_bytes(2) + b"another has come" in await bare.read()


async def test_a_peer_that_does_not_read_is_not_waited_for(meet: Meet) -> None:
    _, link = await meet(limits=LinkLimits(send_timeout_s=60, call_timeout_s=60))
    transfer = {"vendorId": "com.example", "data": "x" * 200_000}
    calls = [asyncio.create_task(link.call("DataTransfer", transfer)) for _ in range(50)]
    async with asyncio.timeout(10):
        while link._connection.transport.get_write_buffer_size() < READY_BELOW:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    async with asyncio.timeout(WITHIN_S):
        await link.close(TAKEN_OVER, "another has come")
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LinkLostError}
    assert link._connection.transport.get_write_buffer_size() == 0


# --- peers that hang ----------------------------------------------------------------------------------------


async def test_a_peer_that_hangs_is_cut_off_though_the_network_takes_what_it_is_sent(
    meet: Meet, logs: LogLines
) -> None:
    _, link = await meet(limits=LinkLimits(send_timeout_s=0.2, call_timeout_s=60))
    with pytest.raises(LinkLostError):
        async with asyncio.timeout(20):
            await authorize(link)
    (cut,) = logs.named("link_cut")
    assert cut["peer"] == "bare"


async def test_a_peer_that_is_slow_to_answer_and_there_is_not_cut_off(running_server: ServerFactory) -> None:
    links: asyncio.Queue[Link] = asyncio.Queue()

    async def reception(identity: str, connection: ServerSocket) -> None:
        limits = LinkLimits(send_timeout_s=0.05, call_timeout_s=0.5)
        link = Link(connection, peer=identity, handlers={}, limits=limits, trace=FrameTrace("server"))
        links.put_nowait(link)
        await link.run()

    server = await running_server(reception)
    url = link_url(f"ws://127.0.0.1:{server.port}/ocpp", "C1")
    connection = await dial(url, subprotocols=[WINDOWED_SUBPROTOCOL], max_size=1000)
    link = await links.get()
    with pytest.raises(CallTimeoutError):
        await authorize(link)
    assert not link.lost
    await connection.close()


async def test_a_peer_that_owes_nothing_may_be_silent(meet: Meet, logs: LogLines) -> None:
    bare, link = await meet(Desk(), limits=LinkLimits(send_timeout_s=0.01, call_timeout_s=0.015))
    with pytest.raises(CallTimeoutError):
        await authorize(link)
    with pytest.raises(CallTimeoutError):
        await authorize(link, timeout_s=0.001)
    async with asyncio.timeout(10):
        while link._watching is not None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.001)
    assert not link.lost
    assert logs.named("link_cut") == []
    await bare.say(2, "1", "Heartbeat", {})
