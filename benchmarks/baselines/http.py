"""The alternative that the paper argues against: a hub as OCPI has it, one HTTP request for each question.

Charge points come by WebSocket, as OCPP demands. From the central system on it is HTTP with aiohttp:
connections are kept alive, and there are as many as there are questions under way, each without Nagle's delay.
The hub passes the home operator's answer on as the bytes that came.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from yarl import URL

from benchmarks.baselines.bare import SETTINGS
from benchmarks.baselines.ocpi import CREDENTIAL, PATH, REQUEST, authorization, ocpp_status
from benchmarks.baselines.roles import CALL_RESULT, HOST, MAX_IN_FLIGHT, Options, answer, run

JSON = "application/json"
REQUEST_IDS = ("X-Request-ID", "X-Correlation-ID")
"""Every request of OCPI carries both; here they are the OCPP message id."""

Ask = Callable[[str, dict[str, str]], Awaitable[bytes]]


async def ask(session: ClientSession, upstream: str, uid: str, ids: dict[str, str]) -> bytes:
    """Ask `upstream` about a token."""
    headers = {"Authorization": CREDENTIAL, "Content-Type": JSON, **ids}
    url = URL(upstream + PATH.format(uid=quote(uid, safe="")), encoded=True)
    async with session.post(url, data=REQUEST, headers=headers) as response:
        return await response.read()


@asynccontextmanager
async def asking(options: Options) -> AsyncIterator[Ask | None]:
    """How to ask upstream, if there is one."""
    if options.upstream is None:
        yield None
        return
    async with ClientSession(
        connector=TCPConnector(limit=MAX_IN_FLIGHT),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
        raise_for_status=True,
    ) as session:
        yield partial(ask, session, options.upstream)


@asynccontextmanager
async def serve_charge_points(above: Ask | None) -> AsyncIterator[str]:
    """A central system."""

    async def answer_to(call: list[Any]) -> bytes:
        if above is None or call[2] != "Authorize":
            return answer(call)
        status = ocpp_status(await above(call[3]["idTag"], dict.fromkeys(REQUEST_IDS, call[1])))
        return orjson.dumps((CALL_RESULT, call[1], {"idTagInfo": {"status": status}}))

    async def receive(connection: ServerConnection) -> None:
        try:
            while True:
                call = orjson.loads(await connection.recv(decode=False))
                await connection.send(await answer_to(call), text=True)
        except ConnectionClosed:
            return

    server = await listen(receive, HOST, 0, **SETTINGS)
    yield f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/ocpp"


@asynccontextmanager
async def serve_requests(above: Ask | None) -> AsyncIterator[str]:
    """A hub or a home."""

    async def authorize(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != CREDENTIAL:
            return web.Response(status=401)
        uid = request.match_info["uid"]
        orjson.loads(await request.read())
        if above is None:
            body = authorization(uid, datetime.now(UTC))
        else:
            body = await above(uid, {name: request.headers[name] for name in REQUEST_IDS})
        return web.Response(body=body, content_type=JSON)

    application = web.Application()
    application.router.add_post(PATH, authorize)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, backlog=MAX_IN_FLIGHT)
    await site.start()
    yield f"http://{HOST}:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[str | None]:
    """See Kind. A hub with an upstream asks it; nobody dials in to be asked, so a home only listens."""
    async with asking(options) as above:
        serving = serve_charge_points if options.role == "central" else serve_requests
        async with serving(above) as url:
            yield url


if __name__ == "__main__":
    run(serve)
