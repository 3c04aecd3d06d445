import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.errors import LinkLostError
from cascade.roaming.cdrs import Authorization, Cdr, CdrReceipt, ReceiptStatus
from cascade.roaming.model import Refusal
from cascade.roaming.tokens import Token, TokenStatus, WhitelistChanged
from nap.records import Mode
from tests.nap.actors import cdr

MANY = 1_001
"""Tokens: three pages, the last of one."""


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[OperatorFleet]:
    async with Services(tmp_path) as services:
        hub = await HubProcess.start(services)
        credentials = await hub.enter_many(["C1", "C2", "C3"], tuple(Mode))
        async with OperatorFleet(hub.url, credentials) as linked:
            yield linked


async def test_what_home_publishes_comes_to_the_others(fleet: OperatorFleet) -> None:
    pushed: asyncio.Queue[tuple[str, WhitelistChanged]] = asyncio.Queue()
    fleet.on_change = lambda who, message: pushed.put_nowait((who, message))
    home, visited = fleet["C1"], fleet["C2"]
    size = await home.publish(tokens_of("T", MANY))
    assert size > MANY * len(id_tag_of("T", 0))
    pulled = await visited.pull()
    assert (pulled.tokens, pulled.pages) == (MANY, 3)
    assert pulled.size > MANY * len(id_tag_of("T", 0))
    assert await visited.authorize(id_tag_of("T", MANY - 1)) == "Accepted"
    await home.change(Token(id_tag=id_tag_of("T", 0), status=TokenStatus.BLOCKED))
    async with asyncio.timeout(10):
        who, message = await pushed.get()
    assert who == "C2"
    assert [(token.id_tag, token.status) for token in message.changes] == [
        (id_tag_of("T", 0), TokenStatus.BLOCKED)
    ]
    assert (await fleet["C3"].pull(pulled.epoch, pulled.version)).tokens == 1
    await home.extend(tokens_of("T", 2 * MANY, start=MANY))
    assert (await fleet["C3"].pull()).tokens == 2 * MANY
    await home.publish([])
    assert await visited.authorize(id_tag_of("T", 1)) == "Invalid"


async def test_a_cdr_comes_home(fleet: OperatorFleet) -> None:
    came: asyncio.Queue[Cdr] = asyncio.Queue()
    fleet.on_cdr = came.put_nowait
    await fleet["C1"].publish(tokens_of("T", 1))
    sent = cdr(id_tag=id_tag_of("T", 0), authorization=Authorization.WHITELIST, authorization_reference=None)
    receipt = await fleet["C2"].send(sent)
    assert (receipt.cdr_id, receipt.status) == (sent.cdr_id, ReceiptStatus.RECEIVED)
    async with asyncio.timeout(10):
        assert await came.get() == sent
    await fleet["C2"].heartbeat()


async def test_cdrs_come_home_together(fleet: OperatorFleet) -> None:
    came: asyncio.Queue[Cdr] = asyncio.Queue()
    fleet.on_cdr = came.put_nowait
    await fleet["C1"].publish(tokens_of("T", 1))
    known, unknown = (
        cdr(id_tag=id_tag, authorization=Authorization.WHITELIST, authorization_reference=None)
        for id_tag in (id_tag_of("T", 0), "U0")
    )
    later = known.model_copy(update={"cdr_id": uuid4()})
    first, refused, second = await fleet["C2"].send_batch([known, unknown, later])
    assert isinstance(refused, Refusal)
    assert refused.code == "UnknownToken"
    assert isinstance(first, CdrReceipt)
    assert isinstance(second, CdrReceipt)
    assert [first.digest, second.digest] == [known.digest(), later.digest()]
    async with asyncio.timeout(10):
        assert [await came.get(), await came.get()] == [known, later]


async def test_who_cannot_link_leaves_nobody_linked(fleet: OperatorFleet) -> None:
    intruders = OperatorFleet(fleet._url, {"C9": "guessed"})
    with pytest.raises(ExceptionGroup) as caught:
        await intruders.__aenter__()
    assert isinstance(caught.value.exceptions[0], LinkLostError)
    assert list(intruders) == []
