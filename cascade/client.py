"""The client end of links: dialling, and dialling again with jittered back-off."""

import asyncio
import base64
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import structlog
from websockets.asyncio.client import connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from cascade.errors import LinkLostError
from cascade.sockets import ClientSocket

log = structlog.get_logger()

RETRY_AFTER_MAX_S = 300.0
"""A server that wants to be left alone for longer is asked again then nevertheless."""


class BusyError(LinkLostError):
    """The server has too much to do to let us in.

    Args:
        url: whom we dialled.
        retry_after_s: seconds after which we may come back.
    """

    def __init__(self, url: str, retry_after_s: float) -> None:
        super().__init__(f"{url} lets nobody in for now: come back in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class TakenOverError(LinkLostError):
    """A newer link with our identity has taken over: another process uses our credential."""


def link_url(base: str, identity: str) -> str:
    """The URL of an identity below `base`, percent-encoded as OCPP-J 1.6, section 3.1.1 asks."""
    return f"{base.rstrip('/')}/{quote(identity, safe='')}"


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> str:
    """The value of an Authorization header for HTTP Bearer."""
    return f"Bearer {token}"


async def dial(
    url: str,
    *,
    subprotocols: Sequence[str],
    max_size: int,
    authorization: str | None = None,
    tls: ssl.SSLContext | None = None,
    open_timeout_s: float = 10.0,
) -> ClientSocket:
    """Open one WebSocket.

    Args:
        url: ws:// or wss://, the identity its last segment.
        subprotocols: those offered, the preferred first.
        max_size: the largest message taken, in bytes.
        authorization: the Authorization header.
        tls: for wss://; the system's trust by default.
        open_timeout_s: seconds until the attempt is given up.

    Raises:
        BusyError: the server asks to come back later.
        LinkLostError: it could not be opened; the text says why.
    """
    options: dict[str, Any] = {"ssl": tls} if tls else {}
    try:
        connection = await connect(
            url,
            subprotocols=[Subprotocol(name) for name in subprotocols],
            additional_headers={"Authorization": authorization} if authorization else None,
            compression=None,
            max_size=max_size,
            open_timeout=open_timeout_s,
            user_agent_header=None,
            create_connection=ClientSocket,
            **options,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        retry_after_s = _retry_after_s(refused.response.headers)
        if status in {429, 503} and retry_after_s is not None:
            raise BusyError(url, retry_after_s) from refused
        advice = ": check identity and credential" if status in {401, 403} else ""
        raise LinkLostError(f"{url} answered HTTP {status}{advice}") from refused
    except (OSError, TimeoutError, WebSocketException, ValueError) as error:
        raise LinkLostError(f"{url} cannot be reached: {error or type(error).__name__}") from error
    assert isinstance(connection, ClientSocket), "created so"
    if connection.subprotocol is None:
        await connection.close(1002)
        raise LinkLostError(f"{url} speaks none of {', '.join(subprotocols)}")
    return connection


def _retry_after_s(headers: Headers) -> float | None:
    """Retry-After in seconds; its other form, a date, needs clocks that agree (RFC 9110, section 10.2.3)."""
    values = headers.get_all("Retry-After")
    return min(float(values[0]), RETRY_AFTER_MAX_S) if values and values[0].isdecimal() else None


def come_back_s(retry_after_s: float, rng: random.Random) -> float:
    """Seconds to stay away when told `retry_after_s`: up to a quarter more, as others were told the same."""
    return retry_after_s * rng.uniform(1.0, 1.25)


def backoff(base_s: float, cap_s: float, rng: random.Random) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling to `cap_s`, then jittered over the upper half.

    The jitter keeps thousands that lost the same server from coming back in the same instant.
    """
    ceiling = min(base_s, cap_s)
    while True:
        yield ceiling * rng.uniform(0.5, 1.0)
        ceiling = min(ceiling * 2, cap_s)


async def keep_linked(
    session: Callable[[], Awaitable[None]], *, name: str, base_s: float, cap_s: float, rng: random.Random
) -> None:
    """Hold a link open for ever: dial, speak until it is lost, wait, dial again.

    A server that is busy is left alone for as long as it asks for, and a link that has taken over ours for the
    longest wait: two processes with one identity must not take it from each other all the time.

    Args:
        session: dials and speaks; raises LinkLostError if it could not dial, returns when the link is lost.
        name: whom we link to, for logs.
        base_s: the first wait, in seconds; a session that was up starts again from it.
        cap_s: the longest wait, in seconds.
        rng: the source of jitter.
    """
    waits = backoff(base_s, cap_s, rng)
    while True:
        stay_away_s = 0.0
        try:
            await session()
            waits = backoff(base_s, cap_s, rng)
            reason = "lost"
        except LinkLostError as error:
            reason = str(error)
            if isinstance(error, BusyError):
                stay_away_s = come_back_s(error.retry_after_s, rng)
            elif isinstance(error, TakenOverError):
                stay_away_s = come_back_s(cap_s, rng)
        wait = max(next(waits), stay_away_s)
        log.warning("relinking", to=name, because=reason, wait_s=round(wait, 3))
        await asyncio.sleep(wait)
