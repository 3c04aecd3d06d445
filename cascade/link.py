"""A link: one WebSocket speaking OCPP-J, with its calls in flight.

The link pumps a socket through a `CallLedger`. What it promises:

- A handler never holds up the receive loop, so it may call back on its own link. It is begun at once, where
  its call came in, and goes on where the answer that it waits for comes in; if it waits for anything else it
  becomes a task.
- A call that comes right behind an answer finds the answer in effect: whoever waited for it has gone on.
- On a link with a window of 1 the peer's calls are handled in the order they came, even if the peer does
  not wait for answers; on a windowed link up to a window of them are handled at once.
- A peer that sends more than may be handled or queued is not read until there is room again.
- A call ends by its deadline, or at once when the link is lost.
- A peer that hangs is cut off: one that does not take what is sent to it for `send_timeout_s`, and one that
  owes an answer and shows no sign of life for less than twice as long, though the network takes what it is
  sent. (The keep-alive of `websockets` does neither: it waits behind the same full buffer, and for long.)
- A link that is closed gives and takes no answer more, and what the peer still says on it has no effect.
- What is not a frame is logged and skipped, a CALL whose id can be read always gets an answer, and the link
  lives on.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from websockets.exceptions import ConnectionClosed

from cascade import ocpp16
from cascade.calls import CallLedger, Stray
from cascade.errors import (
    AnswerError,
    CallTimeoutError,
    FrameError,
    InternalFaultError,
    LinkLostError,
    PeerError,
    StoreError,
    UnsupportedActionError,
)
from cascade.frames import Call, CallError, CallResult, Frame, Payload, decode, encode
from cascade.sockets import Socket
from cascade.tasks import Reply, go_on
from cascade.trace import FrameTrace

TAKEN_OVER = 4001
"""Close code of ours: a newer link of the same identity counts now."""

NOT_STORED = "nothing can be stored at the moment: try again later"
"""What a peer is told when the database takes nothing, as on a full disk; the log says why."""

Handler = Callable[[Call], Awaitable[Payload]]
"""Answers one CALL of the peer with the payload of its CALLRESULT, or raises `AnswerError`.

It may not enter what asks for the current task, such as `asyncio.timeout`: see `cascade.tasks`.
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What a link holds its peer, and itself, to."""

    window: int = 256
    """Calls in flight each way on `nap1.ocpp1.6`, 1 or more; on `ocpp1.6` it is always 1."""
    backlog: int = 256
    """Calls of the peer that wait to be handled before the link stops reading, 1 or more."""
    call_timeout_s: float = 10.0
    """How long a call waits for its answer, its place in the window included."""
    send_timeout_s: float = 5.0
    """How long a peer may leave what is sent to it unread, or a ping unanswered, before it is cut off."""


class Link:
    """One WebSocket speaking OCPP-J.

    Args:
        connection: an open WebSocket; its subprotocol decides about the window.
        peer: who is at the other end, for logs and traces.
        handlers: the actions that this side answers.
        limits: time-outs and sizes.
        trace: where frames are shown while tracing is on.
    """

    def __init__(
        self,
        connection: Socket,
        *,
        peer: str,
        handlers: Mapping[str, Handler],
        limits: LinkLimits,
        trace: FrameTrace,
    ) -> None:
        self.peer = peer
        self._connection = connection
        self._handlers = handlers
        self._limits = limits
        self._trace = trace
        self._window = limits.window if connection.subprotocol == ocpp16.WINDOWED_SUBPROTOCOL else 1
        if self._window > 1:
            connection.gather()
        self._loop = asyncio.get_running_loop()
        self._ledger: CallLedger[Reply[Payload]] = CallLedger(self._window)
        self._expiry: asyncio.TimerHandle | None = None
        self._expiry_at = float("inf")
        self._watching: asyncio.TimerHandle | None = None
        self._silent_looks = 0
        self._id_prefix = secrets.token_hex(8)
        self._calls_made = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._inbox: deque[Call] = deque()
        self._held: list[Call] | None = None
        self._open_ids: set[str] = set()
        self._room = asyncio.Event()
        self._lost: str | None = None

    # --- calls of ours ------------------------------------------------------------------------------------

    def new_message_id(self) -> str:
        """A message id that no other link of any process uses, at most 36 characters."""
        self._calls_made += 1
        return f"{self._id_prefix}-{self._calls_made}"

    async def call(
        self, action: str, payload: Payload, *, timeout_s: float | None = None, message_id: str | None = None
    ) -> Payload:
        """Call the peer and wait for its result.

        Args:
            action: the OCPP action.
            payload: its request.
            timeout_s: seconds until the call fails; the link's `call_timeout_s` if not given.
            message_id: from `new_message_id`, for a caller that must know it.

        Raises:
            PeerError: the peer answered with a CALLERROR.
            CallTimeoutError: no answer in time, or no place in the window in time.
            BadResultError: the peer's result is not one of this action.
            LinkLostError: the link is gone, or went while the call was in flight.
            TypeError: the payload holds something that JSON cannot.
        """
        if self._lost is not None:
            raise LinkLostError(self._lost)
        call = Call(message_id or self.new_message_id(), action, payload)
        text = encode(call)
        deadline = self._loop.time() + (self._limits.call_timeout_s if timeout_s is None else timeout_s)
        waiter: Reply[Payload] = Reply(self._loop)
        must_send = self._ledger.begin(call, waiter, deadline)
        self._expire_at(deadline)
        self._watch()
        try:
            if must_send and not self._send_at_once(text):
                self._spawn(self._transmit(call, text, waiter))
            result = await waiter
        except BaseException:
            self._ledger.forget(call.message_id)
            self._promote()
            raise
        ocpp16.check_result(action, result)
        return result

    def _settle(self, frame: CallResult | CallError) -> None:
        entry = self._ledger.settle(frame.message_id)
        if isinstance(entry, Stray):
            log.warning("answer_ignored", peer=self.peer, message_id=frame.message_id, because=entry.value)
            return
        self._promote()
        if isinstance(frame, CallResult):
            if not entry.waiter.settle(frame.payload):
                self._hold_calls()
        else:
            entry.waiter.fail(PeerError(frame.code, frame.description, frame.details))

    def _promote(self) -> None:
        for entry in self._ledger.promote():
            self._spawn(self._transmit(entry.call, encode(entry.call), entry.waiter))

    async def _transmit(self, call: Call, text: bytes, waiter: Reply[Payload]) -> None:
        """Send a call in a task of its own, so that its deadline does not wait for a full socket."""
        try:
            await self._send(call, text)
        except LinkLostError as error:
            waiter.fail(error)

    def _expire_at(self, deadline: float) -> None:
        if deadline < self._expiry_at:
            if self._expiry is not None:
                self._expiry.cancel()
            self._expiry_at = deadline
            self._expiry = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._expiry, self._expiry_at = None, float("inf")
        # a timer may fire a little early: what is due within a millisecond is due
        for entry in self._ledger.expire(self._loop.time() + 0.001):
            entry.waiter.fail(CallTimeoutError(entry.call.action, sent=entry.in_flight))
        self._promote()
        following = self._ledger.next_deadline()
        if following is not None:
            self._expire_at(following)

    def _watch(self) -> None:
        """While the peer owes us answers, look now and then whether it is there."""
        if self._watching is None:
            self._watching = self._loop.call_later(self._limits.send_timeout_s / 3, self._look)

    def _look(self) -> None:
        """After two looks without a sign of life ask for one; it may take three more, `send_timeout_s`."""
        self._watching = None
        if self._lost is not None or not len(self._ledger):
            self._silent_looks = 0
            return
        self._silent_looks += 1
        if self._silent_looks == 2:
            self._connection.probe(self._hear)
        elif self._silent_looks == 5:
            self._cut_off("the peer owes answers and shows no sign of life")
            return
        self._watch()

    def _hear(self) -> None:
        self._silent_looks = 0

    # --- calls of the peer ----------------------------------------------------------------------------------

    async def run(self) -> str:
        """Read until the socket closes; returns why it closed. Every call still in flight fails then."""
        reason = "closed"
        try:
            while True:
                self._read_on()
                message = await self._connection.recv()
                await self._wait_for_room()
                self._receive(message)
        except ConnectionClosed as closed:
            reason = str(closed)
        finally:
            self._connection.deliver_to(None)
            self._lose(reason)
        return reason

    def _read_on(self) -> None:
        """Take messages as they come, unless there is no room for another call."""
        has_room = len(self._inbox) < self._limits.backlog
        self._connection.deliver_to(self._receive if has_room else None)

    def _receive(self, message: str | bytes) -> None:
        self._silent_looks = 0
        if self._lost is not None:
            return
        if isinstance(message, bytes):
            log.warning("frame_ignored", peer=self.peer, because="OCPP-J travels in text messages")
            return
        try:
            frame = decode(message)
        except FrameError as error:
            log.warning("frame_ignored", peer=self.peer, because=str(error))
            if error.message_id is not None:
                go_on(self._refuse(error.message_id, error), self._spawn)
            return
        if self._trace.on and frame is not None:
            self._trace.received(self.peer, frame)
        if isinstance(frame, Call):
            self._accept(frame)
        elif frame is not None:
            self._settle(frame)

    def _hold_calls(self) -> None:
        """A call that comes right behind an answer waits until the answer has taken effect."""
        if self._held is None:
            self._held = []
            self._loop.call_soon(self._release_calls)

    def _release_calls(self) -> None:
        held, self._held = self._held or [], None
        if self._lost is None:
            for call in held:
                self._accept(call)

    def _accept(self, call: Call) -> None:
        if self._held is not None:
            self._held.append(call)
            return
        if call.message_id in self._open_ids:
            log.warning("call_ignored", peer=self.peer, message_id=call.message_id, because="its id is in use")
            return
        self._open_ids.add(call.message_id)
        if self._serving < self._window:
            self._serving += 1
            self._idle.clear()
            go_on(self._serve(call), self._spawn)
            return
        self._inbox.append(call)
        self._read_on()

    async def _wait_for_room(self) -> None:
        """Read no further until a call can be queued, or the socket has closed."""
        if len(self._inbox) < self._limits.backlog:
            return
        closed = asyncio.ensure_future(self._connection.wait_closed())
        closed.add_done_callback(lambda _: self._room.set())
        try:
            while len(self._inbox) >= self._limits.backlog and not closed.done():
                self._room.clear()
                await self._room.wait()
        finally:
            closed.cancel()

    async def _serve(self, call: Call) -> None:
        try:
            await self._answer(call)
            while self._inbox:
                following = self._inbox.popleft()
                self._room.set()
                await self._answer(following)
        except LinkLostError:
            self._inbox.clear()  # the peer is gone: nobody waits for the answers
            self._room.set()
        finally:
            self._serving -= 1
            if not self._serving:
                self._idle.set()

    async def _answer(self, call: Call) -> None:
        try:
            ocpp16.check_request(call.action, call.payload)
            handler = self._handlers.get(call.action)
            if handler is None:
                raise UnsupportedActionError(f"{call.action} is not answered on this link")  # noqa: TRY301
            answer: Frame = CallResult(call.message_id, await handler(call))
        except AnswerError as error:
            answer = CallError(call.message_id, error.code, error.description, error.details)
        except StoreError as error:
            answer = self._not_stored(call, error)
        except Exception as error:  # noqa: BLE001 - it goes to the log
            answer = self._fault(call, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task in self._tasks and task.cancelling():
                raise
            answer = self._fault(call, error)  # not we were cancelled, but what the handler waited for
        finally:
            self._open_ids.discard(call.message_id)
        try:
            text = encode(answer)
        except TypeError as error:  # the answer holds something that JSON cannot
            answer = self._fault(call, error)
            text = encode(answer)
        await self._send(answer, text)

    def _fault(self, call: Call, error: BaseException) -> CallError:
        """The log gets what was raised, the peer learns no more than that something was."""
        log.error(
            "handler_failed",
            peer=self.peer,
            action=call.action,
            message_id=call.message_id,
            exc_info=error,
        )
        return CallError(call.message_id, InternalFaultError.code, "the request could not be handled")

    def _not_stored(self, call: Call, error: StoreError) -> CallError:
        log.error(
            "not_stored", peer=self.peer, action=call.action, message_id=call.message_id, because=str(error)
        )
        return CallError(call.message_id, InternalFaultError.code, NOT_STORED)

    async def _refuse(self, message_id: str, error: AnswerError) -> None:
        answer = CallError(message_id, error.code, error.description, error.details)
        with contextlib.suppress(LinkLostError):
            await self._send(answer, encode(answer))

    # --- the socket -----------------------------------------------------------------------------------------

    async def _send(self, frame: Frame, text: bytes) -> None:
        if self._lost is not None:
            raise LinkLostError(self._lost)
        if not self._send_at_once(text):
            # `websockets` wants a task where it waits for a socket that is closing
            await self._loop.create_task(self._send_in_turn(frame, text))

    async def _send_in_turn(self, frame: Frame, text: bytes) -> None:
        if self._trace.on:
            self._trace.sent(self.peer, frame)
        alarm = self._loop.call_later(
            self._limits.send_timeout_s, self._cut_off, "the peer does not read what is sent to it"
        )
        try:
            await self._connection.send(text, text=True)
        except ConnectionClosed as closed:
            raise LinkLostError(f"the link to {self.peer} is gone: {closed}") from None
        finally:
            alarm.cancel()

    def _send_at_once(self, text: bytes) -> bool:
        """Send without waiting; False if that cannot be, or if the frame must be shown first."""
        return not self._trace.on and self._connection.send_at_once(text)

    def _cut_off(self, because: str) -> None:
        if not self._connection.transport.is_closing():
            log.warning("link_cut", peer=self.peer, because=because)
        self._connection.transport.abort()

    def _lose(self, reason: str) -> None:
        self._lost = f"the link to {self.peer} is gone: {reason}"
        if self._expiry is not None:
            self._expiry.cancel()
        self._inbox.clear()
        self._room.set()
        for entry in self._ledger.lose():
            entry.waiter.fail(LinkLostError(self._lost))

    @property
    def lost(self) -> bool:
        """Whether the link is gone."""
        return self._lost is not None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, grace_s: float) -> None:
        """Wait until what is being handled has been answered, or `grace_s` has passed."""
        if grace_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
                    if self._tasks:
                        await asyncio.wait(self._tasks)

    def close(self, code: int = 1000, reason: str = "", *, grace_s: float = 0.0) -> Coroutine[Any, Any, None]:
        """Close the socket, after what is being handled has been answered or `grace_s` has passed.

        Calls of ours that are still in flight fail before the peer is told: it may not be there any more.
        Without a grace that is so when this returns; who awaits it waits for the socket, for a second at most.
        """
        if not grace_s:
            self._lose(reason or "closed by us")
        return self._close(code, reason, grace_s)

    async def _close(self, code: int, reason: str, grace_s: float) -> None:
        await self.finish(grace_s)
        self._lose(reason or "closed by us")
        await self._connection.close(code, reason)
