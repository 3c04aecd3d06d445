from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet
from benchmarks.systems.services import Services
from nap.records import Mode
from scenarios.process import Event, ProcessFailedError


def _is_of(operator_id: str) -> Callable[[Event], bool]:
    return lambda event: event["operator"] == operator_id


async def test_operators_are_entered_either_way(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await HubProcess.start(services, environment={"NAP_HEARTBEAT_INTERVAL_S": "77"})
        credentials = await hub.enter(["C1", "C2"], "hub") | await hub.enter(["C3"], "peer,hub")
        credentials |= await hub.enter_many(["C4", "C5"], (Mode.WHITELIST,))
        async with OperatorFleet(hub.url, credentials) as fleet:
            assert sorted(operator.operator_id for operator in fleet) == ["C1", "C2", "C3", "C4", "C5"]
            booted = await fleet["C4"].link.call(
                "BootNotification", {"chargePointVendor": "x", "chargePointModel": "y"}
            )
        assert booted["interval"] == 77
        for operator_id in credentials:  # what is logged is written a moment later
            await hub.service.event("operator_linked", _is_of(operator_id))
        with pytest.raises(ProcessFailedError, match="the operators C3 are entered already"):
            await hub.enter_many(["C3", "C6"], (Mode.HUB,))
