import asyncio
import base64
import http
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cascade.admission import Admission, CrowdedError
from cascade.client import BusyError, basic, bearer, dial, link_url
from cascade.errors import LinkLostError
from cascade.server import Knock, LinkServer
from tests.conftest import LogLines

pytestmark = pytest.mark.usefixtures("logs")  # not on the screen: rendered tracebacks are slow

ServerFactory = Callable[..., Awaitable[LinkServer]]


async def echo(identity: str, connection: ServerConnection) -> None:
    """Tells the client what it is called, then what it says."""
    await connection.send(identity)
    async for message in connection:
        await connection.send(message)


class Reply(NamedTuple):
    status: int
    headers: str
    body: str


async def http_get(server: LinkServer, path: bytes, *headers: bytes, upgrade: bool = True) -> Reply:
    """What the server answers on a plain socket."""
    websocket = (
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + base64.b64encode(b"0" * 16),
        b"Sec-WebSocket-Protocol: ocpp1.6",
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = (b"GET " + path + b" HTTP/1.1", b"Host: localhost", *(websocket if upgrade else ()), *headers)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ")[1])
    body = "" if status == 101 else (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return Reply(status, head, body)


def url(server: LinkServer, identity: str = "CP-1") -> str:
    return link_url(f"ws://127.0.0.1:{server.port}/ocpp", identity)


async def password_is_right(knock: Knock) -> bool:
    return knock.basic == (knock.identity, "pass:word ü") or knock.bearer == "the-ticket"


@pytest.fixture
async def guarded(running_server: ServerFactory) -> LinkServer:
    return await running_server(echo, gate=password_is_right)


# --- before the upgrade -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [basic("CP-1", "pass:word ü"), "basic  " + basic("CP-1", "pass:word ü")[6:], bearer("the-ticket")],
)
async def test_the_right_credential_opens(guarded: LinkServer, authorization: str) -> None:
    reply = await http_get(guarded, b"/ocpp/CP-1", b"Authorization: " + authorization.encode())
    assert reply.status == 101 if "  " not in authorization else reply.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b"Authorization:"],
        [b"Authorization: Basic"],
        [b"Authorization: Basic !!!"],
        [b"Authorization: Basic abc"],
        [b"Authorization: Basic \xfc\xff"],
        [b"Authorization: Basic " + base64.b64encode(b"\xff\xfe")],
        [b"Authorization: Basic " + base64.b64encode(b"no colon")],
        [b"Authorization: " + basic("CP-1", "wrong").encode()],
        [b"Authorization: " + basic("CP-2", "pass:word \xfc").encode()],
        [b"Authorization: Bearer another"],
        [b"Authorization: Digest username=CP-1"],
        [b"Authorization: " + basic("CP-1", "pass:word ü").encode()] * 2,
    ],
)
async def test_a_missing_malformed_or_wrong_credential_gets_a_401(
    guarded: LinkServer, logs: LogLines, headers: list[bytes]
) -> None:
    reply = await http_get(guarded, b"/ocpp/CP-1", *headers)
    assert reply.status == 401
    assert 'WWW-Authenticate: Basic realm="ocpp"' in reply.headers
    assert reply.body == "wrong or missing credentials\n"
    refused = await logs.event("upgrade_refused")
    assert refused["identity"] == "CP-1"
    assert "Authorization" not in str(refused)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/ocpp",
        b"/ocpp/",
        b"/ocpp/CP-1/more",
        b"/other/CP-1",
        b"/ocppp/CP-1",
        b"//[/ocpp/CP-1",
        b"//host/ocpp/CP-1",
        b"/?/ocpp/CP-1",
        b"*",
    ],
)
async def test_other_paths_are_not_found(guarded: LinkServer, path: bytes) -> None:
    reply = await http_get(guarded, path)
    assert (reply.status, reply.body) == (404, "no such path\n")


@pytest.mark.parametrize(
    "identity", ["CP-1", "CP 1", "a/b", "100%", "ä€", "a?b#c", "%2F", "RDAM|123", "x" * 255, "."]
)
async def test_the_identity_is_percent_decoded(running_server: ServerFactory, identity: str) -> None:
    knocks: list[Knock] = []

    async def gate(knock: Knock) -> bool:
        knocks.append(knock)
        return True

    server = await running_server(echo, gate=gate)
    connection = await dial(url(server, identity), subprotocols=["ocpp1.6"], max_size=1000)
    assert await connection.recv() == identity
    assert knocks == [Knock(identity, None, None, "127.0.0.1")]
    await connection.close()


async def test_a_trailing_slash_and_a_query_do_not_matter(running_server: ServerFactory) -> None:
    server = await running_server(echo)
    for end in ("/", "?a=/b", "/?a=b"):
        connection = await dial(url(server) + end, subprotocols=["ocpp1.6"], max_size=1000)
        assert await connection.recv() == "CP-1"
        await connection.close()


async def test_pages_are_answered_without_a_credential(running_server: ServerFactory) -> None:
    def health() -> tuple[http.HTTPStatus, str]:
        return http.HTTPStatus.SERVICE_UNAVAILABLE, '{"ok":false}'

    server = await running_server(echo, gate=password_is_right, pages={"/health": health})
    for path in (b"/health", b"/health?verbose"):
        reply = await http_get(server, path, upgrade=False)
        assert (reply.status, reply.body) == (503, '{"ok":false}')
        assert "Content-Type: application/json" in reply.headers
    assert (await http_get(server, b"/healthy", upgrade=False)).status == 404


async def test_a_gate_that_fails_lets_nobody_in(running_server: ServerFactory) -> None:
    async def gate(knock: Knock) -> bool:
        raise LookupError(knock)

    server = await running_server(echo, gate=gate)
    with pytest.raises(LinkLostError, match="HTTP 500"):
        await dial(url(server), subprotocols=["ocpp1.6"], max_size=1000)


# --- more at once than are let in -----------------------------------------------------------------------------


class WatchedAdmission(Admission):
    """Tells how many have come."""

    def __init__(self, *, pace: float, patience_s: float) -> None:
        super().__init__(pace=pace, patience_s=patience_s)
        self._came = 0
        self._news = asyncio.Condition()

    async def turn(self) -> None:
        async with self._news:
            self._came += 1
            self._news.notify_all()
        await super().turn()

    async def have_come(self, count: int) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: self._came >= count)


async def let_in(_: Knock) -> bool:
    return True


async def server_with(admission: Admission) -> LinkServer:
    server = LinkServer(
        prefix="/ocpp",
        gate=let_in,
        reception=echo,
        subprotocols=["ocpp1.6"],
        max_size=1000,
        pages={"/health": lambda: (http.HTTPStatus.OK, "{}")},
        admission=admission,
    )
    await server.start("127.0.0.1", 0)
    return server


async def test_all_who_dial_at_once_get_in() -> None:
    server = await server_with(Admission(pace=500, patience_s=10))
    dials = (dial(url(server, f"CP-{n}"), subprotocols=["ocpp1.6"], max_size=1000) for n in range(100))
    connections = await asyncio.gather(*dials)
    assert [await connection.recv() for connection in connections] == [f"CP-{n}" for n in range(100)]
    await server.stop()


async def test_who_is_in_is_served_while_hundreds_wait() -> None:
    admission = WatchedAdmission(pace=0.001, patience_s=1e6)
    server = await server_with(admission)
    linked = await dial(url(server), subprotocols=["ocpp1.6"], max_size=1000)
    waiting = [asyncio.create_task(http_get(server, b"/ocpp/CP-%d" % n)) for n in range(300)]
    await admission.have_come(301)
    assert await linked.recv() == "CP-1"
    for n in range(10):
        await linked.send(str(n))
        assert await linked.recv() == str(n)
    assert (await http_get(server, b"/health", upgrade=False)).status == 200
    assert not any(knock.done() for knock in waiting)
    stopping = asyncio.create_task(server.stop())
    replies = await asyncio.gather(*waiting)
    await stopping
    assert {reply.status for reply in replies} == {503}


async def test_who_finds_the_line_too_long_is_told_when_to_come_back(logs: LogLines) -> None:
    admission = WatchedAdmission(pace=0.2, patience_s=12)
    server = await server_with(admission)
    waiting = [asyncio.create_task(http_get(server, b"/ocpp/CP-%d" % n)) for n in range(3)]
    await admission.have_come(3)
    reply = await http_get(server, b"/ocpp/late")
    assert reply.status == 503
    assert "Retry-After: 22\r\n" in reply.headers
    assert reply.body == "too many at once: come back in 22 s\n"
    put_off = await logs.event("upgrade_put_off")
    assert (put_off["identity"], put_off["retry_after_s"]) == ("late", 22)
    with pytest.raises(BusyError) as busy:
        await dial(url(server), subprotocols=["ocpp1.6"], max_size=1000)
    assert busy.value.retry_after_s == 32
    await server.stop()
    await asyncio.gather(*waiting)


async def test_a_gate_may_put_off_too(running_server: ServerFactory) -> None:
    async def gate(_: Knock) -> bool:
        raise CrowdedError(7)

    reply = await http_get(await running_server(echo, gate=gate), b"/ocpp/CP-1")
    assert reply.status == 503
    assert "Retry-After: 7\r\n" in reply.headers


# --- the subprotocol ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["ocpp1.6"], "ocpp1.6"),
        (["ocpp1.6", "nap1.ocpp1.6"], "nap1.ocpp1.6"),
        (["ocpp2.0.1", "ocpp1.6"], "ocpp1.6"),
    ],
)
async def test_the_servers_preference_decides(
    running_server: ServerFactory, offered: list[str], chosen: str
) -> None:
    server = await running_server(echo)
    connection = await dial(url(server), subprotocols=offered, max_size=1000)
    assert connection.subprotocol == chosen
    await connection.close()


@pytest.mark.parametrize("offered", [None, [Subprotocol("ocpp2.0.1")]])
async def test_without_a_common_subprotocol_the_handshake_completes_and_the_socket_is_closed(
    running_server: ServerFactory, logs: LogLines, offered: list[Subprotocol] | None
) -> None:
    server = await running_server(echo)
    connection = await connect(url(server), subprotocols=offered)
    assert connection.subprotocol is None
    with pytest.raises(ConnectionClosed) as closed:
        await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1002
    assert closed.value.rcvd.reason == "speak nap1.ocpp1.6 or ocpp1.6"
    assert (await logs.event("no_common_subprotocol"))["identity"] == "CP-1"


# --- after the upgrade --------------------------------------------------------------------------------------


async def test_a_reception_that_fails_closes_its_own_socket_only(
    running_server: ServerFactory, logs: LogLines
) -> None:
    async def reception(identity: str, connection: ServerConnection) -> None:
        if identity == "bad":
            raise LookupError("a secret of ours")
        await echo(identity, connection)

    server = await running_server(reception)
    good = await dial(url(server, "good"), subprotocols=["ocpp1.6"], max_size=1000)
    bad = await dial(url(server, "bad"), subprotocols=["ocpp1.6"], max_size=1000)
    with pytest.raises(ConnectionClosed) as closed:
        await bad.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "")
    assert (await logs.event("link_failed"))["peer"] == "bad"
    assert await good.recv() == "good"
    await good.send("still there")
    assert await good.recv() == "still there"
    await good.close()


async def test_a_reception_that_is_cancelled_ends_without_a_word(
    running_server: ServerFactory, logs: LogLines
) -> None:
    tasks: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()

    async def reception(_: str, connection: ServerConnection) -> None:
        tasks.put_nowait(asyncio.current_task())
        await connection.wait_closed()

    server = await running_server(reception)
    connection = await dial(url(server), subprotocols=["ocpp1.6"], max_size=1000)
    task = await tasks.get()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert logs.named("link_failed") == []
    await connection.close()


async def test_stop_closes_the_door_and_every_socket(running_server: ServerFactory) -> None:
    server = await running_server(echo)
    connection = await dial(url(server), subprotocols=["ocpp1.6"], max_size=1000)
    await connection.recv()
    address = url(server)
    await server.stop()
    with pytest.raises(ConnectionClosed) as closed:
        await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    with pytest.raises(LinkLostError, match="cannot be reached"):
        await dial(address, subprotocols=["ocpp1.6"], max_size=1000)


async def test_a_server_that_drains_lets_nobody_in_and_serves_who_is(running_server: ServerFactory) -> None:
    pages = {"/health": lambda: (http.HTTPStatus.SERVICE_UNAVAILABLE, "{}")}
    server = await running_server(echo, pages=pages)
    inside = await dial(url(server), subprotocols=("ocpp1.6",), max_size=100)
    assert await inside.recv() == "CP-1"
    server.drain()
    with pytest.raises(BusyError):
        await dial(url(server, "CP-2"), subprotocols=("ocpp1.6",), max_size=100)
    assert (await http_get(server, b"/health", upgrade=False)).body == "{}"
    await inside.send("still here")
    assert await inside.recv() == "still here"
    await inside.close()


async def test_who_connects_and_never_asks_does_not_hold_up_the_end(running_server: ServerFactory) -> None:
    server = await running_server(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /ocpp/CP-1 HT")
    other = await dial(url(server), subprotocols=("ocpp1.6",), max_size=100)  # accepted after it
    await other.close()
    async with asyncio.timeout(5):
        await server.stop()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_stop_before_start_is_no_error() -> None:
    async def gate(_: Knock) -> bool:
        return True

    server = LinkServer(prefix="/ocpp", gate=gate, reception=echo, subprotocols=["ocpp1.6"], max_size=1000)
    await server.stop()


async def test_a_port_that_is_taken_is_an_os_error(running_server: ServerFactory) -> None:
    server = await running_server(echo)
    with pytest.raises(OSError, match="address already in use"):
        await running_server(echo, port=server.port)


# --- TLS ----------------------------------------------------------------------------------------------------


async def test_links_over_tls(running_server: ServerFactory, certificate: Path) -> None:
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(certificate)
    server = await running_server(echo, tls=at_server)
    address = f"wss://127.0.0.1:{server.port}/ocpp/CP-1"
    trusting = ssl.create_default_context(cafile=str(certificate))
    connection = await dial(address, subprotocols=["ocpp1.6"], max_size=1000, tls=trusting)
    assert await connection.recv() == "CP-1"
    await connection.close()
    with pytest.raises(LinkLostError, match="certificate verify failed"):
        await dial(address, subprotocols=["ocpp1.6"], max_size=1000)
