"""Two links over a real socket; where a peer must misbehave, a bare WebSocket takes its place."""

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from cascade.calls import DuplicateIdError
from cascade.client import dial, link_url
from cascade.errors import (
    AnswerError,
    BadResultError,
    CallTimeoutError,
    LinkLostError,
    PeerError,
    SecurityFaultError,
)
from cascade.frames import Call, CallResult, Payload, encode
from cascade.link import Handler, Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.server import LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from tests.conftest import LinkPair, LogLines

PairFactory = Callable[..., Awaitable[LinkPair]]
ServerFactory = Callable[..., Awaitable[LinkServer]]

pytestmark = pytest.mark.usefixtures("logs")  # not on the screen: rendered tracebacks are slow

BOTH = pytest.mark.parametrize("subprotocol", [SUBPROTOCOL, WINDOWED_SUBPROTOCOL])


def tag(id_tag: object) -> Payload:
    return {"idTag": str(id_tag)}


ACCEPTED: Payload = {"idTagInfo": {"status": "Accepted"}}


def echoing(id_tag: str) -> Payload:
    return {"idTagInfo": {"status": "Accepted", "parentIdTag": id_tag}}


async def accept(call: Call) -> Payload:
    return echoing(call.payload["idTag"])


class Desk:
    """A handler that answers when told to, and shows what came in which order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._arrived = asyncio.Condition()
        self.open = asyncio.Event()

    async def __call__(self, call: Call) -> Payload:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.seen.append(call.payload["idTag"])
        async with self._arrived:
            self._arrived.notify_all()
        await self.open.wait()
        self._at_once -= 1
        return echoing(call.payload["idTag"])

    async def has_seen(self, count: int) -> None:
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.seen) >= count)


class Peer:
    """A peer that speaks frames by hand, and the link at the other end of its socket."""

    def __init__(self, connection: ClientConnection, link: Link) -> None:
        self.connection = connection
        self.link = link

    async def say(self, *parts: object) -> None:
        await self.connection.send(orjson.dumps(parts), text=True)

    async def hear(self) -> list[object]:
        async with asyncio.timeout(10):
            frame: list[object] = orjson.loads(await self.connection.recv())
        return frame

    async def ask(self, *parts: object) -> list[object]:
        await self.say(*parts)
        return await self.hear()

    async def is_served(self) -> bool:
        """Whether the link still answers."""
        return await self.ask(2, "alive?", "Authorize", tag("A")) == [3, "alive?", echoing("A")]


PeerFactory = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def peer(running_server: ServerFactory) -> AsyncIterator[PeerFactory]:
    """A factory of bare WebSockets, each with a link at the server's end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            *,
            handlers: dict[str, Handler] | None = None,
            limits: LinkLimits | None = None,
            subprotocol: str = SUBPROTOCOL,
            max_size: int = 1 << 16,
        ) -> Peer:
            met: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

            async def reception(identity: str, connection: ServerSocket) -> None:
                link = Link(
                    connection,
                    peer=identity,
                    handlers={"Authorize": accept} | (handlers or {}),
                    limits=limits or LinkLimits(),
                    trace=FrameTrace("server"),
                )
                met.set_result(link)
                await link.run()

            server = await running_server(reception, max_size=max_size)
            connection = await dial(
                link_url(f"ws://127.0.0.1:{server.port}/ocpp", "CP-1"),
                subprotocols=[subprotocol],
                max_size=1 << 20,
            )
            stack.push_async_callback(connection.close)
            return Peer(connection, await met)

        yield make


def start(*calls: Awaitable[Payload]) -> list[asyncio.Task[Payload]]:
    return [asyncio.ensure_future(call) for call in calls]


async def queue_is_full(link: Link) -> None:
    async with asyncio.timeout(10):
        while len(link._inbox) < link._limits.backlog:  # noqa: ASYNC110 - the queue tells nobody that it grows
            await asyncio.sleep(0)


# --- calls and their results --------------------------------------------------------------------------------


@BOTH
async def test_calls_go_both_ways(link_pair: PairFactory, subprotocol: str) -> None:
    pair = await link_pair(
        server_handlers={"Authorize": accept}, client_handlers={"Authorize": accept}, subprotocol=subprotocol
    )
    assert await pair.client.call("Authorize", tag("A")) == echoing("A")
    assert await pair.server.call("Authorize", tag("B")) == echoing("B")


async def test_a_plain_link_has_one_call_in_flight_and_keeps_the_order(peer: PeerFactory) -> None:
    by_hand = await peer()
    calls = start(*(by_hand.link.call("Authorize", tag(number)) for number in range(5)))
    for number in range(5):
        kind, message_id, action, payload = await by_hand.hear()
        assert (kind, action, payload) == (2, "Authorize", tag(number))
        # were another call in flight, it would come before the answer to this one
        assert await by_hand.is_served()
        await by_hand.say(3, message_id, echoing(str(number)))
    assert await asyncio.gather(*calls) == [echoing(str(number)) for number in range(5)]


async def test_a_windowed_link_has_256_calls_in_flight(peer: PeerFactory) -> None:
    by_hand = await peer(subprotocol=WINDOWED_SUBPROTOCOL)
    calls = start(*(by_hand.link.call("Authorize", tag(number)) for number in range(300)))
    frames = [await by_hand.hear() for _ in range(256)]
    assert [frame[3] for frame in frames] == [tag(number) for number in range(256)]
    assert await by_hand.is_served()
    for frame in reversed(frames):
        await by_hand.say(3, frame[1], ACCEPTED)
    for frame in [await by_hand.hear() for _ in range(44)]:
        await by_hand.say(3, frame[1], ACCEPTED)
    assert await asyncio.gather(*calls) == [ACCEPTED] * 300


async def test_a_callerror_comes_with_its_fields(peer: PeerFactory) -> None:
    by_hand = await peer()
    (call,) = start(by_hand.link.call("Authorize", tag("A")))
    frame = await by_hand.hear()
    await by_hand.say(4, frame[1], "SecurityError", "not you", {"why": [1]})
    with pytest.raises(PeerError) as caught:
        await call
    assert (caught.value.code, caught.value.description) == ("SecurityError", "not you")
    assert caught.value.details == {"why": [1]}


@pytest.mark.parametrize("result", [{}, {"idTagInfo": {"status": "Fine"}}, {**ACCEPTED, "more": 1}])
async def test_a_result_that_is_none_fails_its_call_only(peer: PeerFactory, result: Payload) -> None:
    by_hand = await peer()
    (call,) = start(by_hand.link.call("Authorize", tag("A")))
    frame = await by_hand.hear()
    await by_hand.say(3, frame[1], result)
    with pytest.raises(BadResultError):
        await call
    assert await by_hand.is_served()


@pytest.mark.parametrize("position", [0, 1], ids=["sent at once", "sent from the queue"])
async def test_a_payload_that_json_cannot_hold_fails_its_call_only(
    link_pair: PairFactory, position: int
) -> None:
    pair = await link_pair(server_handlers={"Authorize": accept})
    payloads = [tag("A"), tag("B")]
    payloads.insert(position, {"idTag": object()})
    calls = start(*(pair.client.call("Authorize", payload) for payload in payloads))
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes.pop(position), TypeError)
    assert outcomes == [echoing("A"), echoing("B")]


async def test_message_ids_are_unique_and_can_be_known_before(peer: PeerFactory) -> None:
    by_hand = await peer()
    ids = {by_hand.link.new_message_id() for _ in range(100)}
    assert len(ids) == 100
    assert max(map(len, ids)) <= 36
    (call,) = start(by_hand.link.call("Authorize", tag("A"), message_id="known before"))
    assert (await by_hand.hear())[1] == "known before"
    with pytest.raises(DuplicateIdError):
        await by_hand.link.call("Authorize", tag("A"), message_id="known before")
    await by_hand.say(3, "known before", ACCEPTED)
    assert await call == ACCEPTED


# --- deadlines ----------------------------------------------------------------------------------------------


async def test_a_call_ends_by_its_deadline_sent_or_not_and_the_link_lives_on(
    peer: PeerFactory, logs: LogLines
) -> None:
    by_hand = await peer()
    first, second = start(
        by_hand.link.call("Authorize", tag("A"), timeout_s=0.02),
        by_hand.link.call("Authorize", tag("B"), timeout_s=0.01),
    )
    with pytest.raises(CallTimeoutError) as unsent:
        await second
    assert not unsent.value.sent
    with pytest.raises(CallTimeoutError) as sent:
        await first
    assert sent.value.sent
    late = (await by_hand.hear())[1]
    await by_hand.say(3, late, ACCEPTED)
    ignored = await logs.event("answer_ignored")
    assert (ignored["message_id"], ignored["because"]) == (late, "late")
    (call,) = start(by_hand.link.call("Authorize", tag("C")))
    frame = await by_hand.hear()
    assert frame[3] == tag("C"), "what was not sent in time is never sent"
    await by_hand.say(3, frame[1], ACCEPTED)
    assert await call == ACCEPTED


async def test_a_timeout_gives_its_place_to_the_next(peer: PeerFactory) -> None:
    by_hand = await peer(limits=LinkLimits(call_timeout_s=0.02))
    silent, answered = start(
        by_hand.link.call("Authorize", tag("A")), by_hand.link.call("Authorize", tag("B"), timeout_s=10)
    )
    assert (await by_hand.hear())[3] == tag("A")
    frame = await by_hand.hear()
    assert frame[3] == tag("B")
    await by_hand.say(3, frame[1], ACCEPTED)
    assert await answered == ACCEPTED
    with pytest.raises(CallTimeoutError):
        await silent


@pytest.mark.parametrize("frame", [(3, "never", {}), (4, "never", "GenericError", "", {})])
async def test_an_answer_to_nothing_is_ignored(
    peer: PeerFactory, logs: LogLines, frame: tuple[object, ...]
) -> None:
    by_hand = await peer()
    await by_hand.say(*frame)
    assert (await logs.event("answer_ignored"))["because"] == "unknown"
    assert await by_hand.is_served()


async def test_a_caller_who_leaves_frees_the_place(peer: PeerFactory, logs: LogLines) -> None:
    by_hand = await peer()
    leaving, waiting, staying = start(*(by_hand.link.call("Authorize", tag(name)) for name in "ABC"))
    frame = await by_hand.hear()
    waiting.cancel()
    leaving.cancel()
    following = await by_hand.hear()
    assert following[3] == tag("C")
    await by_hand.say(3, frame[1], ACCEPTED)
    assert (await logs.event("answer_ignored"))["because"] == "late"
    await by_hand.say(3, following[1], ACCEPTED)
    assert await staying == ACCEPTED
    assert leaving.cancelled()
    assert waiting.cancelled()


async def test_an_answer_for_a_caller_who_is_just_leaving_is_no_error(peer: PeerFactory) -> None:
    by_hand = await peer()
    link = by_hand.link
    (call,) = start(link.call("Authorize", tag("A"), message_id="1"))
    await by_hand.hear()
    (entry,) = link._ledger._in_flight.values()
    entry.waiter.cancel()
    await by_hand.say(3, "1", ACCEPTED)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await by_hand.is_served()


# --- calls of the peer --------------------------------------------------------------------------------------


async def test_a_handler_may_call_back_on_its_own_link(link_pair: PairFactory) -> None:
    pairs: list[LinkPair] = []

    async def ask_back(call: Call) -> Payload:
        answer = await pairs[0].server.call("Authorize", tag("ask back"))
        assert answer == echoing("ask back")
        return echoing(call.payload["idTag"])

    pairs.append(
        await link_pair(server_handlers={"Authorize": ask_back}, client_handlers={"Authorize": accept})
    )
    async with asyncio.timeout(5):
        assert await pairs[0].client.call("Authorize", tag("A")) == echoing("A")


async def test_a_plain_link_handles_pipelined_calls_in_order(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk})
    for number in range(20):
        await by_hand.say(2, str(number), "Authorize", tag(number))
    await desk.has_seen(1)
    desk.open.set()
    assert [(await by_hand.hear())[1] for _ in range(20)] == [str(number) for number in range(20)]
    assert desk.seen == [str(number) for number in range(20)]
    assert desk.most_at_once == 1


async def test_a_windowed_link_handles_a_window_of_calls_at_once(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(
        handlers={"Authorize": desk}, limits=LinkLimits(window=4), subprotocol=WINDOWED_SUBPROTOCOL
    )
    for number in range(20):
        await by_hand.say(2, str(number), "Authorize", tag(number))
    await desk.has_seen(4)
    desk.open.set()
    assert {(await by_hand.hear())[1] for _ in range(20)} == {str(number) for number in range(20)}
    assert desk.most_at_once == 4


@BOTH
async def test_a_flood_is_held_back_and_nothing_of_it_is_lost(peer: PeerFactory, subprotocol: str) -> None:
    desk = Desk()
    limits = LinkLimits(window=2, backlog=3)
    by_hand = await peer(handlers={"Authorize": desk}, limits=limits, subprotocol=subprotocol)
    window = 1 if subprotocol == SUBPROTOCOL else 2
    flood = asyncio.ensure_future(
        asyncio.gather(*(by_hand.say(2, str(number), "Authorize", tag(number)) for number in range(500)))
    )
    await desk.has_seen(window)
    await queue_is_full(by_hand.link)
    assert len(by_hand.link._inbox) == limits.backlog
    desk.open.set()
    answered = [(await by_hand.hear())[1] for _ in range(500)]
    await flood
    expected = [str(number) for number in range(500)]
    # a windowed link promises no order among the calls that it handles at once
    assert (desk.seen if window == 1 else sorted(desk.seen, key=int)) == expected
    assert sorted(map(str, answered)) == sorted(expected)
    assert desk.most_at_once == window


async def test_a_flooding_peer_that_goes_away_does_not_hold_its_link(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk}, limits=LinkLimits(backlog=2))
    for number in range(4):
        await by_hand.say(2, str(number), "Authorize", tag(number))
    (call,) = start(by_hand.link.call("Authorize", tag("A")))
    await queue_is_full(by_hand.link)
    by_hand.link._connection.transport.abort()
    async with asyncio.timeout(5):
        with pytest.raises(LinkLostError):
            await call
    assert by_hand.link.lost
    desk.open.set()


async def test_an_id_in_use_is_not_handled_twice(peer: PeerFactory, logs: LogLines) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk}, subprotocol=WINDOWED_SUBPROTOCOL)
    await by_hand.say(2, "1", "Authorize", tag("first"))
    await by_hand.say(2, "1", "Authorize", tag("again"))
    ignored = await logs.event("call_ignored")
    assert (ignored["message_id"], ignored["because"]) == ("1", "its id is in use")
    desk.open.set()
    assert await by_hand.hear() == [3, "1", echoing("first")]
    assert await by_hand.ask(2, "1", "Authorize", tag("later")) == [3, "1", echoing("later")]
    assert desk.seen == ["first", "later"]


async def failing(call: Call) -> Payload:
    raise {"answer": SecurityFaultError("boot first", {"a": 1}), "bug": LookupError("a secret of ours")}[
        call.payload["idTag"]
    ]


async def test_an_answer_error_goes_out_with_its_code(peer: PeerFactory) -> None:
    by_hand = await peer(handlers={"Authorize": failing})
    answer = await by_hand.ask(2, "1", "Authorize", tag("answer"))
    assert answer == [4, "1", "SecurityError", "boot first", {"a": 1}]


async def test_a_fault_of_ours_says_no_more_than_that(peer: PeerFactory, logs: LogLines) -> None:
    by_hand = await peer(handlers={"Authorize": failing})
    answer = await by_hand.ask(2, "1", "Authorize", tag("bug"))
    assert answer == [4, "1", "InternalError", "the request could not be handled", {}]
    failed = await logs.event("handler_failed")
    assert isinstance(failed["exc_info"], LookupError)
    assert "bug" not in str(failed["peer"] + failed["action"] + failed["message_id"])


async def test_a_handler_whose_own_task_was_cancelled_still_answers(peer: PeerFactory) -> None:
    async def wait_for_another(call: Call) -> Payload:
        if call.payload["idTag"] == "A":
            return echoing("A")
        other = asyncio.ensure_future(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(other.cancel)
        await other
        raise AssertionError

    by_hand = await peer(handlers={"Authorize": wait_for_another})
    await by_hand.say(2, "1", "Authorize", tag("B"))
    await by_hand.say(2, "2", "Authorize", tag("A"))
    assert (await by_hand.hear())[:3] == [4, "1", "InternalError"]
    assert await by_hand.hear() == [3, "2", echoing("A")]


async def test_a_handler_that_is_cancelled_with_its_link_is_silent(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk})
    await by_hand.say(2, "1", "Authorize", tag("A"))
    await desk.has_seen(1)
    (task,) = by_hand.link._tasks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.open.set()
    assert await by_hand.is_served()


@pytest.mark.parametrize("answer", [{"idTagInfo": object()}, {"idTagInfo": 2**64}, {"idTagInfo": "\udcff"}])
async def test_an_answer_that_json_cannot_hold_is_a_fault_and_the_next_call_is_handled(
    peer: PeerFactory, answer: Payload
) -> None:
    async def odd(call: Call) -> Payload:
        return answer if call.payload["idTag"] == "odd" else await accept(call)

    by_hand = await peer(handlers={"Authorize": odd})
    await by_hand.say(2, "1", "Authorize", tag("odd"))
    await by_hand.say(2, "2", "Authorize", tag("even"))
    assert (await by_hand.hear())[:3] == [4, "1", "InternalError"]
    assert await by_hand.hear() == [3, "2", echoing("even")]


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Telepathy", {}, "NotImplemented"),
        ("Reset", {"type": "Hard"}, "NotSupported"),
        ("Authorize", {}, "ProtocolError"),
        ("Authorize", {"idTag": "A", "more": 1}, "FormationViolation"),
        ("Authorize", [], "FormationViolation"),
        ("Authorize", {"idTag": 1}, "TypeConstraintViolation"),
        ("Authorize", {"idTag": "x" * 21}, "PropertyConstraintViolation"),
        ("MeterValues", {"connectorId": 1, "meterValue": []}, "OccurenceConstraintViolation"),
    ],
)
async def test_a_call_that_is_not_right_gets_the_code_of_the_standard(
    peer: PeerFactory, action: str, payload: object, code: str
) -> None:
    by_hand = await peer()
    kind, message_id, sent_code, description, details = await by_hand.ask(2, "1", action, payload)
    assert (kind, message_id, sent_code, details) == (4, "1", code, {})
    assert description
    assert await by_hand.is_served()


async def test_a_call_without_a_payload_has_an_empty_one(peer: PeerFactory) -> None:
    async def beat(call: Call) -> Payload:
        assert call.payload == {}
        return {"currentTime": "2026-03-01T12:00:00Z"}

    by_hand = await peer(handlers={"Heartbeat": beat})
    assert (await by_hand.ask(2, "1", "Heartbeat", None))[0] == 3
    assert (await by_hand.ask(2, "2", "Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    "message", ["not json", "{}", '[2,17,"Authorize",{}]', '[3,"1"]', "[" * 5000, b"[]", b"\xff\x00"]
)
async def test_what_is_no_frame_is_skipped(peer: PeerFactory, logs: LogLines, message: str | bytes) -> None:
    by_hand = await peer()
    await by_hand.connection.send(message)
    assert (await logs.event("frame_ignored"))["peer"] == "CP-1"
    assert await by_hand.is_served()


async def test_an_unknown_message_type_is_skipped_without_a_word(peer: PeerFactory, logs: LogLines) -> None:
    by_hand = await peer()
    await by_hand.say(5, "1", "Authorize", {})
    assert await by_hand.is_served()
    assert logs.entries == []


async def test_a_bad_call_whose_id_can_be_read_is_answered(peer: PeerFactory) -> None:
    by_hand = await peer()
    answer = await by_hand.ask(2, "17", "Authorize")
    assert answer == [4, "17", "FormationViolation", "a CALL is [2, id, action, payload]", {}]
    assert await by_hand.is_served()


async def test_a_message_that_is_too_large_closes_the_link(peer: PeerFactory) -> None:
    by_hand = await peer(max_size=1000)
    (call,) = start(by_hand.link.call("Authorize", tag("A")))
    await by_hand.hear()
    await by_hand.say(2, "1", "DataTransfer", {"vendorId": "x", "data": "x" * 1000})
    with pytest.raises(ConnectionClosed) as closed:
        await by_hand.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    with pytest.raises(LinkLostError):
        await call


# --- losing and closing -------------------------------------------------------------------------------------


@BOTH
async def test_a_lost_link_fails_every_call_at_once(peer: PeerFactory, subprotocol: str) -> None:
    by_hand = await peer(limits=LinkLimits(window=2), subprotocol=subprotocol)
    calls = start(*(by_hand.link.call("Authorize", tag(number)) for number in range(5)))
    await by_hand.hear()
    assert not by_hand.link.lost
    by_hand.connection.transport.abort()
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LinkLostError}
    assert "the link to CP-1 is gone" in str(outcomes[0])
    assert by_hand.link.lost
    with pytest.raises(LinkLostError, match="the link to CP-1 is gone"):
        await by_hand.link.call("Authorize", tag("A"))


async def test_run_tells_why_the_link_closed(link_pair: PairFactory) -> None:
    pair = await link_pair()
    await pair.client.close(1000, "good night")
    async with asyncio.timeout(5):
        assert "good night" in await pair.server_run
    assert pair.server.lost


async def test_a_call_on_a_socket_that_has_just_closed_fails_at_once(link_pair: PairFactory) -> None:
    pair = await link_pair()
    await pair.client.close()
    with pytest.raises(LinkLostError):
        await pair.client.call("Authorize", tag("A"))


async def test_closing_fails_our_calls_before_the_peer_is_told(peer: PeerFactory) -> None:
    by_hand = await peer()
    calls = start(*(by_hand.link.call("Authorize", tag(number)) for number in range(3)))
    await by_hand.hear()
    closing = asyncio.create_task(by_hand.link.close(1008, "another has come"))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert not closing.done(), "the peer has not answered yet"
    assert {str(outcome) for outcome in outcomes} == {"the link to CP-1 is gone: another has come"}
    with pytest.raises(LinkLostError, match="another has come"):
        await by_hand.link.call("Authorize", tag("A"))
    await closing


async def test_what_is_answered_after_the_peer_has_gone_is_dropped(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk})
    await by_hand.say(2, "1", "Authorize", tag("A"))
    await by_hand.say(2, "2", "Authorize", tag("B"))
    await desk.has_seen(1)
    (task,) = by_hand.link._tasks
    await by_hand.connection.close()
    desk.open.set()
    async with asyncio.timeout(5):
        await task
    assert desk.seen == ["A"]


async def test_close_waits_for_the_answer_in_work(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk})
    await by_hand.say(2, "1", "Authorize", tag("A"))
    await desk.has_seen(1)
    closing = asyncio.create_task(by_hand.link.close(1001, "restart", grace_s=10))
    desk.open.set()
    assert await by_hand.hear() == [3, "1", echoing("A")]
    with pytest.raises(ConnectionClosed) as closed:
        await by_hand.hear()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "restart")
    await closing


async def test_a_call_that_comes_while_the_link_closes_does_no_harm(peer: PeerFactory) -> None:
    by_hand = await peer()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    await by_hand.say(2, "1", "Authorize", tag("A"))  # on its way, and not read yet
    async with asyncio.timeout(10):
        await by_hand.link.close(1001, "restart")
        await by_hand.connection.wait_closed()
    assert by_hand.connection.close_code == 1001
    assert faults == []


async def test_close_does_not_wait_longer_than_it_is_told(peer: PeerFactory) -> None:
    desk = Desk()
    by_hand = await peer(handlers={"Authorize": desk})
    await by_hand.say(2, "1", "Authorize", tag("A"))
    await desk.has_seen(1)
    async with asyncio.timeout(10):
        await by_hand.link.close(grace_s=0.01)
    with pytest.raises(ConnectionClosed):
        await by_hand.hear()
    desk.open.set()


# --- slow peers ---------------------------------------------------------------------------------------------


async def deaf_client(port: int) -> socket.socket:
    """A client that completes the upgrade and never reads again."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", port))
    lines = [
        "GET /ocpp/deaf HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        f"Sec-WebSocket-Protocol: {WINDOWED_SUBPROTOCOL}",
    ]
    await loop.sock_sendall(deaf, "\r\n".join([*lines, "", ""]).encode())
    await loop.sock_recv(deaf, 1)
    return deaf


async def test_a_peer_that_stops_reading_is_cut_off_and_no_other(
    running_server: ServerFactory, logs: LogLines
) -> None:
    links: dict[str, Link] = {}
    met = {"deaf": asyncio.Event(), "good": asyncio.Event()}
    runs: dict[str, str] = {}

    async def reception(identity: str, connection: ServerSocket) -> None:
        links[identity] = Link(
            connection,
            peer=identity,
            handlers={"Authorize": accept},
            limits=LinkLimits(send_timeout_s=0.2, call_timeout_s=60),
            trace=FrameTrace("server"),
        )
        met[identity].set()
        runs[identity] = await links[identity].run()

    server = await running_server(reception)
    deaf = await deaf_client(server.port)
    connection = await dial(
        f"ws://127.0.0.1:{server.port}/ocpp/good", subprotocols=[SUBPROTOCOL], max_size=1 << 20
    )
    good = Peer(connection, await ready(links, met, "good"))
    link = await ready(links, met, "deaf")
    transfer = {"vendorId": "com.example", "data": "x" * 200_000}
    calls = start(*(link.call("DataTransfer", transfer) for _ in range(100)))
    assert await good.is_served()
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LinkLostError}
    assert [line["peer"] for line in logs.named("link_cut")] == ["deaf"]
    assert await good.is_served()
    assert not good.link.lost
    await connection.close()
    deaf.close()


async def ready(links: dict[str, Link], met: dict[str, asyncio.Event], identity: str) -> Link:
    async with asyncio.timeout(10):
        await met[identity].wait()
    return links[identity]


async def test_a_deadline_does_not_wait_for_a_full_socket(running_server: ServerFactory) -> None:
    links: dict[str, Link] = {}
    met = {"deaf": asyncio.Event()}

    async def reception(identity: str, connection: ServerSocket) -> None:
        limits = LinkLimits(send_timeout_s=30)
        links[identity] = Link(
            connection, peer=identity, handlers={}, limits=limits, trace=FrameTrace("server")
        )
        met[identity].set()
        await links[identity].run()

    server = await running_server(reception)
    deaf = await deaf_client(server.port)
    link = await ready(links, met, "deaf")
    transfer = {"vendorId": "com.example", "data": "x" * 200_000}
    calls = start(*(link.call("DataTransfer", transfer, timeout_s=0.1) for _ in range(100)))
    async with asyncio.timeout(15):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CallTimeoutError}
    assert not link.lost
    deaf.close()


async def test_a_bad_call_of_a_peer_that_has_gone_is_no_error(peer: PeerFactory, logs: LogLines) -> None:
    by_hand = await peer()
    await by_hand.connection.close()
    await by_hand.link._refuse("17", AnswerError("nobody hears this"))
    assert logs.named("handler_failed") == []


# --- the trace ----------------------------------------------------------------------------------------------


async def test_frames_are_shown_while_tracing_is_on(peer: PeerFactory, logs: LogLines) -> None:
    by_hand = await peer()
    assert await by_hand.is_served()
    assert logs.named("frame") == []
    by_hand.link._trace.switch()
    assert await by_hand.is_served()
    await by_hand.say(5, "ignored")
    assert await by_hand.is_served()
    assert [(line["what"], line["kind"]) for line in logs.named("frame")] == [
        ("received", "CALL"),
        ("sent", "CALLRESULT"),
    ] * 2


async def test_a_call_right_behind_an_answer_finds_it_in_effect(link_pair: PairFactory) -> None:
    known: list[Payload] = []
    seen: list[list[Payload]] = []

    async def look(_: Call) -> Payload:
        seen.append(known.copy())
        return {"status": "Accepted"}

    never = asyncio.get_running_loop().create_future()
    pair = await link_pair(
        server_handlers={"Heartbeat": lambda _: never}, client_handlers={"RemoteStopTransaction": look}
    )

    async def ask() -> None:
        known.append(await pair.client.call("Heartbeat", {}, message_id="asked"))

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    now = {"currentTime": "2026-01-01T00:00:00Z"}
    pair.client._receive(encode(CallResult("asked", now)).decode())
    pair.client._receive(encode(Call("behind", "RemoteStopTransaction", {"transactionId": 1})).decode())
    await asking
    await asyncio.sleep(0)
    assert seen == [[now]]
