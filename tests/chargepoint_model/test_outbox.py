import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cascade.errors import BadValueError, LinkLostError
from cascade.frames import Call, Payload
from cascade.link import LinkLimits
from cascade.ocpp16 import WINDOWED_SUBPROTOCOL
from chargepoint_model.behaviour import Driver
from chargepoint_model.configuration import Configuration
from chargepoint_model.outbox import NOT_TAKEN, Outbox
from chargepoint_model.session import Session
from tests.chargepoint_model.conftest import ACCEPTED, Central
from tests.conftest import LinkPair, LogLines

AT = datetime(2026, 1, 1, tzinfo=UTC)
STOP = {"meterStop": 9, "timestamp": "2026-01-01T01:00:00Z"}
ACTIONS = ("StartTransaction", "StopTransaction", "MeterValues", "Heartbeat")


@pytest.fixture
def outbox() -> Outbox:
    configuration = Configuration(1)
    configuration.set("TransactionMessageRetryInterval", 0)
    return Outbox(configuration, lambda *_: None)


def a_session() -> Session:
    return Session(1, Driver("T-1"), AT, 5)


LinkOf = Callable[..., Awaitable[LinkPair]]


async def linked(link_pair: LinkOf, central: Central) -> LinkPair:
    return await link_pair(server_handlers=dict.fromkeys(ACTIONS, central.handle))


async def drained(outbox: Outbox, pair: LinkPair) -> None:
    """Drain until everything has been said."""
    draining = asyncio.create_task(outbox.drain(pair.client))
    async with asyncio.timeout(10):
        await outbox.empty()
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)


async def test_a_transaction_is_said_in_order_under_the_id_it_was_given(
    outbox: Outbox, link_pair: LinkOf
) -> None:
    central, session = Central(), a_session()
    answered: list[Session] = []
    central.script["StartTransaction"] = [{"transactionId": 77, **ACCEPTED}]
    outbox.start(session, answered.append)
    outbox.keep(session, "StopTransaction", STOP)
    await drained(outbox, await linked(link_pair, central))
    assert [action for action, _ in central.calls] == ["StartTransaction", "StopTransaction"]
    assert central.heard("StopTransaction") == [{**STOP, "transactionId": 77}]
    assert answered == [session]
    assert (session.transaction_id, session.start_status) == (77, "Accepted")


async def test_a_lost_link_loses_nothing_of_a_transaction(outbox: Outbox, link_pair: LinkOf) -> None:
    central, session = Central(), a_session()
    never: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
    central.script["StartTransaction"] = [never]
    outbox.start(session, lambda _: None)
    outbox.keep(session, "StopTransaction", STOP)
    first = await linked(link_pair, central)
    outbox.open()
    outbox.say("Heartbeat", {})
    draining = asyncio.create_task(outbox.drain(first.client))
    await central.hears("StartTransaction")
    await first.client.close()
    with pytest.raises(LinkLostError):
        await draining
    never.cancel()
    assert len(outbox) == 2, "the heartbeat was of the moment"
    await drained(outbox, await linked(link_pair, central))
    assert [action for action, _ in central.calls] == [
        "StartTransaction",
        "StartTransaction",
        "StopTransaction",
    ]
    first_start, second_start = central.heard("StartTransaction")
    assert first_start == second_start, "with its original time"


async def test_what_is_not_processed_is_tried_as_often_as_configured(
    outbox: Outbox, link_pair: LinkOf, logs: LogLines
) -> None:
    central, session = Central(), a_session()
    answered: list[Session] = []
    central.script["StartTransaction"] = [BadValueError("no")] * 3
    outbox.start(session, answered.append)
    outbox.keep(session, "StopTransaction", STOP)
    await drained(outbox, await linked(link_pair, central))
    assert [action for action, _ in central.calls] == ["StartTransaction"] * 3
    assert answered == [session]
    assert session.start_status == NOT_TAKEN
    given_up = logs.named("given_up")
    assert [one["action"] for one in given_up] == ["StartTransaction", "StopTransaction"]
    assert given_up[1]["payload"] == STOP


async def test_a_second_attempt_may_succeed(outbox: Outbox, link_pair: LinkOf) -> None:
    central, session = Central(), a_session()
    central.script["StartTransaction"] = [BadValueError("no"), {"nonsense": 1}]
    outbox.start(session, lambda _: None)
    await drained(outbox, await linked(link_pair, central))
    assert len(central.heard("StartTransaction")) == 3
    assert session.start_status == "Accepted"


async def test_silence_is_waited_out(outbox: Outbox, link_pair: LinkOf, logs: LogLines) -> None:
    session, asked = a_session(), 0

    async def handle(_: Call) -> Payload:
        nonlocal asked
        asked += 1
        if asked <= 4:
            await asyncio.Event().wait()
        return {"transactionId": 1, **ACCEPTED}

    outbox.start(session, lambda _: None)
    pair = await link_pair(
        server_handlers={"StartTransaction": handle},
        client_limits=LinkLimits(call_timeout_s=0.1),
        subprotocol=WINDOWED_SUBPROTOCOL,
    )
    await drained(outbox, pair)
    assert session.start_status == "Accepted"
    assert len(logs.named("not_delivered")) >= 4, "more often than what is not processed"
    assert not logs.named("given_up")


async def test_a_message_of_the_moment_is_said_once(outbox: Outbox, link_pair: LinkOf) -> None:
    central = Central()
    central.script["Heartbeat"] = [BadValueError("no")]
    outbox.say("Heartbeat", {})
    assert len(outbox) == 0, "without a link it is not kept"
    outbox.open()
    outbox.say("Heartbeat", {})
    await drained(outbox, await linked(link_pair, central))
    assert len(central.heard("Heartbeat")) == 1


async def test_a_report_waits_for_a_link_and_is_not_tried_again_if_nobody_wants_it(
    outbox: Outbox, link_pair: LinkOf, logs: LogLines
) -> None:
    central = Central()
    central.script["Heartbeat"] = [BadValueError("no")]
    outbox.report("Heartbeat", {})
    outbox.open()
    outbox.say("Heartbeat", {})
    assert len(outbox) == 2
    gone = await linked(link_pair, central)
    await gone.client.close()
    with pytest.raises(LinkLostError):
        await outbox.drain(gone.client)
    assert len(outbox) == 1
    await drained(outbox, await linked(link_pair, central))
    assert len(central.heard("Heartbeat")) == 1
    assert not outbox.taken
    assert logs.named("not_delivered")[0]["log_level"] == "info"


async def test_what_is_answered_about_tags_is_learnt(link_pair: LinkOf) -> None:
    central, learnt = Central(), list[tuple[str, Payload]]()
    outbox = Outbox(Configuration(1), lambda id_tag, info: learnt.append((id_tag, info)))
    central.script["StopTransaction"] = [{"idTagInfo": {"status": "Expired"}}, ACCEPTED]
    session = a_session()
    outbox.start(session, lambda _: None)
    outbox.keep(session, "StopTransaction", {**STOP, "idTag": "T-2"})
    outbox.keep(session, "StopTransaction", STOP)
    await drained(outbox, await linked(link_pair, central))
    assert learnt == [("T-1", {"status": "Accepted"}), ("T-2", {"status": "Expired"})]
    assert outbox.taken == {"StartTransaction": 1, "StopTransaction": 2}


async def test_a_meter_value_that_is_not_processed_is_given_up_alone(
    outbox: Outbox, link_pair: LinkOf, logs: LogLines
) -> None:
    central, session = Central(), a_session()
    central.script["MeterValues"] = [BadValueError("no")] * 3
    outbox.start(session, lambda _: None)
    value = {"timestamp": "2026-01-01T00:30:00Z", "sampledValue": [{"value": "7"}]}
    outbox.keep(session, "MeterValues", {"connectorId": 1, "meterValue": [value]})
    outbox.keep(session, "StopTransaction", STOP)
    await drained(outbox, await linked(link_pair, central))
    assert [one["action"] for one in logs.named("given_up")] == ["MeterValues"]
    assert session.start_status == "Accepted"
    assert len(central.heard("StopTransaction")) == 1
