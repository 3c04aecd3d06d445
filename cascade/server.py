"""The server end of links: the HTTP upgrade, credentials before it, a task for each socket after it."""

import asyncio
import base64
import http
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from weakref import WeakSet

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from cascade.admission import Admission, CrowdedError
from cascade.sockets import ServerSocket

log = structlog.get_logger()

NO_SUBPROTOCOL_CLOSE = 1002

BACKLOG = 256
"""Connections that the system keeps until they are accepted. The system of who comes when there are more tries
again after a second: so the requests of thousands do not come in one turn of the event loop either."""

OPEN_TIMEOUT_S = 10.0
"""How long a handshake may take besides waiting in line."""


@dataclass(frozen=True, slots=True)
class Knock:
    """What a client shows before the upgrade."""

    identity: str
    """The last segment of the path, percent-decoded: a chargePointId or an operatorId."""
    basic: tuple[str, str] | None
    """User and password of HTTP Basic (OCPP 1.6 security profiles 1 and 2)."""
    bearer: str | None
    """The token of HTTP Bearer."""
    remote: str | None = None
    """The address that it comes from; behind a reverse proxy that of the proxy."""


Gate = Callable[[Knock], Awaitable[bool]]
"""Says before the upgrade whether a client may come in; if not, it gets a 401.

It may raise CrowdedError: then the client gets a 503, which says when to come back.
"""

Reception = Callable[[str, ServerSocket], Awaitable[None]]
"""Speaks with a client, by its identity, for as long as its socket is open."""

Page = Callable[[], tuple[http.HTTPStatus, str]]
"""A plain HTTP answer of the same port, such as /health: status and JSON body."""


def _credentials(headers: Headers) -> tuple[tuple[str, str] | None, str | None]:
    try:
        scheme, _, value = headers.get("Authorization", "").partition(" ")
    except MultipleValuesError:
        return None, None
    if scheme.lower() == "bearer":
        return None, value.strip()
    if scheme.lower() == "basic":
        try:
            user, found, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:  # not Base64, not even ASCII, or not UTF-8 inside
            return None, None
        if found:
            return (user, password), None
    return None, None


def _knock(identity: str, connection: ServerConnection, request: Request) -> Knock:
    basic, bearer = _credentials(request.headers)
    address = connection.remote_address
    return Knock(identity, basic, bearer, address and address[0])


def _path(request: Request) -> str:
    return request.path.partition("?")[0]


class LinkServer:
    """Listens for the clients of one kind.

    Args:
        prefix: the path in front of the identity, such as `/ocpp`.
        gate: decides before the upgrade.
        reception: speaks with a client after it.
        subprotocols: those spoken, the preferred first.
        max_size: the largest message taken, in bytes; a larger one closes the link with 1009.
        pages: plain HTTP pages by path.
        admission: the pace at which clients come in; that of `Admission` by default.
    """

    def __init__(
        self,
        *,
        prefix: str,
        gate: Gate,
        reception: Reception,
        subprotocols: Sequence[str],
        max_size: int,
        pages: dict[str, Page] | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._path = re.compile(re.escape(prefix) + r"/([^/]+)/?")
        self._gate = gate
        self._reception = reception
        self._subprotocols = [Subprotocol(name) for name in subprotocols]
        self._max_size = max_size
        self._pages = pages or {}
        self._admission = admission or Admission()
        self._server: Server | None = None
        self._opening: WeakSet[ServerSocket] = WeakSet()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        options: dict[str, Any] = {"ssl": tls} if tls else {}
        self._server = await serve(
            self._speak,
            host,
            port,
            process_request=self._admit,
            select_subprotocol=self._choose,
            compression=None,
            max_size=self._max_size,
            open_timeout=self._admission.patience_s + OPEN_TIMEOUT_S,
            backlog=BACKLOG,
            server_header=None,
            create_connection=self._open,  # type: ignore[arg-type] # it is called, not inherited from
            **options,
        )

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None, "started"
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    def drain(self) -> None:
        """Let nobody in any more; who dials is told to come back, and pages are shown."""
        self._admission.dissolve()

    async def stop(self) -> None:
        """Close the door and every socket."""
        if self._server is not None:
            self.drain()
            self._server.close()
            for connection in self._opening:
                # what is asked for may never come; without a transport even TLS is not up
                if connection.request is None and hasattr(connection, "transport"):
                    connection.transport.abort()
            await self._server.wait_closed()

    def _open(self, *options: Any, **more: Any) -> ServerSocket:  # noqa: ANN401 - those of the library's
        connection = ServerSocket(*options, **more)
        self._opening.add(connection)
        return connection

    def _choose(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((name for name in self._subprotocols if name in offered), None)

    def _identity(self, request: Request) -> str | None:
        match = self._path.fullmatch(_path(request))
        return unquote(match[1]) if match else None

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        path = _path(request)
        if path in self._pages:
            status, body = self._pages[path]()
            response = connection.respond(status, body)
            response.headers["Content-Type"] = "application/json"
            return response
        identity = self._identity(request)
        if identity is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such path\n")
        try:
            await self._admission.turn()
            if await self._gate(_knock(identity, connection, request)):
                return None
        except CrowdedError as crowded:
            log.info("upgrade_put_off", identity=identity[:64], retry_after_s=crowded.retry_after_s)
            response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{crowded}\n")
            response.headers["Retry-After"] = str(crowded.retry_after_s)
            return response
        log.warning("upgrade_refused", identity=identity[:64], remote=str(connection.remote_address))
        response = connection.respond(http.HTTPStatus.UNAUTHORIZED, "wrong or missing credentials\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        return response

    async def _speak(self, connection: ServerConnection) -> None:
        assert connection.request is not None, "the handshake is over"
        identity = self._identity(connection.request)
        assert identity is not None, "admitted by its path"
        assert isinstance(connection, ServerSocket), "created so"
        self._opening.discard(connection)
        if connection.subprotocol is None:
            # OCPP-J 1.6, section 3.1.1: complete the handshake without a subprotocol, then close
            log.warning("no_common_subprotocol", identity=identity)
            await connection.close(NO_SUBPROTOCOL_CLOSE, f"speak {' or '.join(self._subprotocols)}")
            return
        try:
            await self._reception(identity, connection)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("link_failed", peer=identity)
            await connection.close(1011)
