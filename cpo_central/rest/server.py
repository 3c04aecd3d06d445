"""Serving the interface in the event loop of the central system."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 128


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RestServer:
    """An HTTP server.

    Args:
        app: answers.
        grace_s: how long what is being answered may take when we stop.
    """

    def __init__(self, app: ASGIApp, *, grace_s: int) -> None:
        self._app = app
        self._grace_s = grace_s
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._running = False
        self._ended = asyncio.Event()

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._socket is not None, "listening"
        port: int = self._socket.getsockname()[1]
        return port

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Take the address; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=self._grace_s,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self._server = _Server(config)

    async def run(self) -> None:
        """Serve until `stop`."""
        assert self._server is not None, "listening"
        assert self._socket is not None, "listening"
        self._running = True
        try:
            await self._server.serve([self._socket])
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Answer what is being asked, and give the address back."""
        if self._server is not None and self._running:
            self._server.should_exit = True
            await self._ended.wait()
        elif self._socket is not None:
            self._socket.close()
