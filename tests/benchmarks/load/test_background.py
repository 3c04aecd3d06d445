import asyncio

import orjson
import pytest

from benchmarks.baselines.roles import answer
from benchmarks.load.background import BackgroundTally, Station, payload, timestamp
from benchmarks.load.charge_point import connect
from benchmarks.load.plan import ACTIONS, Action, Report
from benchmarks.load.seats import Pending
from cascade.ocpp16 import check_request
from tests.benchmarks.load.central import Call, Reply, central


async def tell(reports: list[Report], reply: Reply = answer) -> tuple[list[Call], BackgroundTally]:
    pending, tally = Pending(), BackgroundTally()
    async with central(reply) as system:
        charge_point = await connect(f"{system.url}/CP-1")
        station = Station(charge_point, pending, tally)
        for report in reports:
            station.arrive(0.0, report)
        pending.complete()
        async with asyncio.timeout(10):
            await pending.settled.wait()
        charge_point.release()
        charge_point.close()
        await charge_point.closed()
    return system.calls, tally


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_charge_point_says_is_ocpp(action: Action) -> None:
    status = "Charging" if action == "StatusNotification" else ""
    report = Report(0.0, 0, action, status=status, meter_wh=5500, tag="ANNA")
    check_request(action, dict(payload(report, 7, timestamp())))


async def test_a_sessions_messages_carry_the_id_that_its_start_was_given() -> None:
    numbers = iter((41, 42))

    def start(call: Call) -> bytes:
        if call[2] != "StartTransaction":
            return answer(call)
        return orjson.dumps([3, call[1], {"transactionId": next(numbers), "idTagInfo": {"status": "Accepted"}}])

    session = [
        Report(0.0, 0, "StartTransaction", tag="ANNA"),
        Report(0.0, 0, "MeterValues", meter_wh=1),
        Report(0.0, 0, "StopTransaction", meter_wh=2),
    ]
    calls, tally = await tell(session * 2, start)
    assert [call[3].get("transactionId") for call in calls] == [None, 41, 41, None, 42, 42]
    assert tally.report() == {"answers": 6, "errors": 0, "lost": 0}


async def test_errors_are_counted_apart() -> None:
    def refuse(call: Call) -> bytes:
        return orjson.dumps([4, call[1], "InternalError", "", {}])

    _, tally = await tell([Report(0.0, 0, "StartTransaction", tag="ANNA"), Report(0.0, 0, "Heartbeat")], refuse)
    assert tally.report() == {"answers": 0, "errors": 2, "lost": 0}
