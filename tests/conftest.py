"""Fixtures of general use: servers and links over real sockets, and the log as a list of events."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import settings
from structlog.testing import LogCapture
from structlog.typing import EventDict, WrappedLogger

from cascade.client import dial, link_url
from cascade.link import Handler, Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.server import Gate, Knock, LinkServer, Page, Reception
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace

settings.register_profile("cascade", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("cascade")

MAX_SIZE = 1 << 20


class LogLines(LogCapture):
    """The events logged so far, as dictionaries, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._news: list[asyncio.Future[None]] = []

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> NoReturn:
        news, self._news = self._news, []
        for future in news:
            if not future.done():
                future.set_result(None)
        super().__call__(logger, method_name, event_dict)

    def named(self, name: str) -> list[EventDict]:
        """Those with this event name."""
        return [entry for entry in self.entries if entry["event"] == name]

    async def event(self, name: str, number: int = 1) -> EventDict:
        """The first with this event name, or a later one, once it is there."""
        async with asyncio.timeout(10):
            while len(self.named(name)) < number:
                news = asyncio.get_running_loop().create_future()
                self._news.append(news)
                await news
        return self.named(name)[number - 1]


@pytest.fixture
def logs() -> Iterator[LogLines]:
    """Everything that is logged during the test."""
    lines = LogLines()
    processors = structlog.get_config()["processors"]
    before = processors.copy()
    # the list is changed in place, as in structlog.testing.capture_logs: loggers that are bound keep it
    processors[:] = [lines]
    structlog.configure(processors=processors)
    yield lines
    processors[:] = before
    structlog.configure(processors=processors)


async def let_in(_: Knock) -> bool:
    """A gate that is open."""
    return True


@pytest.fixture
async def running_server() -> AsyncIterator[Callable[..., Awaitable[LinkServer]]]:
    """A factory of servers on free ports of 127.0.0.1, which are stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(
            reception: Reception,
            *,
            gate: Gate = let_in,
            subprotocols: Sequence[str] = (WINDOWED_SUBPROTOCOL, SUBPROTOCOL),
            max_size: int = MAX_SIZE,
            pages: dict[str, Page] | None = None,
            tls: ssl.SSLContext | None = None,
            port: int = 0,
        ) -> LinkServer:
            server = LinkServer(
                prefix="/ocpp",
                gate=gate,
                reception=reception,
                subprotocols=subprotocols,
                max_size=max_size,
                pages=pages,
            )
            await server.start("127.0.0.1", port, tls)
            stack.push_async_callback(server.stop)
            return server

        yield start


class LinkPair(NamedTuple):
    """Both ends of one link, each of them running."""

    server: Link
    client: Link
    server_run: asyncio.Task[str]
    client_run: asyncio.Task[str]


@pytest.fixture
async def link_pair(
    running_server: Callable[..., Awaitable[LinkServer]],
) -> AsyncIterator[Callable[..., Awaitable[LinkPair]]]:
    """A factory of links over a real socket; they are closed after the test."""
    async with AsyncExitStack() as stack:

        async def make(
            *,
            server_handlers: Mapping[str, Handler] | None = None,
            client_handlers: Mapping[str, Handler] | None = None,
            server_limits: LinkLimits | None = None,
            client_limits: LinkLimits | None = None,
            subprotocol: str = SUBPROTOCOL,
            max_size: int = MAX_SIZE,
        ) -> LinkPair:
            met: asyncio.Future[tuple[Link, asyncio.Task[str]]] = asyncio.get_running_loop().create_future()

            async def reception(identity: str, connection: ServerSocket) -> None:
                link = Link(
                    connection,
                    peer=identity,
                    handlers=server_handlers or {},
                    limits=server_limits or LinkLimits(),
                    trace=FrameTrace("server"),
                )
                run = asyncio.create_task(link.run())
                met.set_result((link, run))
                await run

            server = await running_server(reception, max_size=max_size)
            connection = await dial(
                link_url(f"ws://127.0.0.1:{server.port}/ocpp", "CP-1"),
                subprotocols=[subprotocol],
                max_size=MAX_SIZE,
            )
            client = Link(
                connection,
                peer="server",
                handlers=client_handlers or {},
                limits=client_limits or LinkLimits(),
                trace=FrameTrace("CP-1"),
            )
            client_run = asyncio.create_task(client.run())
            stack.push_async_callback(asyncio.wait, [client_run])
            stack.push_async_callback(client.close)
            link, server_run = await met
            return LinkPair(link, client, server_run, client_run)

        yield make


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "hub.pem"
    path.write_bytes(
        signed.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path
