import asyncio
import base64
import random
import socket
from collections.abc import Awaitable, Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from cascade.client import (
    RETRY_AFTER_MAX_S,
    BusyError,
    TakenOverError,
    backoff,
    basic,
    bearer,
    come_back_s,
    dial,
    keep_linked,
    link_url,
)
from cascade.errors import LinkLostError
from cascade.server import Knock, LinkServer
from tests.conftest import LogLines

ServerFactory = Callable[..., Awaitable[LinkServer]]


async def stay(_: str, connection: ServerConnection) -> None:
    await connection.wait_closed()


async def refuse(_: Knock) -> bool:
    return False


def jitter(seed: int = 1) -> random.Random:
    return random.Random(seed)  # noqa: S311 - no secret


async def attempt(url: str, *, open_timeout_s: float = 10.0) -> str:
    """Why an attempt to dial fails."""
    with pytest.raises(LinkLostError) as caught:
        await dial(url, subprotocols=["nap1.ocpp1.6", "ocpp1.6"], max_size=1000, open_timeout_s=open_timeout_s)
    return str(caught.value)


def test_an_identity_is_one_segment_of_the_url() -> None:
    assert link_url("ws://hub:9000/ocpp/", "DE*A/B 1%ü") == "ws://hub:9000/ocpp/DE%2AA%2FB%201%25%C3%BC"
    assert link_url("ws://hub/ocpp", "C1") == "ws://hub/ocpp/C1"


def test_credentials() -> None:
    assert basic("C1", "pä:ss") == "Basic " + base64.b64encode("C1:pä:ss".encode()).decode()
    assert bearer("a.b.c") == "Bearer a.b.c"


async def test_the_credential_and_the_preference_go_out(running_server: ServerFactory) -> None:
    knocks: list[Knock] = []

    async def gate(knock: Knock) -> bool:
        knocks.append(knock)
        return True

    server = await running_server(stay, gate=gate)
    connection = await dial(
        f"ws://127.0.0.1:{server.port}/ocpp/C1",
        subprotocols=["nap1.ocpp1.6", "ocpp1.6"],
        max_size=1000,
        authorization=basic("C1", "secret"),
    )
    assert connection.subprotocol == "nap1.ocpp1.6"
    assert knocks == [Knock("C1", ("C1", "secret"), None, "127.0.0.1")]
    await connection.close()


async def test_refused_by_the_gate_says_what_to_check(running_server: ServerFactory) -> None:
    server = await running_server(stay, gate=refuse)
    url = f"ws://127.0.0.1:{server.port}/ocpp/C1"
    assert await attempt(url) == f"{url} answered HTTP 401: check identity and credential"


async def test_a_path_that_is_not_there(running_server: ServerFactory) -> None:
    server = await running_server(stay)
    url = f"ws://127.0.0.1:{server.port}/C1"
    assert await attempt(url) == f"{url} answered HTTP 404"


async def test_no_common_subprotocol(running_server: ServerFactory) -> None:
    server = await running_server(stay, subprotocols=["ocpp2.0.1"])
    url = f"ws://127.0.0.1:{server.port}/ocpp/C1"
    assert await attempt(url) == f"{url} speaks none of nap1.ocpp1.6, ocpp1.6"


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/ocpp/C1"
        assert (await attempt(url)).startswith(f"{url} cannot be reached: ")


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ocpp/C1"
        assert (await attempt(url, open_timeout_s=0.01)).startswith(f"{url} cannot be reached: timed out")


async def test_a_server_of_another_kind_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp/C1"
    assert (await attempt(url)).startswith(f"{url} cannot be reached: ")
    server.close()
    await server.wait_closed()


async def answered(*head: str) -> LinkLostError:
    """What a dial fails with at a server that answers so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write("\r\n".join([*head, "Content-Length: 0", "", ""]).encode())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp/C1"
    with pytest.raises(LinkLostError) as caught:
        await dial(url, subprotocols=["ocpp1.6"], max_size=1000)
    server.close()
    await server.wait_closed()
    return caught.value


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
async def test_a_server_that_is_busy_says_when_to_come_back(status: str) -> None:
    error = await answered(f"HTTP/1.1 {status}", "Retry-After: 30")
    assert isinstance(error, BusyError)
    assert error.retry_after_s == 30
    assert str(error).endswith("/ocpp/C1 lets nobody in for now: come back in 30 s")


async def test_nobody_is_kept_away_for_ever() -> None:
    error = await answered("HTTP/1.1 503 Service Unavailable", "Retry-After: " + "9" * 400)
    assert isinstance(error, BusyError)
    assert error.retry_after_s == RETRY_AFTER_MAX_S


@pytest.mark.parametrize(
    "head",
    [
        ("HTTP/1.1 503 Service Unavailable",),
        ("HTTP/1.1 503 Service Unavailable", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
        ("HTTP/1.1 503 Service Unavailable", "Retry-After: -1"),
        ("HTTP/1.1 503 Service Unavailable", "Retry-After:"),
        ("HTTP/1.1 404 Not Found", "Retry-After: 30"),
    ],
)
async def test_any_other_refusal_is_not_that(head: tuple[str, ...]) -> None:
    assert not isinstance(await answered(*head), BusyError)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://127.0.0.1/ocpp/C1", "ws://", "ws://127.0.0.1:99999/C1", "ws://a b/C1"]
)
async def test_an_address_that_is_none(url: str) -> None:
    assert (await attempt(url)).startswith(f"{url} cannot be reached: ")


async def test_a_name_that_cannot_be_resolved() -> None:
    assert "cannot be reached: " in await attempt("ws://no-such-host.invalid/ocpp/C1")


# --- again and again ----------------------------------------------------------------------------------------


@given(base_s=st.floats(0.001, 60), cap_s=st.floats(0.001, 600), seed=st.integers(), count=st.integers(1, 40))
def test_waits_double_up_to_the_cap_and_are_jittered_over_the_upper_half(
    base_s: float, cap_s: float, seed: int, count: int
) -> None:
    waits = islice(backoff(base_s, cap_s, jitter(seed)), count)
    for number, wait in enumerate(waits):
        ceiling = min(base_s * 2**number, cap_s)
        assert 0.5 * ceiling <= wait <= ceiling


class Sessions:
    """Sessions that end as told; `None` is one that was up and has been lost."""

    def __init__(self, *ends: LinkLostError | None) -> None:
        self._ends = list(ends)
        self.all_ended = asyncio.Event()

    async def __call__(self) -> None:
        if not self._ends:
            self.all_ended.set()
            await asyncio.Event().wait()
        end = self._ends.pop(0)
        if end is not None:
            raise end


async def kept_until_ended(sessions: Sessions, *, base_s: float, cap_s: float) -> None:
    keeper = asyncio.create_task(keep_linked(sessions, name="hub", base_s=base_s, cap_s=cap_s, rng=jitter()))
    async with asyncio.timeout(10):
        await sessions.all_ended.wait()
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper


async def test_every_loss_and_every_failure_is_followed_by_another_attempt(logs: LogLines) -> None:
    failed = LinkLostError("ws://hub cannot be reached: refused")
    await kept_until_ended(Sessions(failed, failed, None, failed, None), base_s=0.0001, cap_s=0.001)
    lines = logs.named("relinking")
    assert [line["because"] for line in lines] == [str(failed), str(failed), "lost", str(failed), "lost"]
    assert {line["to"] for line in lines} == {"hub"}


async def test_a_session_that_was_up_starts_again_from_the_first_wait(logs: LogLines) -> None:
    failed = LinkLostError("refused")
    await kept_until_ended(Sessions(failed, failed, failed, None), base_s=0.01, cap_s=1.0)
    waits = [line["wait_s"] for line in logs.named("relinking")]
    assert [base <= wait <= 2 * base for base, wait in zip([0.005, 0.01, 0.02, 0.005], waits, strict=True)] == [
        True
    ] * 4


async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks_for(logs: LogLines) -> None:
    busy = Sessions(BusyError("ws://hub", 0.05), BusyError("ws://hub", 0.0), None)
    await kept_until_ended(busy, base_s=0.001, cap_s=0.002)
    asked, own, _ = (line["wait_s"] for line in logs.named("relinking"))
    assert 0.05 <= asked <= 0.0631
    assert 0.001 <= own <= 0.002


async def test_who_was_taken_over_stays_away_for_the_longest_wait(logs: LogLines) -> None:
    await kept_until_ended(Sessions(TakenOverError("by another"), None), base_s=0.001, cap_s=0.1)
    taken_over, lost = (line["wait_s"] for line in logs.named("relinking"))
    assert 0.1 <= taken_over <= 0.126
    assert lost <= 0.001


@given(retry_after_s=st.floats(0, 300), seed=st.integers())
def test_nobody_comes_back_before_the_time(retry_after_s: float, seed: int) -> None:
    assert retry_after_s <= come_back_s(retry_after_s, jitter(seed)) <= retry_after_s * 1.25


async def test_what_is_no_lost_link_is_not_hidden() -> None:
    async def session() -> None:
        raise LookupError("a fault of ours")

    with pytest.raises(LookupError):
        await keep_linked(session, name="hub", base_s=0.0001, cap_s=0.001, rng=jitter())


async def test_a_server_that_comes_back_is_found_again(running_server: ServerFactory, logs: LogLines) -> None:
    first = await running_server(stay)
    port = first.port
    linked: asyncio.Queue[str] = asyncio.Queue()

    async def session() -> None:
        connection = await dial(
            f"ws://127.0.0.1:{port}/ocpp/C1", subprotocols=["ocpp1.6"], max_size=1000, open_timeout_s=5
        )
        linked.put_nowait("up")
        await connection.wait_closed()

    keeper = asyncio.create_task(keep_linked(session, name="hub", base_s=0.001, cap_s=0.01, rng=jitter()))
    async with asyncio.timeout(20):
        await linked.get()
        await first.stop()
        assert (await logs.event("relinking", 1))["because"] == "lost"
        assert "cannot be reached" in (await logs.event("relinking", 2))["because"]
        again = await running_server(stay, port=port)
        await linked.get()
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper
    await again.stop()
