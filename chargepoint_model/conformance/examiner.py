"""Sends cases one after the other, and tells silence from slowness.

A case without an answer is followed by a question that must be answered, the fence: a peer that handles
messages in their order has passed the case over when it answers the fence. A peer that does not keep the order
loses nothing: an answer that comes late still counts, and what would fail for want of an answer is waited for,
once, at the end.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import orjson

from cascade.errors import LinkLostError
from cascade.frames import CALL, Payload
from chargepoint_model.conformance.findings import Taken, findings
from chargepoint_model.conformance.model import (
    ID,
    ID_LENGTH,
    Answer,
    Case,
    Closed,
    Finding,
    Garbage,
    Part,
    Silence,
    Verdict,
)
from chargepoint_model.conformance.verdicts import judge
from chargepoint_model.conformance.wire import Exchange, Wire

PATIENCE = 5
"""A case is waited for so many times as long as the slowest answer took, before the fence is sent."""

LEAST_PATIENCE_S = 0.02

DEAF_AFTER = 3
"""Questions in a row without an answer: from then on nothing is waited for, until there is an answer again."""

DEAF_PATIENCE_S = 0.002


class Side(Protocol):
    """The end of the connection that the tool plays."""

    fence: tuple[str, Payload]
    """An action that the peer must answer, and that has no effect; with its payload."""

    async def wire(self) -> Wire:
        """The open connection; a new one if it has ended.

        Raises:
            LinkLostError: there is none to be had.
        """
        ...


class Examiner:
    """Examines one peer.

    Args:
        side: the end that the tool plays.
        timeout_s: seconds after which a peer has not answered.
    """

    def __init__(self, side: Side, timeout_s: float) -> None:
        self._side = side
        self._timeout_s = timeout_s
        self._taken: list[tuple[Case, Exchange, str]] = []
        self._slowest_s = 0.0
        self._unheard = 0
        self._id_prefix = secrets.token_hex(3)
        self._ids = itertools.count()

    # --- asking ---------------------------------------------------------------------------------------------

    async def ask(self, action: str, payload: Payload, *, wire: Wire | None = None) -> Answer:
        """Ask something beside the cases.

        Raises:
            LinkLostError: there is no connection to be had.
        """
        exchange = self._exchange(_text(action, payload))
        await self._send(wire or await self._side.wire(), exchange, fence=True)
        await self._within(exchange, DEAF_PATIENCE_S if self._deaf else self._timeout_s)
        return exchange.answers[0] if exchange.answers else Silence()

    async def examine(self, case: Case, *, wire: Wire | None = None, message_id: str | None = None) -> Exchange:
        """Send one case, and wait for its answer or the proof that there is none.

        Args:
            case: what is sent.
            wire: the connection; by default that of the side, to which it comes back if it is ended.
            message_id: one that was used before.

        Raises:
            LinkLostError: the connection was lost and there is no other to be had.
        """
        used = wire or await self._side.wire()
        exchange = await self._try(case, used, message_id)
        if wire is None and _ended(exchange) and case.part is not Part.FRAMES:
            # it may have ended for another reason than the case
            used = await self._side.wire()
            exchange = await self._try(case, used, message_id)
        aftermath = await self._aftermath(case, exchange, used)
        self._taken.append((case, exchange, aftermath))
        if wire is None and used.closed is not None:
            await self._come_back(case, exchange)
        return exchange

    async def examine_together(self, cases: Sequence[Case]) -> None:
        """Send several cases without waiting for answers in between.

        Raises:
            LinkLostError: there is no connection to be had.
        """
        wire = await self._side.wire()
        exchanges = [self._exchange(_raw(case)) for case in cases]
        for exchange in exchanges:
            await self._send(wire, exchange)
        for case, exchange in zip(cases, exchanges, strict=True):
            await exchange.within(self._timeout_s)
            self._taken.append((case, exchange, ""))

    async def _try(self, case: Case, wire: Wire, message_id: str | None) -> Exchange:
        exchange = self._exchange(_raw(case), message_id)
        began = time.monotonic()
        await self._send(wire, exchange, case.frames)
        if await self._within(exchange, self._patience_s):
            self._slowest_s = max(self._slowest_s, time.monotonic() - began)
        return exchange

    def _exchange(self, raw: str, message_id: str | None = None) -> Exchange:
        message_id = message_id or f"{self._id_prefix}{next(self._ids):0{ID_LENGTH - 6}}"
        return Exchange(message_id, raw.replace(ID, message_id))

    @staticmethod
    async def _send(
        wire: Wire, exchange: Exchange, frames: tuple[str | bytes, ...] = (), *, fence: bool = False
    ) -> None:
        messages = [_with_id(frame, exchange.message_id) for frame in frames] or [exchange.sent]
        await wire.send(exchange, messages, fence=fence)

    # --- silence --------------------------------------------------------------------------------------------

    @property
    def _deaf(self) -> bool:
        return self._unheard >= DEAF_AFTER

    @property
    def _patience_s(self) -> float:
        if self._deaf:
            return DEAF_PATIENCE_S
        return min(self._timeout_s, max(LEAST_PATIENCE_S, PATIENCE * self._slowest_s))

    async def _within(self, exchange: Exchange, timeout_s: float) -> bool:
        came = await exchange.within(timeout_s)
        heard = came and not isinstance(exchange.answers[0], Closed | Garbage)
        if heard:
            self._unheard = 0
        elif timeout_s >= self._timeout_s:  # less tells nothing: it may only be slow
            self._unheard += 1
        return came

    async def _aftermath(self, case: Case, exchange: Exchange, wire: Wire) -> str:
        """What is wrong with the connection after a case that may have harmed it."""
        if wire.closed is not None or (exchange.answers and case.part is not Part.FRAMES):
            return ""
        answer = await self.ask(*self._side.fence, wire=wire)
        if isinstance(answer, Silence | Garbage):
            if not self._deaf:
                await wire.close()
            return f"the connection answers no {self._side.fence[0]} afterwards"
        exchange.passed_over = not isinstance(answer, Closed)
        return ""

    async def _come_back(self, case: Case, exchange: Exchange) -> None:
        try:
            await self._side.wire()
        except LinkLostError as error:
            self._taken[-1] = (case, exchange, f"there is no coming back: {error}")
            raise

    async def findings(self, profiles: Mapping[str, Collection[str]]) -> list[Finding]:
        """What became of the cases so far.

        Args:
            profiles: the messages of each optional profile.
        """
        waiting = [
            exchange.within(self._timeout_s)
            for case, exchange, _ in self._taken
            if not exchange.answers and judge(case, ()).semantic is Verdict.FAIL
        ]
        await asyncio.gather(*waiting)
        taken = [Taken(case, one.sent, one.answers, aftermath) for case, one, aftermath in self._taken]
        return findings(taken, profiles)


def _ended(exchange: Exchange) -> bool:
    return bool(exchange.answers) and isinstance(exchange.answers[0], Closed)


def _text(action: str, payload: Payload) -> str:
    return orjson.dumps([CALL, ID, action, payload]).decode()


def _raw(case: Case) -> str:
    """What is sent, for one who reads it."""
    if case.payload is not None:
        return _text(case.subject, case.payload)
    return " ".join(frame if isinstance(frame, str) else repr(frame) for frame in case.frames)


def _with_id(frame: str | bytes, message_id: str) -> str | bytes:
    return (
        frame.replace(ID, message_id)
        if isinstance(frame, str)
        else frame.replace(ID.encode(), message_id.encode())
    )
