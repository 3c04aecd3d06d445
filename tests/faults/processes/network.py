"""A TCP proxy between two processes, which can be told to delay, to stall, to cut in half and to reset."""

import asyncio
import contextlib
import socket
import struct

HOST = "127.0.0.1"
CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: a close that sends RST and drops what is under way."""


class FaultyProxy:
    """Listens on a port of its own and forwards to another.

    Args:
        upstream: the port on this machine where connections go.
    """

    def __init__(self, upstream: int) -> None:
        self.delay_s = 0.0
        self.halves_next = False
        self.batches = 0
        """Seen on the way back, which is not masked."""
        self._upstream = upstream
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stall(self) -> None:
        """Take what comes and pass nothing on, as a network does that is gone."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on again, also what has waited."""
        self._flows.set()

    def reset(self) -> None:
        """Break every connection with RST."""
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async def stop(self) -> None:
        """Close everything."""
        self.flow()
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "of the server"
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_connection(HOST, self._upstream)
            self._writers.add(there)
            await asyncio.gather(self._pump(reader, there), self._pump(back, writer))
        except OSError:
            pass  # the other end is gone: so are we
        finally:
            for one in (writer, there):
                if one is not None:
                    self._writers.discard(one)
                    one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(CHUNK):
            self.batches += chunk.count(b'"CdrBatch"') + chunk.count(b'"CdrStatusBatch"')
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flows.wait()
            if self.halves_next:
                self.halves_next = False
                sink.write(chunk[: len(chunk) // 2])
                await sink.drain()
                raise ConnectionResetError
            sink.write(chunk)
            await sink.drain()
        raise ConnectionResetError
