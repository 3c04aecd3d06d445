from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cascade.errors import CallTimeoutError, PeerError, RoamingRefused, SecurityFaultError
from cascade.exchange import answering, ask
from cascade.frames import Call, Payload
from cascade.roaming.endpoints import LookupEndpoint, Referral
from cascade.roaming.tokens import PullWhitelist, WhitelistPage
from tests.conftest import LinkPair

PairFactory = Callable[..., Awaitable[LinkPair]]

pytestmark = pytest.mark.usefixtures("logs")  # not on the screen: rendered tracebacks are slow

REFERRAL = Referral(
    operator_id="C1", url="wss://c1.example", ticket="ticket", expiry=datetime(2026, 3, 1, tzinfo=UTC)
)


async def refer(message: LookupEndpoint) -> Referral:
    if message.id_tag == "NOBODY":
        raise RoamingRefused("UnknownToken", "no operator owns this token")
    if message.id_tag == "LOCKED":
        raise SecurityFaultError("boot first")
    return REFERRAL


@pytest.fixture
async def pair(link_pair: PairFactory) -> LinkPair:
    return await link_pair(server_handlers={"DataTransfer": answering({LookupEndpoint: refer})})


async def test_a_question_gets_its_answer(pair: LinkPair) -> None:
    assert await ask(pair.client, LookupEndpoint(id_tag="A"), Referral) == REFERRAL


async def test_a_refusal_comes_back_as_it_was_raised(pair: LinkPair) -> None:
    with pytest.raises(RoamingRefused) as caught:
        await ask(pair.client, LookupEndpoint(id_tag="NOBODY"), Referral)
    assert (caught.value.code, caught.value.detail) == ("UnknownToken", "no operator owns this token")


async def test_an_answer_error_is_still_a_callerror(pair: LinkPair) -> None:
    with pytest.raises(PeerError, match="SecurityError: boot first"):
        await ask(pair.client, LookupEndpoint(id_tag="LOCKED"), Referral)


async def test_a_message_of_the_table_that_this_side_does_not_answer(pair: LinkPair) -> None:
    with pytest.raises(RoamingRefused) as caught:
        await ask(pair.client, PullWhitelist(epoch=0, version=0), WhitelistPage)
    assert caught.value.code == "UnknownMessageId"


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"vendorId": "com.example"}, "UnknownVendorId"),
        ({"vendorId": "nap.roaming", "messageId": "Gossip"}, "UnknownMessageId"),
        ({"vendorId": "nap.roaming", "messageId": "LookupEndpoint", "data": "{}"}, "Rejected"),
        ({"vendorId": "nap.roaming", "messageId": "LookupEndpoint"}, "Rejected"),
    ],
)
async def test_a_transfer_that_is_no_message(pair: LinkPair, payload: Payload, status: str) -> None:
    assert (await pair.client.call("DataTransfer", payload))["status"] == status


async def test_an_answer_of_another_kind_is_refused(pair: LinkPair) -> None:
    with pytest.raises(RoamingRefused, match="data is not a WhitelistPage"):
        await ask(pair.client, LookupEndpoint(id_tag="A"), WhitelistPage)


async def test_the_time_to_wait_can_be_given(link_pair: PairFactory) -> None:
    async def never(call: Call) -> Payload:
        raise AssertionError(call)

    pair = await link_pair(server_handlers={"DataTransfer": never})
    with pytest.raises(CallTimeoutError):
        await ask(pair.client, LookupEndpoint(id_tag="A"), Referral, timeout_s=0)
