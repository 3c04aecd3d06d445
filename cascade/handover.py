"""Handing CDRs over: by a central system to the hub and to home operators, by the hub to home operators.

Many go in one message, one as every receiver knows it. What is not answered as a whole may be handed over one
by one; a CDR that the receiver cannot answer for is held, and those behind it go on, apart from its credit.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from cascade.errors import BadResultError, CallTimeoutError, PeerError, RoamingRefused
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt
from cascade.roaming.model import Refusal, RoamingModel

A = TypeVar("A", bound=RoamingModel)

BATCH = 100
"""CDRs in one message."""

HELD_MAX = 1000
"""CDRs that a receiver cannot answer for before it is given no more until later."""

NOT_ANSWERED = RoamingRefused, PeerError, BadResultError
"""The receiver is there, and has not said what has become of what it was given."""

NOT_AS_A_WHOLE = *NOT_ANSWERED, CallTimeoutError
"""The same of many, after which each may get an answer of its own."""


class Ask(Protocol):
    """Sends a receiver a message and waits for its answer, as `cascade.exchange.ask` does over a link."""

    def __call__(self, message: RoamingModel, expected: type[A], /) -> Awaitable[A]: ...  # noqa: D102


async def hand_over(ask: Ask, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
    """Give a receiver CDRs; returns what it has done with each, in their order.

    Args:
        ask: asks the receiver.
        cdrs: 1 to BATCH_MAX.

    Raises:
        RoamingRefused: several were refused as a batch, each may be taken all the same.
        CallFailed: there was no answer, or not one for each.
    """
    if len(cdrs) == 1:
        try:
            return [await ask(cdrs[0], CdrReceipt)]
        except RoamingRefused as refused:
            return [Refusal(code=refused.code, detail=refused.detail)]
    outcomes = (await ask(CdrBatch(cdrs=tuple(cdrs)), CdrOutcomes)).outcomes
    if len(outcomes) != len(cdrs):
        raise BadResultError(f"{len(outcomes)} outcomes of {len(cdrs)} CDRs")
    return outcomes


class Held:
    """CDRs that a receiver could not answer for, and the credits that wait for them."""

    def __init__(self) -> None:
        self._ids: set[UUID] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ids)

    def hold(self, cdr: Cdr) -> None:
        """Give it to the receiver no more."""
        self._ids.add(cdr.cdr_id)

    def holds(self, cdr: Cdr) -> bool:
        """Whether a CDR has to wait: it is held, or the credit of one, which is then held itself."""
        if cdr.credit_reference_id in self._ids:
            self.hold(cdr)
        return cdr.cdr_id in self._ids
