from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from cascade.errors import BadResultError, RoamingRefused
from cascade.exchange import answering, ask
from cascade.handover import Held, hand_over
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt
from cascade.roaming.model import Refusal, RoamingModel
from tests.conftest import LinkPair
from tests.cpo_central.actors import receipt_for
from tests.cpo_central.cdrs.test_delivery import records

LinkOf = Callable[..., Awaitable[LinkPair]]
Answers = dict[type[RoamingModel], Callable[[Any], Awaitable[RoamingModel]]]

NOT_OURS = Refusal(code="UnknownToken", detail="not ours")


async def linked(link_pair: LinkOf, answers: Answers) -> LinkPair:
    """A link whose other side answers these messages."""
    return await link_pair(server_handlers={"DataTransfer": answering(answers)})


async def acknowledge(cdr: Cdr) -> CdrReceipt:
    return receipt_for(cdr)


async def test_one_goes_as_every_receiver_knows_it(link_pair: LinkOf) -> None:
    pair = await linked(link_pair, {Cdr: acknowledge})
    (cdr,) = records(1)
    (receipt,) = await hand_over(partial(ask, pair.client), [cdr])
    assert isinstance(receipt, CdrReceipt)
    assert (receipt.cdr_id, receipt.digest) == (cdr.cdr_id, cdr.digest())
    with pytest.raises(RoamingRefused, match="UnknownMessageId"):
        await hand_over(partial(ask, pair.client), records(2))


async def test_one_that_is_refused_is_an_outcome_too(link_pair: LinkOf) -> None:
    async def refuse(_: Cdr) -> CdrReceipt:
        raise RoamingRefused(NOT_OURS.code, NOT_OURS.detail)

    pair = await linked(link_pair, {Cdr: refuse})
    assert await hand_over(partial(ask, pair.client), records(1)) == [NOT_OURS]


async def test_several_go_together(link_pair: LinkOf) -> None:
    async def judge(batch: CdrBatch) -> CdrOutcomes:
        return CdrOutcomes(outcomes=(receipt_for(batch.cdrs[0]), NOT_OURS))

    pair = await linked(link_pair, {CdrBatch: judge})
    cdrs = records(2)
    receipt, refusal = await hand_over(partial(ask, pair.client), cdrs)
    assert isinstance(receipt, CdrReceipt)
    assert (receipt.digest, refusal) == (cdrs[0].digest(), NOT_OURS)
    with pytest.raises(BadResultError, match="2 outcomes of 3 CDRs"):
        await hand_over(partial(ask, pair.client), records(3))


def test_what_is_held_holds_its_credit_and_nothing_else() -> None:
    first, second = records(2)
    credit, held = first.credited_by(uuid4()), Held()
    assert not held.holds(credit)
    held.hold(first)
    assert [held.holds(cdr) for cdr in (first, second, credit)] == [True, False, True]
    assert len(held) == 2
