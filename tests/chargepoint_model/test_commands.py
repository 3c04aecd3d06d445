import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cascade.errors import BadValueError, CallTimeoutError, LinkLostError
from cascade.frames import Payload
from cascade.trace import FrameTrace
from chargepoint_model import commands
from chargepoint_model.behaviour import Event
from chargepoint_model.charger import Charger
from chargepoint_model.commands import Errand, Report
from chargepoint_model.station import ChargerSettings
from tests.chargepoint_model.conftest import Central


def charger_at(url: str, **settings: float) -> Charger:
    fixed = {"time_scale": math.inf, "backoff_base_s": 0.01, **settings}
    return Charger(ChargerSettings(url=url, identity="CP-1", connectors=2, **fixed), FrameTrace("CP-1"))  # type: ignore[arg-type]


def a_status(status: str) -> Payload:
    return {"idTagInfo": {"status": status}}


async def test_an_errand_is_reported(central: Central) -> None:
    report = await commands.charge(charger_at(central.url), Errand("T-1", 2, 3, energy_wh=1100))
    document = report.document()
    assert (document["chargePointId"], document["idTag"]) == ("CP-1", "T-1")
    assert [one["status"] for one in document["authorizations"]] == ["Accepted"] * 3
    moments = [one["at_ns"] for one in document["authorizations"]]
    assert moments == sorted(moments)
    start, stop = central.heard("StartTransaction"), central.heard("StopTransaction")
    assert document["session"] == {
        "transactionId": 1,
        "idTag": "T-1",
        "connectorId": 2,
        "sessionStart": start[0]["timestamp"],
        "sessionEnd": stop[0]["timestamp"],
        "meterStart": 0,
        "meterStop": 1100,
        "startStatus": "Accepted",
    }
    assert len(start) == len(stop) == 1
    assert central.statuses(2)[-1] == "Available"


async def test_the_last_answer_decides_about_the_session(central: Central) -> None:
    central.script["Authorize"] = [a_status("Blocked"), a_status("Accepted")]
    assert (await commands.charge(charger_at(central.url), Errand("T-1", authorizations=2))).session
    central.script["Authorize"] = [a_status("Accepted"), a_status("Blocked")]
    report = await commands.charge(charger_at(central.url), Errand("T-1", authorizations=2))
    assert report.document()["session"] is None
    assert len(central.heard("StartTransaction")) == 1


async def test_an_error_is_a_result(central: Central) -> None:
    central.script["Authorize"] = [BadValueError("no")]
    report = await commands.charge(charger_at(central.url), Errand("T-1"))
    assert [one.status for one in report.authorizations] == ["Error"]
    assert report.session is None


async def test_no_session_where_none_is_wanted(central: Central) -> None:
    report = await commands.charge(charger_at(central.url), Errand("T-1", session=False))
    assert report.session is None
    assert not central.heard("StartTransaction")


async def test_a_start_that_is_refused_is_reported(central: Central) -> None:
    central.script["StartTransaction"] = [{"transactionId": 5, **a_status("ConcurrentTx")}]
    report = await commands.charge(charger_at(central.url), Errand("T-1"))
    assert report.session is not None
    assert report.session.start_status == "ConcurrentTx"
    assert report.session.meter_stop_wh == 0
    assert central.heard("StopTransaction")[0]["reason"] == "DeAuthorized"


async def test_errands_are_done_as_they_come_on_one_link(central: Central) -> None:
    reports: list[Report] = []

    async def coming() -> AsyncIterator[Errand]:
        yield Errand("T-1", authorizations=2, session=False)
        assert [report.id_tag for report in reports] == ["T-1"]
        yield Errand("T-2")

    await commands.serve(charger_at(central.url), coming(), reports.append)
    assert [(report.id_tag, len(report.authorizations)) for report in reports] == [("T-1", 2), ("T-2", 1)]
    assert [report.session is None for report in reports] == [True, False]
    assert len(central.heard("BootNotification")) == 1


async def test_nobody_there() -> None:
    with pytest.raises(LinkLostError, match="cannot be reached"):
        await commands.charge(charger_at("ws://127.0.0.1:1/ocpp"), Errand("T-1"))


async def test_a_central_system_that_is_lost(central: Central) -> None:
    async def coming() -> AsyncIterator[Errand]:
        assert central.link is not None
        await central.link.close()
        await asyncio.Event().wait()
        yield Errand("T-1")

    with pytest.raises(LinkLostError, match="was lost"):
        await commands.serve(charger_at(central.url), coming(), lambda _: None)


async def test_a_session_that_is_not_answered(central: Central, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SESSION_TIMEOUT_S", 0.1)
    monkeypatch.setattr("chargepoint_model.charger.FAREWELL_S", 0.1)
    silence: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
    central.script["StartTransaction"] = [silence]
    with pytest.raises(CallTimeoutError, match="no answer in time"):
        await commands.charge(charger_at(central.url), Errand("T-1"))
    silence.cancel()


async def test_drivers_come_in_turn_on_the_connectors_in_turn(central: Central) -> None:
    charger = charger_at(central.url, time_scale=1_000_000)
    central.script["Authorize"] = [a_status("Accepted"), a_status("Invalid"), BadValueError("no")]
    staying = asyncio.create_task(commands.stay(charger, ["A", "B", "C"], pause_s=1))
    await central.hears("Authorize", 5)
    await central.hears("StopTransaction", 2)
    assert [one["idTag"] for one in central.heard("Authorize")[:5]] == ["A", "B", "C", "A", "B"]
    starts = [(one["idTag"], one["connectorId"]) for one in central.heard("StartTransaction")[:2]]
    assert starts == [("A", 1), ("A", 2)]
    staying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staying
    assert len(central.heard("StartTransaction")) == len(central.heard("StopTransaction"))


async def test_a_connector_that_is_out_of_order_is_passed_by(central: Central) -> None:
    charger = charger_at(central.url, time_scale=1_000_000)
    charger.station.connectors[1].happen(Event.FAULT)
    staying = asyncio.create_task(commands.stay(charger, ["A"], pause_s=1))
    await central.hears("StartTransaction", connectorId=2)
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)
    assert not [one for one in central.heard("StartTransaction") if one["connectorId"] == 1]


async def test_a_driver_whom_nobody_could_be_asked_about_goes_and_others_follow(central: Central) -> None:
    silence: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
    central.script["Authorize"] = [silence]
    staying = asyncio.create_task(
        commands.stay(charger_at(central.url, time_scale=1_000_000), ["A"], pause_s=1)
    )
    await central.hears("Authorize")
    assert central.link is not None
    await central.link.close()
    await central.hears("StopTransaction")
    silence.cancel()
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)


async def test_it_stays_for_nobody_too(central_of: Callable[..., Awaitable[Central]]) -> None:
    central = await central_of()
    staying = asyncio.create_task(commands.stay(charger_at(central.url), [], pause_s=1))
    await central.hears("StatusNotification", connectorId=2)
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)
    assert not central.heard("Authorize")
