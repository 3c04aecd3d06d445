"""Roaming messages over a link: asking, and answering."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from cascade.errors import RoamingRefused
from cascade.frames import Call, Payload
from cascade.link import Handler, Link
from cascade.roaming import data_transfer
from cascade.roaming.model import RoamingModel

A = TypeVar("A", bound=RoamingModel)


async def ask(link: Link, message: RoamingModel, expected: type[A], *, timeout_s: float | None = None) -> A:
    """Send a roaming message and wait for its answer.

    Raises:
        RoamingRefused: the peer refused.
        CallFailed: no answer came.
    """
    payload = await link.call("DataTransfer", data_transfer.request(message), timeout_s=timeout_s)
    return data_transfer.read_answer(expected, payload)


def answering(handlers: Mapping[type[RoamingModel], Callable[[Any], Awaitable[RoamingModel]]]) -> Handler:
    """The DataTransfer handler of a link that answers these roaming messages.

    A message that is in the table but not in `handlers` is not for this side: UnknownMessageId.
    """

    async def handle(call: Call) -> Payload:
        try:
            message = data_transfer.read_request(call.payload)
            handler = handlers.get(type(message))
            if handler is None:
                return {"status": "UnknownMessageId"}
            return data_transfer.answer(await handler(message))
        except data_transfer.UnknownTransfer as unknown:
            return {"status": unknown.status}
        except RoamingRefused as refused:
            return data_transfer.refusal(refused)

    return handle
