"""The literal table: which model travels in which DataTransfer, and the way there and back.

A roaming message is a DataTransfer whose `vendorId` is `nap.roaming`, whose `messageId` names the model and
whose `data` is its JSON text. An answer is likewise; a refusal has the status Rejected and `{"code",
"detail"}` in its data.
"""

from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from cascade.errors import RoamingRefused
from cascade.frames import Payload
from cascade.roaming import cdrs, endpoints, tokens
from cascade.roaming.model import Refusal, RoamingModel

VENDOR_ID = "nap.roaming"


class Exchange(NamedTuple):
    """A request and what answers it."""

    request: type[RoamingModel]
    answer: type[RoamingModel]


EXCHANGES: dict[str, Exchange] = {
    "PublishTokens": Exchange(tokens.PublishTokens, tokens.TokensPublished),
    "PullWhitelist": Exchange(tokens.PullWhitelist, tokens.WhitelistPage),
    "WhitelistChanged": Exchange(tokens.WhitelistChanged, tokens.WhitelistApplied),
    "PublishEndpoint": Exchange(endpoints.PublishEndpoint, endpoints.EndpointPublished),
    "LookupEndpoint": Exchange(endpoints.LookupEndpoint, endpoints.Referral),
    "Cdr": Exchange(cdrs.Cdr, cdrs.CdrReceipt),
    "CdrBatch": Exchange(cdrs.CdrBatch, cdrs.CdrOutcomes),
    "CdrStatus": Exchange(cdrs.CdrStatus, cdrs.Noted),
    "CdrStatusBatch": Exchange(cdrs.CdrStatusBatch, cdrs.Noted),
}

_MESSAGE_IDS = {exchange.request: message_id for message_id, exchange in EXCHANGES.items()}

M = TypeVar("M", bound=RoamingModel)


class UnknownTransfer(Exception):  # noqa: N818 - an answer of the standard, not a fault
    """A DataTransfer that is not in the table; `status` is the standard's answer."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def request(message: RoamingModel) -> Payload:
    """The DataTransfer request that carries `message`."""
    return {"vendorId": VENDOR_ID, "messageId": _MESSAGE_IDS[type(message)], "data": message.wire()}


def read_request(payload: Payload) -> RoamingModel:
    """The message in a DataTransfer request.

    Raises:
        UnknownTransfer: another vendor's, or a message id that is not in the table.
        RoamingRefused: its data is not the message that its id promises.
    """
    if payload.get("vendorId") != VENDOR_ID:
        raise UnknownTransfer("UnknownVendorId")
    exchange = EXCHANGES.get(payload.get("messageId", ""))
    if exchange is None:
        raise UnknownTransfer("UnknownMessageId")
    return _parse(exchange.request, payload)


def answer(message: RoamingModel) -> Payload:
    """The DataTransfer answer that carries `message`."""
    return {"status": "Accepted", "data": message.wire()}


def refusal(refused: RoamingRefused) -> Payload:
    """The DataTransfer answer that refuses."""
    return {"status": "Rejected", "data": Refusal(code=refused.code, detail=refused.detail).wire()}


def read_answer(expected: type[M], payload: Payload) -> M:
    """The message in a DataTransfer answer.

    Raises:
        RoamingRefused: the peer refused, does not know the message, or answered something else.
    """
    status = payload.get("status")
    if status == "Accepted":
        return _parse(expected, payload)
    if status == "Rejected":
        refused = _parse(Refusal, payload)
        raise RoamingRefused(refused.code, refused.detail)
    raise RoamingRefused(str(status), "the peer does not speak the roaming messages of this version")


def _parse(model: type[M], payload: Payload) -> M:
    try:
        return model.model_validate_json(payload.get("data") or "")
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc']) or 'data'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)[:3]
        )
        raise RoamingRefused("BadRequest", f"data is not a {model.__name__}: {faults}") from None
