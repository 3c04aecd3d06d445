"""CDRs over a link, to the hub or to a home operator: one as a Cdr, several as a CdrBatch."""

from collections.abc import Sequence

from cascade.errors import BadResultError, RoamingRefused
from cascade.exchange import ask
from cascade.link import Link
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt
from cascade.roaming.model import Refusal


async def deliver_over(link: Link, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
    """Give the other side CDRs; returns what it has done with each, in their order.

    Args:
        link: to the receiver.
        cdrs: 1 to BATCH_MAX. One goes as every receiver knows it.

    Raises:
        RoamingRefused: several were refused as a batch, each may be taken all the same.
        CallFailed: there was no answer, or not one for each.
    """
    if len(cdrs) == 1:
        try:
            return [await ask(link, cdrs[0], CdrReceipt)]
        except RoamingRefused as refused:
            return [Refusal(code=refused.code, detail=refused.detail)]
    outcomes = (await ask(link, CdrBatch(cdrs=tuple(cdrs)), CdrOutcomes)).outcomes
    if len(outcomes) != len(cdrs):
        raise BadResultError(f"{len(outcomes)} outcomes of {len(cdrs)} CDRs")
    return outcomes
