import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from picows import WSError

from benchmarks.load.charge_point import ChargePoint, authorize_tails, call_tail, connect
from benchmarks.load.plan import Drivers
from tests.benchmarks.load.central import Call, central

TAIL = call_tail("Authorize", {"idTag": "ANNA"})


class Listener:
    """A user that waits for what happens."""

    def __init__(self) -> None:
        self.happened: asyncio.Queue[Any] = asyncio.Queue()

    def answered(self, message: Sequence[Any], now: float) -> None:
        self.happened.put_nowait((message, now))

    def cut_off(self, *, in_flight: bool) -> None:
        self.happened.put_nowait(in_flight)

    async def next(self) -> Any:  # noqa: ANN401 - an answer and its moment, or whether a call was in flight
        async with asyncio.timeout(10):
            return await self.happened.get()


async def served(url: str) -> tuple[ChargePoint, Listener]:
    charge_point, listener = await connect(url), Listener()
    charge_point.user = listener
    return charge_point, listener


async def leave(charge_point: ChargePoint) -> None:
    charge_point.release()
    charge_point.close()
    await charge_point.closed()


async def test_a_call_is_ocpp_and_its_answer_comes_back() -> None:
    async with central() as system:
        charge_point, listener = await served(f"{system.url}/CP-1")
        charge_point.ask(TAIL)
        assert charge_point.busy
        message, _ = await listener.next()
        assert not charge_point.busy
        [call] = system.calls
        assert call == [2, message[1], "Authorize", {"idTag": "ANNA"}]
        assert message == [3, call[1], {"idTagInfo": {"status": "Accepted"}}]
        await leave(charge_point)


async def test_message_ids_are_short_and_no_two_alike() -> None:
    async with central() as system:
        parties = [await served(f"{system.url}/CP-{number}") for number in range(3)]
        for _ in range(3):
            for charge_point, listener in parties:
                charge_point.ask(TAIL)
                await listener.next()
        ids = [call[1] for call in system.calls]
        assert len(set(ids)) == 9
        assert all(len(message_id) <= 36 for message_id in ids)
        for charge_point, _ in parties:
            await leave(charge_point)


async def test_tags_are_escaped() -> None:
    tag = 'a"\\b'
    async with central() as system:
        charge_point, listener = await served(f"{system.url}/CP-1")
        charge_point.ask(authorize_tails(Drivers([tag], ["X"], 0.5))[tag])
        await listener.next()
        assert system.presented() == [tag]
        await leave(charge_point)


async def test_an_answer_to_what_was_not_asked_is_passed_over() -> None:
    def twice(call: Call) -> bytes:
        return orjson.dumps([3, call[1] if call[3]["idTag"] == "ANNA" else "another", {}])

    async with central(twice) as system:
        charge_point, listener = await served(f"{system.url}/CP-1")
        charge_point.ask(call_tail("Authorize", {"idTag": "BERT"}))
        charge_point.release()
        charge_point.user = listener
        charge_point.ask(TAIL)
        message, _ = await listener.next()
        assert message[1] == system.calls[1][1]
        assert listener.happened.empty()
        await leave(charge_point)


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    async with central() as system:
        charge_point = await connect(f"{system.url}/CP-1")
        charge_point.ask(TAIL)
        async with asyncio.timeout(10):
            while charge_point.busy:  # noqa: ASYNC110 - nobody is told, that is the point
                await asyncio.sleep(0)
        await leave(charge_point)


async def test_the_central_systems_own_calls_are_refused() -> None:
    async with central(lambda _: None) as system:
        charge_point = await connect(f"{system.url}/CP-1")
        await system.sockets["CP-1"].send('[2,"42","TriggerMessage",{"requestedMessage":"Heartbeat"}]')
        async with asyncio.timeout(10):
            await system.called.wait()
        assert system.other == [[4, "42", "NotSupported", "", {}]]
        await leave(charge_point)


@pytest.mark.parametrize("asks", [True, False])
async def test_a_socket_that_goes_takes_the_call_in_flight_with_it(asks: bool) -> None:  # noqa: FBT001
    async with central(lambda _: None) as system:
        charge_point, listener = await served(f"{system.url}/CP-1")
        if asks:
            charge_point.ask(TAIL)
        await system.sockets["CP-1"].close()
        assert await listener.next() is asks
        assert not charge_point.linked
        assert not charge_point.busy
        charge_point.close()


async def test_a_server_that_speaks_no_ocpp_is_refused() -> None:
    async with central(subprotocol=None) as system:
        with pytest.raises(WSError, match="does not speak"):
            await connect(f"{system.url}/CP-1")
