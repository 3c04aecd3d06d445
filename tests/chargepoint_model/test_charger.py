import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cascade.errors import BadValueError, LinkLostError
from cascade.frames import Payload
from cascade.server import Knock
from cascade.trace import FrameTrace
from chargepoint_model.behaviour import Driver, Event, EventRefusedError, State
from chargepoint_model.charger import Charger
from chargepoint_model.station import ChargerSettings
from tests.chargepoint_model.conftest import ACCEPTED, BOOTED, NOW, Central, ChargerOf
from tests.conftest import LogLines


def info(status: str, parent: str | None = None) -> Payload:
    return {"idTagInfo": {"status": status, **({"parentIdTag": parent} if parent else {})}}


def pending() -> "asyncio.Future[Payload]":
    return asyncio.get_running_loop().create_future()


# --- the link -----------------------------------------------------------------------------------------------


async def test_it_boots_and_tells_every_status(central: Central, charger_of: ChargerOf) -> None:
    await charger_of(connectors=2)
    assert [action for action, _ in central.calls] == [
        *("BootNotification", "StatusNotification", "StatusNotification", "StatusNotification"),
        "SecurityEventNotification",
    ]
    assert central.heard("SecurityEventNotification")[0]["type"] == "StartupOfTheDevice"
    assert [one["connectorId"] for one in central.heard("StatusNotification")] == [0, 1, 2]


async def test_it_asks_again_until_it_is_accepted(central: Central, charger_of: ChargerOf) -> None:
    waiting = {"currentTime": NOW, "interval": 0}
    central.script["BootNotification"] = [
        {"status": "Pending", **waiting},
        {"status": "Rejected", **waiting},
        BadValueError("not today"),
        {"nonsense": 1},
        {**BOOTED, "interval": 77},
    ]
    charger = await charger_of()
    assert [action for action, _ in central.calls[:5]] == ["BootNotification"] * 5, "and says nothing else"
    assert charger.station.configuration.number("HeartbeatInterval") == 77


async def test_the_interval_of_a_pending_boot_is_kept(
    central: Central, charger_of: ChargerOf, logs: LogLines
) -> None:
    central.script["BootNotification"] = [{"status": "Pending", "currentTime": NOW, "interval": 3600}]
    charger = await charger_of(wait=False)
    assert (await logs.event("boot_not_accepted"))["retry_s"] == 3600
    with pytest.raises(LinkLostError, match="not linked"):
        await charger.authorizer.ask("T-1")
    answer = await central.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})
    assert answer["configurationKey"], "while pending it obeys"


async def test_an_interval_of_nothing_leaves_its_own(central: Central, charger_of: ChargerOf) -> None:
    central.script["BootNotification"] = [{**BOOTED, "interval": 0}]
    charger = await charger_of()
    assert charger.station.configuration.number("HeartbeatInterval") == 300


async def test_it_beats_at_the_interval_that_it_is_given(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    assert not central.heard("Heartbeat")
    await central.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "1"})
    await central.hears("Heartbeat")


async def test_it_shows_its_password(central_of: Callable[..., Awaitable[Central]]) -> None:
    knocks: list[Knock] = []

    async def gate(knock: Knock) -> bool:
        knocks.append(knock)
        return knock.basic == ("CP/1 ü", "secret")

    central = await central_of(gate)
    settings = ChargerSettings(url=central.url, identity="CP/1 ü", password="secret")
    speaking = asyncio.create_task(Charger(settings, FrameTrace("CP")).speak())
    await central.hears("BootNotification")
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    with pytest.raises(LinkLostError, match="HTTP 401"):
        await Charger(ChargerSettings(url=central.url, identity="CP/1 ü"), FrameTrace("CP")).speak()
    assert [knock.identity for knock in knocks] == ["CP/1 ü", "CP/1 ü"]


async def test_one_reset_does_for_all_that_were_asked_for(
    central: Central, charger_of: ChargerOf, logs: LogLines
) -> None:
    charger = await charger_of()
    for _ in range(3):
        charger.station.resets.put_nowait("Hard")
    await central.hears("SecurityEventNotification", 2, type="StartupOfTheDevice")
    await charger.station.outbox.empty()
    assert len(central.heard("BootNotification")) == 2
    assert len(logs.named("relinking")) == 1


async def test_a_session_outlives_its_link(central: Central, charger_of: ChargerOf, logs: LogLines) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    await charger.authorizer.present(connector, "T-1")
    await central.hears("StatusNotification", status="Charging")
    assert central.link is not None
    await central.link.close()
    await logs.event("relinking")
    session = connector.session
    assert session is not None
    connector.happen(Event.METER_TICK)
    connector.happen(Event.OWNER_RETURNED, Driver("T-1"))
    connector.happen(Event.UNPLUGGED)
    assert len(charger.station.outbox) == 2
    stop = await central.hears("StopTransaction")
    assert stop["transactionId"] == 1
    assert [one for one, _ in central.calls if one in {"MeterValues", "StopTransaction"}] == [
        "MeterValues",
        "StopTransaction",
    ]
    assert session.stopped_at is not None
    assert stop["timestamp"] == session.document()["sessionEnd"], "its original time"
    assert len(central.heard("BootNotification")) == 2


async def test_switched_off_it_stops_its_sessions_first(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    charger.station.connectors[1].happen(Event.PLUGGED_IN)
    await charger.authorizer.present(charger.station.connectors[1], "T-1")
    await charger.switch_off()
    assert (await central.hears("StopTransaction"))["reason"] == "Reboot"


async def test_switched_off_without_a_link_it_waits_for_nobody() -> None:
    charger = Charger(ChargerSettings(url="ws://localhost", identity="CP-1"), FrameTrace("CP-1"))
    charger.station.connectors[1].happen(Event.PLUGGED_IN)
    charger.station.connectors[1].happen(Event.TAG_ACCEPTED, Driver("T-1"))
    await charger.switch_off()
    assert len(charger.station.outbox) == 2, "the start and the stop, unsaid"


# --- drivers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
async def test_the_decision_is_the_central_systems(
    central: Central, charger_of: ChargerOf, status: str
) -> None:
    charger = await charger_of()
    central.script["Authorize"] = [info(status, "P-1")]
    authorization = await charger.authorizer.ask("T-1")
    assert authorization.status == status
    assert authorization.driver == (Driver("T-1", "P-1") if status == "Accepted" else None)
    assert authorization.ms > 0
    assert central.heard("Authorize") == [{"idTag": "T-1"}]


async def test_what_is_no_decision_is_an_error(central: Central, charger_of: ChargerOf, logs: LogLines) -> None:
    charger = await charger_of()
    central.script["Authorize"] = [BadValueError("no"), {"nonsense": 1}]
    for _ in range(2):
        authorization = await charger.authorizer.ask("T-123456")
        assert (authorization.status, authorization.driver) == ("Error", None)
    assert [line["id_tag"] for line in logs.named("authorize_failed")] == ["T-…56"] * 2
    assert (await charger.authorizer.ask("T-123456")).status == "Accepted"


async def test_silence_is_an_error(central: Central, charger_of: ChargerOf) -> None:
    charger, silence = await charger_of(call_timeout_s=0.5), pending()
    central.script["Authorize"] = [silence]
    assert (await charger.authorizer.ask("T-1")).status == "Error"
    silence.cancel()


async def test_a_refused_driver_does_not_start(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    central.script["Authorize"] = [info("Blocked")]
    authorization = await charger.authorizer.present(connector, "T-1")
    assert authorization is not None
    assert authorization.status == "Blocked"
    assert connector.state is State.PLUGGED


@pytest.mark.parametrize(
    ("parent", "other", "status", "stops"),
    [
        ("FLEET", "fleet", "Accepted", True),
        ("FLEET", "fleet", "Blocked", False),
        ("FLEET", "other", "Accepted", False),
        ("FLEET", None, "Accepted", False),
        (None, None, "Accepted", False),
    ],
)
async def test_another_tag_stops_only_for_the_same_parent(
    central: Central,
    charger_of: ChargerOf,
    *,
    parent: str | None,
    other: str | None,
    status: str,
    stops: bool,
) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    central.script["Authorize"] = [info("Accepted", parent), info(status, other)]
    await charger.authorizer.present(connector, "T-1")
    await charger.station.outbox.empty()
    await charger.authorizer.present(connector, "T-2")
    assert (connector.session is None) == stops
    if stops:
        assert (await central.hears("StopTransaction"))["idTag"] == "T-2"


async def test_the_owner_stops_without_a_question(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    await charger.authorizer.present(connector, "tag-1")
    assert await charger.authorizer.present(connector, "TAG-1") is None
    stop = await central.hears("StopTransaction")
    assert (stop["reason"], stop["idTag"]) == ("Local", "TAG-1")
    assert len(central.heard("Authorize")) == 1


async def test_an_answer_to_a_connector_that_has_gone_on_changes_nothing(
    central: Central, charger_of: ChargerOf
) -> None:
    charger = await charger_of()
    connector, answer = charger.station.connectors[1], pending()
    central.script["Authorize"] = [answer]
    presenting = asyncio.create_task(charger.authorizer.present(connector, "T-1"))
    await central.hears("Authorize")
    connector.happen(Event.FAULT)
    answer.set_result(ACCEPTED)
    assert await presenting is not None
    assert connector.state is State.FAULTED
    with pytest.raises(EventRefusedError):
        await charger.authorizer.present(connector, "T-1")
