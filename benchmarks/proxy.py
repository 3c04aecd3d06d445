"""The network between two parties: a TCP proxy that delays what goes through, and loses some of it.

Each chunk that it reads goes on half a round trip later, in its order. A chunk that is lost is what an
application sees of a lost segment: it comes one retransmission later, and all behind it waits for it. The
retransmission takes a round trip and Linux's least time-out of 200 ms, twice as long when it is lost again
(RFC 6298): what authorization sends are single small segments, behind which no others come that would make the
sender notice sooner. Connections are accepted at once, so TCP's own handshake is not delayed. No privileges are
needed.

Delays end by a timer of the kernel's (see `benchmarks.timer`). Measured on two busy processors, the median
round trip through the proxy took 0.3 ms more than 5 ms, and 0.7 ms more than 20 ms. Without a delay it adds
0.08 ms.
"""

import argparse
import asyncio
import math
import signal
import sys
from collections import deque
from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import cast

import orjson
import uvloop

from benchmarks.timer import FineTimer

HOST = "127.0.0.1"
LEAST_TIMEOUT_S = 0.2
"""TCP_RTO_MIN of Linux."""
HIGH_WATER, LOW_WATER = 1 << 20, 1 << 18
"""Bytes under way in one direction at which reading pauses, and resumes."""


class Way:
    """When what is sent one way arrives.

    Args:
        rtt_s: the round trip, of which this is half.
        loss: how many chunks of all are lost, from 0 to 1.
        chance: which.
    """

    def __init__(self, rtt_s: float, loss: float, chance: Random) -> None:
        self._delay_s = rtt_s / 2
        self._retransmission_s = rtt_s + LEAST_TIMEOUT_S
        self._loss = loss
        self._chance = chance
        self._last = -math.inf

    def due(self, now: float) -> float:
        """When a chunk arrives that is sent now: never before one that was sent earlier."""
        due = now + self._delay_s
        retransmission_s = self._retransmission_s
        while self._chance.random() < self._loss:
            due += retransmission_s
            retransmission_s *= 2
        self._last = max(due, self._last)
        return self._last


class Pipe:
    """What is under way from one socket to another. An empty chunk is the end of the stream.

    Args:
        way: says when chunks arrive.
        source: where they come from: is paused while too much is under way.
        sink: where they go.
        on_end: told when nothing more will arrive.
    """

    def __init__(
        self, way: Way, source: asyncio.Transport, sink: asyncio.Transport, on_end: Callable[[], None]
    ) -> None:
        self._way = way
        self._source = source
        self._sink = sink
        self._on_end = on_end
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._complete = False
        self._source_paused = False
        self._sink_paused = False
        self._timer = FineTimer(self._deliver)
        self.ended = False

    def put(self, chunk: bytes) -> None:
        """Send a chunk on its way; what comes after the end is dropped."""
        if self._complete:
            return
        self._complete = not chunk
        self._chunks.append((self._way.due(perf_counter()), chunk))
        self._size += len(chunk)
        if len(self._chunks) == 1 and not self._sink_paused:
            self._timer.set(self._chunks[0][0])
        if self._size > HIGH_WATER and not self._source_paused and not self._source.is_closing():
            self._source_paused = True
            self._source.pause_reading()

    def pause(self) -> None:
        """The sink takes no more."""
        self._sink_paused = True

    def resume(self) -> None:
        """It does again."""
        self._sink_paused = False
        if not self.ended:
            self._deliver()

    def end(self) -> None:
        """Nothing more will arrive, and what is under way is dropped."""
        if not self.ended:
            self.ended = self._complete = True
            self._chunks.clear()
            self._timer.close()
            self._on_end()

    def _deliver(self) -> None:
        now = perf_counter()
        while self._chunks and not self._sink_paused:
            due, chunk = self._chunks[0]
            if due > now:
                self._timer.set(due)
                break
            self._chunks.popleft()
            self._size -= len(chunk)
            if not chunk:
                self._sink.write_eof()
                self.end()
                return
            self._sink.write(chunk)
        if self._source_paused and self._size < LOW_WATER and not self._source.is_closing():
            self._source_paused = False
            self._source.resume_reading()


class Side(asyncio.Protocol):
    """One of the two sockets of a connection.

    Args:
        on_made: told when it is open.
    """

    def __init__(self, on_made: Callable[["Side"], None]) -> None:
        self._on_made = on_made
        self.transport: asyncio.Transport
        self._outward: Pipe | None = None
        self._inward: Pipe | None = None
        self._early: list[bytes] = []
        """What has come before there was another side."""

    def flow(self, outward: Pipe, inward: Pipe) -> None:
        """The other side is there: pass on what comes from here, and make room for what comes from there."""
        self._outward, self._inward = outward, inward
        for chunk in self._early:
            outward.put(chunk)
        self._early.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        # uvloop's transports are none of asyncio's classes
        self.transport = cast("asyncio.Transport", transport)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._outward is None:
            self._early.append(data)
        else:
            self._outward.put(data)

    def eof_received(self) -> bool:
        """See asyncio. The other direction stays open."""
        self.data_received(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        """See asyncio. The other side learns of it when what was sent before has arrived."""
        if self._inward is not None:
            self._inward.end()
        self.data_received(b"")

    def pause_writing(self) -> None:
        """See asyncio."""
        if self._inward is not None:
            self._inward.pause()

    def resume_writing(self) -> None:
        """See asyncio."""
        if self._inward is not None:
            self._inward.resume()


def join(one: Side, other: Side, rtt_s: float, loss: float, chance: Random) -> None:
    """Let flow between two sides."""

    def close_when_ended() -> None:
        if there.ended and back.ended:
            one.transport.close()
            other.transport.close()

    there = Pipe(Way(rtt_s, loss, chance), one.transport, other.transport, close_when_ended)
    back = Pipe(Way(rtt_s, loss, chance), other.transport, one.transport, close_when_ended)
    one.flow(there, back)
    other.flow(back, there)


class Proxy:
    """Passes on what comes.

    Args:
        upstream: whom to: host and port.
        rtt_s: the round trip between the two.
        loss: how many chunks of all are lost, from 0 up to but not including 1.
        seed: of which are.
    """

    def __init__(self, upstream: tuple[str, int], *, rtt_s: float, loss: float, seed: int) -> None:
        self._upstream = upstream
        self._rtt_s = rtt_s
        self._loss = loss
        self._chance = Random(seed)  # noqa: S311 - nothing is kept secret by it
        self._dialling: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        """Begin to listen, at a free port."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Side(self._admit), HOST, 0)

    def _admit(self, caller: Side) -> None:
        dialling = asyncio.create_task(self._dial(caller))
        self._dialling.add(dialling)
        dialling.add_done_callback(self._dialling.discard)

    async def _dial(self, caller: Side) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, callee = await loop.create_connection(lambda: Side(lambda _: None), *self._upstream)
        except OSError:
            caller.transport.abort()
            return
        if caller.transport.is_closing():
            callee.transport.abort()
            return
        join(caller, callee, self._rtt_s, self._loss, self._chance)


async def serve(proxy: Proxy) -> None:
    """Run until SIGTERM. The first line on standard error says where."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    server = await proxy.start()
    url = f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/ocpp"
    sys.stderr.write(orjson.dumps({"event": "listening", "url": url}).decode() + "\n")
    sys.stderr.flush()
    await told.wait()


def address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    return host, int(port)


def share(text: str) -> float:
    """A loss that something gets through of.

    Raises:
        ValueError: it is none.
    """
    loss = float(text)
    if not 0.0 <= loss < 1.0:
        raise ValueError(text)
    return loss


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", type=address, required=True, help="host:port")
    parser.add_argument("--rtt-ms", type=float, default=0.0, help="round trip in milliseconds")
    parser.add_argument("--loss", type=share, default=0.0, help="share of chunks, from 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="of which chunks are lost")
    given = parser.parse_args()
    proxy = Proxy(given.upstream, rtt_s=given.rtt_ms / 1e3, loss=given.loss, seed=given.seed)
    uvloop.run(serve(proxy))


if __name__ == "__main__":
    main()
