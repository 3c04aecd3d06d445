"""A wire between a charge point and its central system that a test can cut, and let swallow answers."""

import asyncio


class Wire:
    """Passes on what comes, while it is whole."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._swallowing: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._whole = True

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocpp"

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._ends |= {writer, there}
        for source, sink, back in ((reader, there, False), (there_reader, writer, True)):
            task = asyncio.create_task(self._pass_on(source, sink, back=back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, back: bool) -> None:
        try:
            while chunk := await source.read(65_536):
                if back and self._swallowing is not None:
                    self._swallowing.set()
                else:
                    sink.write(chunk)
        except OSError:
            pass  # it was cut
        finally:
            sink.transport.abort()
            self._ends.discard(sink)

    async def cut(self) -> None:
        """Nothing passes, and nobody gets through, until it is mended."""
        self._whole = False
        for end in list(self._ends):
            end.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mend(self) -> None:
        self._whole = True
        self._swallowing = None

    def swallow(self) -> asyncio.Event:
        """Pass on no answer any more; set when there was one."""
        self._swallowing = asyncio.Event()
        return self._swallowing

    async def stop(self) -> None:
        await self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
