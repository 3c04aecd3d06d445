"""Transactions as chargers report them: late, twice, in two places at once."""

from collections.abc import Awaitable, Callable

import orjson
import pytest

from cascade.frames import Payload
from cpo_central.app import Central
from cpo_central.commands.records import list_sent, list_transactions, put_tokens
from cpo_central.drivers.token_csv import read_token
from tests.cpo_central.actors import Charger, Hub
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]

GROUP: list[dict[str, str | None]] = [
    {"idTag": "OWN00001", "parentIdTag": "GROUP"},
    {"idTag": "OWN00002", "parentIdTag": "GROUP"},
]


def rows(central: Central, query: str) -> list[tuple[object, ...]]:
    return central._database.reader.execute(query).fetchall()


async def own(central: Central, *tokens: dict[str, str | None]) -> None:
    await put_tokens(central._settings.database, [read_token(token) for token in tokens])


def status(answer: Payload) -> str:
    info: str = answer["idTagInfo"]["status"]
    return info


async def test_a_token_charges_in_one_place_at_a_time(start: Start, charger: Connect) -> None:
    central = await start()
    await own(central, *GROUP)
    here, there = await charger(central), await charger(central, "CP-2")
    first = await here.start("OWN00001")
    assert status(first) == "Accepted"
    assert await here.authorize("OWN00001") == await there.authorize("OWN00001")
    elsewhere = await there.start("own00001")
    assert elsewhere == {
        "transactionId": 2,
        "idTagInfo": {"status": "ConcurrentTx", "parentIdTag": "GROUP"},
    }
    assert await there.start("own00001") == elsewhere, "the same start, the same answer"
    assert status(await there.start("OWN00001", connector=2)) == "ConcurrentTx"
    assert status(await there.start("OWN00002", connector=3)) == "Accepted", "another of the group"
    for transaction_id, cp in ((1, here), (2, there), (3, there)):
        await cp.stop(transaction_id)
    assert status(await there.start("OWN00001", at="2026-01-01T12:00:00Z")) == "Accepted"
    assert [line["status"] for line in await list_transactions(central._settings.database)] == [
        *("Accepted", "ConcurrentTx", "ConcurrentTx", "Accepted", "Accepted"),
    ]  # fmt: skip


async def test_a_transaction_that_its_connector_has_forgotten_holds_nobody_up(
    start: Start, charger: Connect
) -> None:
    central = await start()
    await own(central, {"idTag": "OWN00001"}, {"idTag": "OWN00002"})
    here, there = await charger(central), await charger(central, "CP-2")
    assert status(await here.start("OWN00001")) == "Accepted"
    assert status(await here.start("OWN00001", at="2026-01-01T10:05:00Z")) == "Accepted", "the first was lost"
    assert status(await here.start("OWN00002", at="2026-01-01T10:10:00Z")) == "Accepted", "so was the second"
    assert status(await there.start("OWN00001")) == "Accepted"


async def test_a_token_that_may_not_charge_is_told_why(start: Start, charger: Connect) -> None:
    central = await start()
    await own(central, {"idTag": "OWN00001"})
    cp = await charger(central)
    await cp.start("OWN00001")
    await own(central, {"idTag": "OWN00001", "status": "Blocked"})
    assert status(await cp.start("OWN00001", connector=2)) == "Blocked"


@pytest.mark.parametrize(("meter", "billed"), [(8500, 2), (1000, 1)])
async def test_what_a_roaming_driver_took_in_two_places_is_billed(
    start: Start, charger: Connect, hub: Hub, meter: int, billed: int
) -> None:
    hub.infos["HOME0001"] = {"status": "Accepted"}
    central = await start("C2", hub, modes=("hub",))
    await hub.until(lambda hub: "C2" in hub.endpoints)
    here, there = await charger(central), await charger(central, "CP-2")
    assert status(await here.start("HOME0001")) == "Accepted"
    assert status(await there.start("HOME0001")) == "ConcurrentTx"
    await there.stop(2, meter=meter, reason="DeAuthorized")
    await here.stop(1)
    assert len(await list_sent(central._settings.database)) == billed


async def test_what_happened_offline_is_taken_as_it_was(start: Start, charger: Connect) -> None:
    central = await start()
    await own(central, {"idTag": "OWN00001", "status": "Blocked"})
    cp = await charger(central)
    late = await cp.start("OWN00001", at="2021-05-01T10:00:00+02:00")
    assert late == {"transactionId": 1, "idTagInfo": {"status": "Blocked"}}
    await cp.stop(1, at="2021-05-01T09:00:00Z")
    (transaction,) = await list_transactions(central._settings.database)
    assert (transaction["startedAt"], transaction["stoppedAt"]) == (
        "2021-05-01T08:00:00Z",
        "2021-05-01T09:00:00Z",
    )


async def test_a_stop_is_the_same_in_another_order_and_after_a_restart(start: Start, charger: Connect) -> None:
    central = await start()
    await own(central, *GROUP)
    cp = await charger(central)
    await cp.start("OWN00001")
    stop: Payload = {
        "transactionId": 1,
        "timestamp": "2026-01-01T11:00:00.250Z",
        "meterStop": 8500,
        "idTag": "OWN00002",
        "transactionData": [{"timestamp": "2026-01-01T10:30:00Z", "sampledValue": [{"value": "3000"}]}],
    }
    answer = {"idTagInfo": {"status": "Accepted", "parentIdTag": "GROUP"}}
    assert await cp.link.call("StopTransaction", stop) == answer
    turned = dict(reversed(stop.items()))
    assert orjson.dumps(turned) != orjson.dumps(stop)
    assert await cp.link.call("StopTransaction", turned) == answer
    await central.stop()
    central = await start()
    cp = await charger(central, boots=False)
    again = await cp.start("OWN00001")
    assert again["transactionId"] == 1
    elsewhere = {**stop, "timestamp": "2026-01-01T12:00:00.25+01:00"}
    assert await cp.link.call("StopTransaction", elsewhere) == answer
    assert rows(central, "SELECT count(*) FROM orphan_stop") == [(0,)]
    assert rows(central, "SELECT count(*) FROM meter_value") == [(1,)]
    assert rows(central, "SELECT count(*) FROM transactions") == [(1,)]


async def test_repeated_meter_values_are_kept_once(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)

    async def say(value: str, **more: object) -> None:
        sampled = [{"value": value, "unit": "Wh"}]
        request = {
            "connectorId": 1,
            "meterValue": [{"timestamp": "2026-01-01T11:30:00+01:00", "sampledValue": sampled}],
        }
        assert await cp.link.call("MeterValues", {**request, **more}) == {}

    await say("12")
    await say("12")
    await say("13")
    await say("12", transactionId=4711)
    await say("12", transactionId=4711)
    await say("12", connectorId=2)
    assert rows(central, "SELECT connector_id, transaction_id, measured_at, sampled FROM meter_value") == [
        (1, None, "2026-01-01T10:30:00Z", '[{"value":"12","unit":"Wh"}]'),
        (1, None, "2026-01-01T10:30:00Z", '[{"value":"13","unit":"Wh"}]'),
        (1, 4711, "2026-01-01T10:30:00Z", '[{"value":"12","unit":"Wh"}]'),
        (2, None, "2026-01-01T10:30:00Z", '[{"value":"12","unit":"Wh"}]'),
    ]
