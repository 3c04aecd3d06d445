import asyncio
from typing import Any

import pytest

from cascade.errors import BadValueError
from cascade.trace import FrameTrace
from chargepoint_model.authorizer import Authorization
from chargepoint_model.fleet import Fleet, FleetSettings, Latencies
from chargepoint_model.station import ChargerSettings
from tests.chargepoint_model.conftest import Central


def a_fleet(central: Central, **settings: Any) -> Fleet:  # noqa: ANN401 - any of FleetSettings
    charger = ChargerSettings(
        url=central.url, identity="CP-", time_scale=100_000, backoff_base_s=0.01, backoff_cap_s=0.05
    )
    given = {
        "charger": charger,
        "count": 12,
        "connect_rate": 1000.0,
        "pause_s": 60,
        "report_s": 0.2,
        **settings,
    }
    return Fleet(FleetSettings(**given), FrameTrace("fleet"))


async def test_a_fleet_charges_and_ends_in_order(central: Central) -> None:
    reports: list[dict[str, Any]] = []
    fleet = asyncio.create_task(a_fleet(central, id_tags=("T-{n}", "X-{n}")).run(reports.append))
    for number in (1, 12):
        await central.hears("StopTransaction", idTag=f"T-{number}")
        await central.hears("StartTransaction", idTag=f"X-{number}")
    fleet.cancel()
    await asyncio.gather(fleet, return_exceptions=True)
    serials = {one["chargePointSerialNumber"] for one in central.heard("BootNotification")}
    assert serials == {f"CP-{number:02}" for number in range(1, 13)}
    started, stopped = central.heard("StartTransaction"), central.heard("StopTransaction")
    assert len(started) == len(stopped), "every session is stopped"
    last = reports[-1]
    assert last["final"]
    assert not any(report["final"] for report in reports[:-1])
    assert (last["transactionsStarted"], last["transactionsStopped"]) == (len(started), len(stopped))
    assert (last["connected"], last["booted"], last["charging"], last["messagesWaiting"]) == (12, 12, 0, 0)
    assert (last["linksLost"], last["authorizationsFailed"]) == (0, 0)
    assert last["authorizations"]["count"] >= 24
    assert 0 < last["authorizations"]["p50_ms"] <= last["authorizations"]["p99_ms"]


async def test_a_fleet_asks_besides_and_ends_by_itself(central: Central) -> None:
    reports: list[dict[str, Any]] = []
    central.script["Authorize"] = [BadValueError("no")] * 3
    fleet = a_fleet(
        central, count=2, id_tags=("T-{n}",), authorize_interval_s=0.02, duration_s=1.0, pause_s=10**9
    )
    async with asyncio.timeout(20):
        await fleet.run(reports.append)
    assert reports[-1]["authorizations"]["count"] > 10
    assert reports[-1]["authorizationsFailed"] == 3
    assert sum(one["authorizations"]["count"] for one in reports[:-1]) <= reports[-1]["authorizations"]["count"]


async def test_without_tags_a_fleet_is_just_there(central: Central) -> None:
    reports: list[dict[str, Any]] = []
    await a_fleet(central, count=3, duration_s=0.5, authorize_interval_s=0.01).run(reports.append)
    assert (reports[-1]["booted"], len(central.heard("Authorize"))) == (3, 0)
    assert reports[-1]["authorizations"] == {"count": 0, "p50_ms": None, "p99_ms": None}


@pytest.mark.parametrize("status", ["Accepted", "Blocked"])
def test_latencies_are_of_what_was_asked(status: str) -> None:
    latencies = Latencies()
    for ms in range(100, 0, -1):
        latencies.add(Authorization(status, float(ms), 0, None))
    latencies.add(Authorization(status, 0.0, 0, None))
    latencies.add(Authorization("Error", 5000.0, 0, None))
    assert latencies.recent() == {"count": 100, "p50_ms": 50.0, "p99_ms": 99.0}
    assert latencies.recent()["count"] == 0
    latencies.add(Authorization(status, 7.0, 0, None))
    assert latencies.recent() == {"count": 1, "p50_ms": 7.0, "p99_ms": 7.0}
    assert (latencies.total()["count"], latencies.failed) == (101, 1)
