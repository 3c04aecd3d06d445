import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cascade.client import dial
from cascade.errors import (
    BadResultError,
    BadValueError,
    CallTimeoutError,
    LinkLostError,
    MissingFieldError,
    PeerError,
    UnknownActionError,
    UnsupportedActionError,
)
from cascade.frames import Call, Payload
from cpo_central.app import Central
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.errors import NotConnectedError, UnknownChargePointError
from cpo_central.commands.records import list_transactions, put_tokens
from cpo_central.drivers.token_csv import read_token
from tests.conftest import LogLines
from tests.cpo_central.actors import BOOT, Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


def rows(central: Central, query: str) -> list[tuple[object, ...]]:
    return central._database.reader.execute(query).fetchall()


async def test_boot_heartbeat_status_and_data_transfer(start: Start, charger: Connect) -> None:
    central = await start(heartbeat_interval_s=77)
    cp = await charger(central, "CP 1/ä")
    booted, noted = await asyncio.gather(  # a charger that does not wait for the answer to its boot
        cp.link.call("BootNotification", BOOT),
        cp.link.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    )
    assert booted["status"] == "Accepted"
    assert booted["interval"] == 77
    assert booted["currentTime"].endswith("Z")
    assert noted == {}
    assert (await cp.link.call("Heartbeat", {}))["currentTime"].endswith("Z")
    assert await cp.link.call("DataTransfer", {"vendorId": "com.acme"}) == {"status": "UnknownVendorId"}
    assert rows(central, "SELECT charge_point_id FROM charge_point") == [("CP 1/ä",)]
    assert rows(central, "SELECT charge_point_id, connector_id, status FROM connector") == [
        ("CP 1/ä", 1, "Available")
    ]


async def test_what_only_a_central_system_initiates_is_not_supported(start: Start, charger: Connect) -> None:
    cp = await charger(await start())
    with pytest.raises(PeerError) as caught:
        await cp.link.call("Reset", {"type": "Hard"})
    assert caught.value.code == "NotSupported"


async def test_own_tokens_decide_without_case(start: Start, charger: Connect) -> None:
    central = await start()
    await put_tokens(
        central._settings.database,
        [
            read_token({"idTag": "OwnTag01", "parentIdTag": "GROUP", "expiryDate": "2099-01-01T00:00:00Z"}),
            read_token({"idTag": "BLOCKED1", "status": "Blocked"}),
            read_token({"idTag": "EXPIRED1", "expiryDate": "2020-01-01T00:00:00Z"}),
        ],
    )
    cp = await charger(central)
    assert await cp.authorize("owntag01") == {
        "status": "Accepted",
        "parentIdTag": "GROUP",
        "expiryDate": "2099-01-01T00:00:00Z",
    }
    assert (await cp.authorize("BLOCKED1"))["status"] == "Blocked"
    assert (await cp.authorize("EXPIRED1"))["status"] == "Expired"
    assert await cp.authorize("STRANGER") == {"status": "Invalid"}


async def test_a_repeated_start_is_the_same_transaction(start: Start, charger: Connect) -> None:
    central = await start()
    await put_tokens(central._settings.database, [read_token({"idTag": "OWN00001"})])
    cp = await charger(central)
    first = await cp.start("OWN00001")
    again = await cp.start("own00001", at="2026-01-01T11:00:00+01:00")
    assert first == again == {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
    others = [
        await cp.start("OWN00001", at="2026-01-01T10:00:01Z"),
        await cp.start("OWN00001", meter=1001),
        await cp.start("OWN00001", connector=2),
        await (await charger(central, "CP-2")).start("OWN00001"),
    ]
    assert [other["transactionId"] for other in others] == [2, 3, 4, 5]


async def test_a_start_has_a_transaction_id_even_if_nobody_may_charge(start: Start, charger: Connect) -> None:
    cp = await charger(await start())
    assert await cp.start("STRANGER") == {"transactionId": 1, "idTagInfo": {"status": "Invalid"}}


async def test_stops_repeated_contradictory_and_orphaned(
    start: Start, charger: Connect, logs: LogLines
) -> None:
    central = await start()
    await put_tokens(central._settings.database, [read_token({"idTag": "OWN00001"})])
    cp, other = await charger(central), await charger(central, "CP-2")
    await cp.start("OWN00001")
    data = [{"timestamp": "2026-01-01T10:30:00Z", "sampledValue": [{"value": "3000"}]}]
    assert await cp.stop(1, transactionData=data, reason="EVDisconnected") == {}
    assert await cp.stop(1, transactionData=data, reason="EVDisconnected") == {}
    assert rows(central, "SELECT transaction_id, connector_id FROM meter_value") == [(1, 1)]
    assert rows(central, "SELECT count(*) FROM orphan_stop") == [(0,)]
    assert await cp.stop(1, meter=9999) == {}
    assert await cp.stop(4711, idTag="OWN00001") == {"idTagInfo": {"status": "Accepted"}}
    assert await cp.stop(4711, idTag="STRANGER") == {}
    assert await other.stop(1) == {}
    assert await other.stop(1) == {}
    assert rows(central, "SELECT charge_point_id, transaction_id FROM orphan_stop ORDER BY id") == [
        ("CP-1", 1),
        ("CP-1", 4711),
        ("CP-1", 4711),
        ("CP-2", 1),
    ]
    assert len(logs.named("orphan_stop")) == 5
    (transaction,) = await list_transactions(central._settings.database)
    assert transaction["meterStop"] == 8500
    assert transaction["stopReason"] == "EVDisconnected"


async def test_meter_values_are_kept(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)
    value = [{"timestamp": "2026-01-01T10:30:00Z", "sampledValue": [{"value": "12", "unit": "Wh"}]}]
    assert await cp.link.call("MeterValues", {"connectorId": 0, "meterValue": value}) == {}
    assert await cp.link.call("MeterValues", {"connectorId": 1, "transactionId": 3, "meterValue": value}) == {}
    assert rows(central, "SELECT connector_id, transaction_id, sampled FROM meter_value ORDER BY id") == [
        (0, None, '[{"value":"12","unit":"Wh"}]'),
        (1, 3, '[{"value":"12","unit":"Wh"}]'),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"connectorId": 0},
        {"connectorId": -1},
        {"meterStart": 2**63},
        {"timestamp": "2016-12-31T23:59:60Z"},
        {"timestamp": "0001-01-01T00:00:00+01:00"},
    ],
)
async def test_bad_values_are_refused_and_the_link_lives_on(
    start: Start, charger: Connect, bad: dict[str, object]
) -> None:
    cp = await charger(await start())
    good = {"connectorId": 1, "idTag": "A", "timestamp": "2026-01-01T10:00:00Z", "meterStart": 0}
    with pytest.raises(PeerError) as caught:
        await cp.link.call("StartTransaction", {**good, **bad})
    assert caught.value.code == "PropertyConstraintViolation"
    assert next(iter(bad)) in caught.value.description
    assert (await cp.link.call("StartTransaction", good))["transactionId"] == 1


async def test_odd_id_tags_are_invalid(start: Start, charger: Connect) -> None:
    cp = await charger(await start())
    for id_tag in ("", "ä", "a\nb", "'; DROP TABLE meta"):
        assert await cp.authorize(id_tag) == {"status": "Invalid"}


async def test_the_newest_link_of_a_charger_wins(start: Start, charger: Connect, logs: LogLines) -> None:
    central = await start()
    old = await charger(central)
    new = await charger(central)
    async with asyncio.timeout(5):
        assert "1008" in await old.reading
    assert "1008" in (await logs.event("charger_unlinked"))["because"]
    assert (await new.link.call("Heartbeat", {}))["currentTime"]
    assert central.chargers._seats["CP-1"].link.lost is False


async def test_what_chargers_do_not_speak(start: Start) -> None:
    central = await start()
    url = f"ws://127.0.0.1:{central.port}/ocpp"
    with pytest.raises(LinkLostError, match="HTTP 404"):
        await dial(f"ws://127.0.0.1:{central.port}/other/CP-1", subprotocols=["ocpp1.6"], max_size=1024)
    with pytest.raises(LinkLostError, match="HTTP 401"):
        await dial(f"{url}/{'x' * 256}", subprotocols=["ocpp1.6"], max_size=1024)
    async with connect(f"{url}/CP-1", compression=None) as no_subprotocol:
        with pytest.raises(ConnectionClosed) as closed:
            await no_subprotocol.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1002


async def test_an_oversized_message_costs_its_sender_the_link_only(start: Start, charger: Connect) -> None:
    central = await start()
    loud, quiet = await charger(central), await charger(central, "CP-2")
    with pytest.raises(LinkLostError):
        await loud.link.call("DataTransfer", {"vendorId": "a", "data": "x" * 2**16})
    assert "1009" in await loud.reading
    assert (await quiet.link.call("Heartbeat", {}))["currentTime"]


async def test_a_central_that_stops_answers_what_it_was_asked(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)
    asked = [asyncio.create_task(cp.start("STRANGER", meter=meter)) for meter in range(3)]
    await asked[0]
    await central.chargers.stop(5)
    assert [(await answer)["transactionId"] for answer in asked[:1]] == [1]
    assert "1001" in await cp.reading
    await asyncio.gather(*asked, return_exceptions=True)


# --- calls of ours --------------------------------------------------------------------------------------------


async def test_calls_to_chargers(start: Start, charger: Connect) -> None:
    async def reset(call: Call) -> Payload:
        if call.payload["type"] == "Hard":
            raise BadValueError("soft ones only")
        return {"status": "Accepted"}

    async def unlock(_: Call) -> Payload:
        return {"status": "Perhaps"}

    central = await start()
    assert central.chargers.connected() == []
    await charger(central, "CP-2", answers={"Reset": reset, "UnlockConnector": unlock})
    await charger(central, "CP-1")
    assert central.chargers.connected() == ["CP-1", "CP-2"]
    call = central.chargers.call
    assert await call("CP-2", "Reset", {"type": "Soft"}) == {"status": "Accepted"}
    with pytest.raises(PeerError) as refused:
        await call("CP-2", "Reset", {"type": "Hard"})
    assert (refused.value.code, refused.value.description) == ("PropertyConstraintViolation", "soft ones only")
    with pytest.raises(BadResultError):
        await call("CP-2", "UnlockConnector", {"connectorId": 1})
    with pytest.raises(PeerError, match="NotSupported"):
        await call("CP-1", "Reset", {"type": "Soft"})


async def test_what_cannot_be_called(start: Start, charger: Connect, logs: LogLines) -> None:
    central = await start()
    cp = await charger(central)
    call = central.chargers.call
    with pytest.raises(UnknownChargePointError) as unknown:
        await call("CP-9", "ClearCache", {})
    assert unknown.value.charge_point_id == "CP-9"
    for action, payload, error in (
        ("Reset", {"type": "Gentle"}, BadValueError),
        ("Reset", {}, MissingFieldError),
        ("Sing", {}, UnknownActionError),
        ("Authorize", {"idTag": "A"}, UnsupportedActionError),
    ):
        with pytest.raises(error):
            await call("CP-1", action, payload)
    await cp.close()
    await logs.event("charger_unlinked")
    with pytest.raises(NotConnectedError):
        await call("CP-1", "ClearCache", {})
    await central.charge_points.register("CP-8", Registration.ACCEPTED)
    with pytest.raises(NotConnectedError):
        await call("CP-8", "ClearCache", {})


async def test_calls_to_a_charger_go_out_one_after_the_other_each_with_its_deadline(start: Start) -> None:
    central = await start()
    url = f"ws://127.0.0.1:{central.port}/ocpp/CP-1"
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as silent:
        await silent.send(orjson.dumps([2, "1", "BootNotification", BOOT]).decode())
        await silent.recv()
        unanswered, impatient, third, fourth = (
            asyncio.create_task(central.chargers.call("CP-1", "ClearCache", {}, timeout_s=timeout_s))
            for timeout_s in (0.1, 0.05, 5.0, 5.0)
        )
        late = orjson.loads(await silent.recv())
        with pytest.raises(CallTimeoutError) as waited:
            await impatient
        assert waited.value.sent is False
        assert not unanswered.done()
        following = orjson.loads(await silent.recv())
        assert unanswered.done(), "the next goes out when the first is given up"
        with pytest.raises(CallTimeoutError) as silence:
            await unanswered
        assert silence.value.sent is True
        await silent.send(orjson.dumps([3, late[1], {"status": "Rejected"}]).decode())
        await silent.send(orjson.dumps([3, following[1], {"status": "Accepted"}]).decode())
        last = orjson.loads(await silent.recv())
        assert third.done()
        assert not fourth.done()
        await silent.send(orjson.dumps([3, last[1], {"status": "Rejected"}]).decode())
        assert [(await call)["status"] for call in (third, fourth)] == ["Accepted", "Rejected"]


async def test_calls_on_a_link_that_is_replaced_fail_at_once(start: Start, charger: Connect) -> None:
    central = await start()
    url = f"ws://127.0.0.1:{central.port}/ocpp/CP-1"
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], compression=None, max_queue=1) as gone:
        await gone.send(orjson.dumps([2, "1", "BootNotification", BOOT]).decode())
        await gone.recv()
        gone.transport.pause_reading()  # its network is gone: it will not even answer that it is closed
        calls = [asyncio.create_task(central.chargers.call("CP-1", "ClearCache", {})) for _ in range(3)]
        await asyncio.sleep(0)
        await charger(central, boots=False)
        async with asyncio.timeout(2):
            for call in calls:
                with pytest.raises(LinkLostError, match="linked again"):
                    await call
        assert central.chargers.connected() == ["CP-1"]
        gone.transport.abort()


async def test_the_charge_point_is_seen_when_its_link_comes_and_goes(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)
    booted = central.charge_points.get("CP-1")
    assert booted is not None
    await cp.close()
    await central.chargers.stop(1)
    gone = central.charge_points.get("CP-1")
    assert gone is not None
    assert gone.last_seen_at is not None
    assert booted.last_seen_at is not None
    assert gone.last_seen_at > booted.last_seen_at
    assert gone.boot == BOOT
