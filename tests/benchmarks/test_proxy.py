import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.proxy import HIGH_WATER, LEAST_TIMEOUT_S, Way, address, share
from scenarios.process import Watched

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE_S = 20.0


class World:
    """A server behind a proxy."""

    def __init__(self, stack: AsyncExitStack, port: int, accepted: asyncio.Queue[Streams]) -> None:
        self.port = port
        self._stack = stack
        self._accepted = accepted

    async def meet(self) -> tuple[Streams, Streams]:
        """Both ends of a connection through the proxy."""
        ours = await asyncio.open_connection("127.0.0.1", self.port)
        theirs = await self._accepted.get()
        for _, writer in (ours, theirs):
            self._stack.callback(writer.close)
        return ours, theirs


@asynccontextmanager
async def world(*arguments: str) -> AsyncIterator[World]:
    accepted: asyncio.Queue[Streams] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait((reader, writer))

    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        stack.callback(server.close)
        upstream = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy = await Watched.start("proxy", "benchmarks.proxy", ["--upstream", upstream, *arguments], {})
        stack.push_async_callback(proxy.stop)
        where = (await proxy.event("listening"))["url"]
        yield World(stack, int(where.split(":")[2].partition("/")[0]), accepted)


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - nothing is kept secret by it


def content(size: int, seed: int) -> bytes:
    return chance(seed).randbytes(size)


async def sends(streams: Streams, data: bytes, sizes: Random) -> None:
    writer = streams[1]
    while data:
        size = sizes.choice((1, 10, 1000, 100_000))
        writer.write(data[:size])
        data = data[size:]
        await writer.drain()
    writer.write_eof()


@pytest.mark.parametrize(
    "arguments", [(), ("--rtt-ms", "4"), ("--rtt-ms", "2", "--loss", "0.02", "--seed", "3")]
)
async def test_bytes_arrive_complete_and_in_order_both_ways(arguments: tuple[str, ...]) -> None:
    there, back = content(3 * HIGH_WATER, 1), content(HIGH_WATER // 2, 2)
    async with world(*arguments) as met:
        ours, theirs = await met.meet()
        _, _, arrived_there, arrived_back = await asyncio.gather(
            sends(ours, there, chance(3)), sends(theirs, back, chance(4)), theirs[0].read(), ours[0].read()
        )
        assert arrived_there == there
        assert arrived_back == back


async def test_one_direction_may_end_before_the_other() -> None:
    async with world("--rtt-ms", "2") as met:
        ours, theirs = await met.meet()
        ours[1].write(b"question")
        ours[1].write_eof()
        assert await theirs[0].read() == b"question"
        theirs[1].write(b"answer")
        theirs[1].write_eof()
        assert await ours[0].read() == b"answer"


@pytest.mark.parametrize("closes", ["ours", "theirs"])
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_side_that_goes_is_missed_by_the_other(closes: str, how: str) -> None:
    async with world("--rtt-ms", "2") as met:
        ours, theirs = await met.meet()
        goes, stays = (ours, theirs) if closes == "ours" else (theirs, ours)
        if how == "close":
            goes[1].write(b"farewell")
            goes[1].close()
            assert await stays[0].read() == b"farewell"
        else:
            goes[1].transport.abort()
            assert await stays[0].read() == b""


async def test_who_cannot_be_reached_is_missed() -> None:
    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        upstream = f"127.0.0.1:{closed.sockets[0].getsockname()[1]}"
        closed.close()
        await closed.wait_closed()
        proxy = await Watched.start("proxy", "benchmarks.proxy", ["--upstream", upstream], {})
        stack.push_async_callback(proxy.stop)
        where = (await proxy.event("listening"))["url"]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(where.split(":")[2].partition("/")[0]))
        stack.callback(writer.close)
        assert await reader.read() == b""


async def test_connections_are_delayed_apart_from_each_other() -> None:
    async with world("--rtt-ms", "2", "--loss", "0.3", "--seed", "7") as met:
        pairs = [await met.meet() for _ in range(5)]
        texts = [content(20, seed) for seed in range(5)]

        async def through(pair: tuple[Streams, Streams], text: bytes) -> bytes:
            pair[0][1].write(text)
            return await pair[1][0].readexactly(len(text))

        assert await asyncio.gather(*map(through, pairs, texts)) == texts


async def test_a_receiver_that_does_not_read_stops_the_sender() -> None:
    async with world("--rtt-ms", "2") as met:
        ours, theirs = await met.meet()
        # room in kernels and in the proxy is bounded, so a sender that is not held up would send it all
        data = content(64 * HIGH_WATER, 5)
        ours[1].write(data)
        draining = asyncio.create_task(ours[1].drain())
        first = await theirs[0].readexactly(1)
        assert not draining.done()
        rest, _ = await asyncio.gather(theirs[0].readexactly(len(data) - 1), draining)
        assert first + rest == data


moments = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=50).map(sorted)


@given(moments, st.floats(0.0, 0.1), st.floats(0.0, 0.9), st.integers())
def test_nothing_overtakes_and_nothing_comes_early(
    sent: list[float], rtt_s: float, loss: float, seed: int
) -> None:
    way = Way(rtt_s, loss, chance(seed))
    due = [way.due(now) for now in sent]
    assert all(earlier <= later for earlier, later in pairwise(due))
    assert all(arrival >= now + rtt_s / 2 for now, arrival in zip(sent, due, strict=True))


@given(moments, st.floats(0.0, 0.1))
def test_without_loss_all_take_half_the_round_trip(sent: list[float], rtt_s: float) -> None:
    way = Way(rtt_s, 0.0, chance(1))
    assert [way.due(now) for now in sent] == [now + rtt_s / 2 for now in sent]


class Losing(Random):
    """Loses the chunks of these numbers; a chunk that is sent again has the next."""

    def __init__(self, *lost: int) -> None:
        super().__init__(0)
        self._lost = lost
        self._drawn = -1

    def random(self) -> float:
        self._drawn += 1
        return 0.0 if self._drawn in self._lost else 1.0


def test_a_chunk_that_is_lost_comes_a_retransmission_later_and_those_behind_it_wait() -> None:
    way = Way(0.04, 0.5, Losing(1))
    late = 1.0 + 0.02 + 0.04 + LEAST_TIMEOUT_S
    assert [way.due(0.0), way.due(1.0), way.due(1.1), way.due(2.0)] == pytest.approx([0.02, late, late, 2.02])


def test_one_that_is_lost_again_waits_twice_as_long() -> None:
    way = Way(0.04, 0.5, Losing(0, 1))
    assert way.due(0.0) == pytest.approx(0.02 + 3 * (0.04 + LEAST_TIMEOUT_S))


def test_addresses_and_shares_are_read() -> None:
    assert address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert share("0.001") == 0.001
    for read, text in ((address, "nowhere"), (share, "1"), (share, "-0.1"), (share, "much")):
        with pytest.raises(ValueError, match=r".*"):
            read(text)
