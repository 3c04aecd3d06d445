"""The short way and the way of `websockets` must look the same: nothing lost, nothing out of order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from cascade.client import dial, link_url
from cascade.ocpp16 import SUBPROTOCOL
from cascade.server import LinkServer
from cascade.sockets import READY_BELOW, ClientSocket, ServerSocket

ServerFactory = Callable[..., Awaitable[LinkServer]]


class Ends:
    """A client, and the server's end of its socket with what was handed over there."""

    def __init__(self, client: ClientSocket, server: ServerSocket) -> None:
        self.client = client
        self.server = server
        self.got: list[str | bytes] = []
        self.direct = 0
        self._news = asyncio.Event()

    def take(self, message: str | bytes) -> None:
        self.direct += 1
        self.keep(message)

    def keep(self, message: str | bytes) -> None:
        self.got.append(message)
        self._news.set()

    async def read(self) -> None:
        try:
            while True:
                self.keep(await self.server.recv())
        except ConnectionClosed:
            self._news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def ends(running_server: ServerFactory) -> AsyncIterator[Callable[..., Awaitable[Ends]]]:
    """A factory of both ends of a socket; they are closed after the test."""
    async with AsyncExitStack() as stack:

        async def make() -> Ends:
            met: asyncio.Future[ServerSocket] = asyncio.get_running_loop().create_future()

            async def reception(_: str, connection: ServerSocket) -> None:
                met.set_result(connection)
                await connection.wait_closed()

            server = await running_server(reception, max_size=1 << 20)
            url = link_url(f"ws://127.0.0.1:{server.port}/ocpp", "CP-1")
            client = await dial(url, subprotocols=[SUBPROTOCOL], max_size=1 << 20)
            stack.push_async_callback(client.close)
            return Ends(client, await met)

        yield make


MakeEnds = Callable[..., Awaitable[Ends]]


async def test_messages_are_handed_over_without_being_asked_for(ends: MakeEnds) -> None:
    both = await ends()
    both.server.deliver_to(both.take)
    for number in range(100):
        await both.client.send(str(number))
    await both.until(100)
    assert both.got == [str(number) for number in range(100)]
    assert both.direct == 100


async def test_what_came_before_the_receiver_stays_in_front(ends: MakeEnds) -> None:
    both = await ends()
    for number in range(5):
        await both.client.send(str(number))
    first = await both.server.recv()
    async with asyncio.timeout(10):
        while len(both.server.recv_messages.frames) < 4:  # noqa: ASYNC110 - websockets tells nobody
            await asyncio.sleep(0)
    both.server.deliver_to(both.take)
    await both.client.send("5")
    reading = asyncio.create_task(both.read())
    await both.until(5)
    assert [first, *both.got] == [str(number) for number in range(6)]
    await both.client.close()
    await reading


async def test_fragments_and_bytes_come_in_their_turn(ends: MakeEnds) -> None:
    both = await ends()
    both.server.deliver_to(both.take)
    reading = asyncio.create_task(both.read())
    await both.client.send("a")
    await both.client.send(["b", "c", "d"])
    await both.client.send(b"e")
    await both.client.send("f")
    await both.until(4)
    assert both.got == ["a", "bcd", b"e", "f"]
    await both.client.close()
    await reading


async def test_text_that_is_no_utf8_closes_the_socket(ends: MakeEnds) -> None:
    both = await ends()
    both.server.deliver_to(both.take)
    reading = asyncio.create_task(both.read())
    await both.client.send(b"\xff\xfe", text=True)
    async with asyncio.timeout(10):
        await both.client.wait_closed()
    await reading
    assert both.client.close_code == 1007
    assert both.got == []


async def test_a_message_is_sent_at_once_while_the_peer_reads(ends: MakeEnds) -> None:
    both = await ends()
    both.server.deliver_to(both.take)
    assert both.client.send_at_once(b"now")
    assert both.server.send_at_once(b"and back")
    await both.until(1)
    assert both.got == ["now"]
    assert await both.client.recv() == "and back"


async def test_a_socket_that_is_full_or_closed_takes_nothing_at_once(ends: MakeEnds) -> None:
    both = await ends()
    assert not both.client.send_at_once(b"x" * READY_BELOW)
    both.server.transport.pause_reading()
    filling = b"x" * 10_000
    async with asyncio.timeout(10):
        while both.client.send_at_once(filling):  # noqa: ASYNC110 - a buffer tells nobody that it fills
            await asyncio.sleep(0)
    assert both.client.transport.get_write_buffer_size() + len(filling) >= READY_BELOW
    both.client.transport.abort()
    await both.client.wait_closed()
    assert not both.client.send_at_once(b"late")
    both.server.transport.resume_reading()


async def test_what_is_gathered_goes_out_together_and_in_order(
    ends: MakeEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = await ends()
    both.server.deliver_to(both.take)
    both.client.gather()
    writes: list[bytes] = []
    write = both.client.transport.write

    def note(data: bytes) -> None:
        writes.append(data)
        write(data)

    monkeypatch.setattr(both.client, "transport", _Noting(both.client.transport, note))
    for turn in range(3):
        for number in range(10):
            assert both.client.send_at_once(b"%d" % (10 * turn + number))
        await both.until(10 * turn + 10)
    assert both.got == [str(number) for number in range(30)]
    assert len(writes) == 6


class _Noting:
    """A transport of which the writes are noted."""

    def __init__(self, transport: asyncio.Transport, write: Callable[[bytes], None]) -> None:
        self._transport = transport
        self.write = write

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


async def test_what_is_gathered_is_not_lost_to_what_comes_after_it(ends: MakeEnds) -> None:
    both = await ends()
    reading = asyncio.create_task(both.read())
    both.client.gather()
    for number in range(3):
        assert both.client.send_at_once(b"%d" % number)
    await both.client.send("3")
    for number in range(4, 6):
        assert both.client.send_at_once(b"%d" % number)
    await both.client.close()
    await reading
    assert both.got == [str(number) for number in range(6)]


async def test_no_more_is_gathered_than_a_socket_takes(ends: MakeEnds) -> None:
    both = await ends()
    both.client.gather()
    message = b"x" * 1000
    sent = 0
    while both.client.send_at_once(message):
        sent += 1
    assert sent <= READY_BELOW // 1000 + 1
    both.server.deliver_to(both.take)
    await both.client.send("the last")
    await both.until(sent + 1)
    assert both.got[-1] == "the last"


async def test_a_peer_that_is_there_answers_a_probe(ends: MakeEnds) -> None:
    both = await ends()
    sign = asyncio.Event()
    both.server.probe(sign.set)
    async with asyncio.timeout(10):
        await sign.wait()
    sign.clear()
    both.server.probe(sign.set)
    both.server.transport.abort()
    await both.server.wait_closed()
    both.server.probe(sign.set)
    assert not sign.is_set()
