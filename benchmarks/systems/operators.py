"""Operators as links in the runner, without a central system behind them: many cost little.

They speak as docs/linking.md asks, over the same link as a central system. What they do costs the runner CPU
time on the machine of the hub: what is measured with them is not better than it is, but worse.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self

from cascade.client import BusyError, basic, come_back_s, dial, link_url
from cascade.exchange import answering, ask
from cascade.frames import CallResult, encode
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import WINDOWED_SUBPROTOCOL
from cascade.roaming import data_transfer
from cascade.roaming.cdrs import (
    Cdr,
    CdrBatch,
    CdrOutcomes,
    CdrReceipt,
    CdrStatus,
    CdrStatusBatch,
    Noted,
    ReceiptStatus,
)
from cascade.roaming.model import Refusal, RoamingModel
from cascade.roaming.tokens import (
    PAGE_MAX,
    PublishTokens,
    PullWhitelist,
    Token,
    TokensPublished,
    WhitelistApplied,
    WhitelistChanged,
    WhitelistPage,
)
from cascade.trace import FrameTrace

BOOT = {"chargePointVendor": "nap-cascade", "chargePointModel": "operator"}
MAX_SIZE = 2**20
"""The largest message taken, in bytes."""

DIALS_AT_ONCE = 16
LIMITS = LinkLimits(call_timeout_s=60.0)
"""A hub that is slow shall be seen to be slow, not to fail."""

OnChange = Callable[[str, WhitelistChanged], None]
OnCdr = Callable[[Cdr], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of the whitelist has brought."""

    epoch: int
    version: int
    tokens: int
    pages: int
    size: int
    """Bytes of all answers, without the few of WebSocket framing."""


class LinkedOperator:
    """One operator and its link; made by `LinkedOperator.dial`."""

    def __init__(self, operator_id: str, link: Link) -> None:
        self.operator_id = operator_id
        self.link = link
        self._reading = asyncio.create_task(link.run())
        self._published = 0

    @classmethod
    async def dial(
        cls, url: str, operator_id: str, credential: str, *, on_change: OnChange, on_cdr: OnCdr
    ) -> Self:
        """Link to the hub and introduce ourselves.

        Args:
            url: the hub's.
            operator_id: ours.
            credential: ours.
            on_change: called with each change of the whitelist that is pushed to us, before it is answered.
            on_cdr: called with each CDR that is brought to us, before it is answered.

        Raises:
            CallFailed: the hub cannot be reached, or does not answer.
        """
        connection = await dial(
            link_url(url, operator_id),
            subprotocols=(WINDOWED_SUBPROTOCOL,),
            max_size=MAX_SIZE,
            authorization=basic(operator_id, credential),
            open_timeout_s=LIMITS.call_timeout_s,
        )

        async def changed(message: WhitelistChanged) -> WhitelistApplied:
            on_change(operator_id, message)
            return WhitelistApplied(epoch=message.epoch, version=message.to_version)

        async def take(cdr: Cdr) -> CdrReceipt:
            on_cdr(cdr)
            return _receipt(cdr)

        async def take_batch(batch: CdrBatch) -> CdrOutcomes:
            return CdrOutcomes(outcomes=tuple([await take(cdr) for cdr in batch.cdrs]))

        answers: dict[type[RoamingModel], Callable[[Any], Awaitable[RoamingModel]]] = {
            WhitelistChanged: changed,
            Cdr: take,
            CdrBatch: take_batch,
            CdrStatus: _note,
            CdrStatusBatch: _note,
        }
        link = Link(
            connection,
            peer="hub",
            handlers={"DataTransfer": answering(answers)},
            limits=LIMITS,
            trace=FrameTrace(operator_id),
        )
        operator = cls(operator_id, link)
        await link.call("BootNotification", BOOT)
        return operator

    async def close(self) -> None:
        """Close the link."""
        await self.link.close()
        await self._reading

    async def authorize(self, id_tag: str) -> str:
        """Ask the hub about a driver; returns the status."""
        answer = await self.link.call("Authorize", {"idTag": id_tag})
        return str(answer["idTagInfo"]["status"])

    async def heartbeat(self) -> None:
        """Ask the hub for no more than a sign of life."""
        await self.link.call("Heartbeat", {})

    async def publish(self, tokens: Iterable[Token]) -> int:
        """Publish the full list of our tokens, in pages; returns the bytes that were sent.

        Raises:
            RoamingRefused: the hub does not take them.
        """
        self._published, size = 0, 0
        pages = _paged(tokens)
        page = next(pages, ())
        while True:
            following = next(pages, None)
            message = PublishTokens(
                full=True, base_version=self._published, more=following is not None, tokens=page
            )
            size += len(message.wire())
            answer = await ask(self.link, message, TokensPublished)
            self._published = answer.version
            if following is None:
                return size
            page = following

    async def change(self, *tokens: Token) -> int:
        """Publish what has changed; returns the hub's version.

        Args:
            tokens: those that have, at most 500.

        Raises:
            RoamingRefused: the hub does not take them.
        """
        message = PublishTokens(full=False, base_version=self._published, tokens=tokens)
        answer = await ask(self.link, message, TokensPublished)
        self._published = answer.version
        return answer.version

    async def extend(self, tokens: Iterable[Token]) -> None:
        """Publish further tokens as deltas, in pages.

        Raises:
            RoamingRefused: the hub does not take them.
        """
        for page in _paged(tokens):
            await self.change(*page)

    async def pull(self, epoch: int = 0, version: int = 0) -> Pulled:
        """Pull the whitelist from a version on, all pages, and read them.

        Raises:
            RoamingRefused: the hub gives us none.
        """
        tokens, pages, size = 0, 0, 0
        while True:
            message = PullWhitelist(epoch=epoch, version=version)
            payload = await self.link.call("DataTransfer", data_transfer.request(message))
            page = data_transfer.read_answer(WhitelistPage, payload)
            size += len(encode(CallResult("", payload)))
            tokens, pages = tokens + len(page.changes), pages + 1
            epoch, version = page.epoch, page.version
            if not page.more:
                return Pulled(epoch, version, tokens, pages, size)

    async def send(self, cdr: Cdr) -> CdrReceipt:
        """Give the hub a CDR.

        Raises:
            RoamingRefused: it does not take it.
        """
        return await ask(self.link, cdr, CdrReceipt)

    async def send_batch(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        """Give the hub CDRs in one message; returns what it says of each, in their order.

        Args:
            cdrs: at most 500.

        Raises:
            RoamingRefused: it does not take the message.
        """
        return (await ask(self.link, CdrBatch(cdrs=tuple(cdrs)), CdrOutcomes)).outcomes


class OperatorFleet:
    """Many linked operators; an asynchronous context.

    Args:
        url: the hub's.
        credentials: of the operators, by their ids.
    """

    def __init__(self, url: str, credentials: Mapping[str, str]) -> None:
        self._url = url
        self._credentials = credentials
        self._operators: dict[str, LinkedOperator] = {}
        self.on_change: OnChange = lambda _operator_id, _message: None
        """Called with each change that is pushed to one of them."""
        self.on_cdr: OnCdr = lambda _cdr: None
        """Called with each CDR that is brought to one of them."""

    def __getitem__(self, operator_id: str) -> LinkedOperator:
        return self._operators[operator_id]

    def __iter__(self) -> Iterator[LinkedOperator]:
        return iter(self._operators.values())

    def __len__(self) -> int:
        return len(self._operators)

    async def __aenter__(self) -> Self:
        try:
            await self.link(self._credentials)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def drop(self) -> None:
        """Close all links."""
        await self._close()
        self._operators.clear()

    async def link_again(self) -> None:
        """Link all operators at once; those whom the hub asks to come back later do.

        Raises:
            CallFailed: one could not link.
        """
        rng = random.Random()  # noqa: S311 - jitter, not a secret

        async def come_back(operator_id: str, credential: str) -> None:
            while True:
                try:
                    return await self._dial(operator_id, credential)
                except BusyError as busy:
                    await asyncio.sleep(come_back_s(busy.retry_after_s, rng))

        async with asyncio.TaskGroup() as group:
            for operator_id, credential in self._credentials.items():
                group.create_task(come_back(operator_id, credential))

    async def link(self, credentials: Mapping[str, str], *, at_once: int = DIALS_AT_ONCE) -> None:
        """Link further operators, so many at a time.

        Raises:
            CallFailed: one could not link.
        """
        waiting = iter(credentials.items())

        async def worker() -> None:
            for operator_id, credential in waiting:
                await self._dial(operator_id, credential)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())

    async def _dial(self, operator_id: str, credential: str) -> None:
        self._operators[operator_id] = await LinkedOperator.dial(
            self._url,
            operator_id,
            credential,
            on_change=lambda who, message: self.on_change(who, message),  # noqa: PLW0108 - it is set later
            on_cdr=lambda cdr: self.on_cdr(cdr),  # noqa: PLW0108 - the same
        )

    async def _close(self) -> None:
        await asyncio.gather(*(operator.close() for operator in self))


def tokens_of(prefix: str, count: int, start: int = 0) -> Iterator[Token]:
    """Accepted tokens, numbered up to `count`; made as they are asked for: a million of them take no room."""
    return (Token(id_tag=id_tag_of(prefix, number)) for number in range(start, count))


def id_tag_of(prefix: str, number: int) -> str:
    """The idTag of a token of `tokens_of`."""
    return f"{prefix}{number:010}"


def _paged(tokens: Iterable[Token]) -> Iterator[tuple[Token, ...]]:
    rest = iter(tokens)
    while page := tuple(islice(rest, PAGE_MAX)):
        yield page


def _receipt(cdr: Cdr) -> CdrReceipt:
    return CdrReceipt(
        cdr_id=cdr.cdr_id, digest=cdr.digest(), received_at=datetime.now(UTC), status=ReceiptStatus.ACCEPTED
    )


async def _note(_: CdrStatus | CdrStatusBatch) -> Noted:
    return Noted()
