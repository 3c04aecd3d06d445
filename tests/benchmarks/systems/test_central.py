from pathlib import Path

from benchmarks.systems.central import HomeCentral
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet
from benchmarks.systems.services import Services
from nap.records import Mode


async def test_its_drivers_are_known_whenever_it_comes(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await HubProcess.start(services)
        credentials = await hub.enter_many(["H1", "V1"], tuple(Mode))
        central = await HomeCentral.prepare(
            services, "H1", credentials["H1"], hub_url=hub.url, id_tags=["ANNA-1", "ANNA-2"]
        )
        async with OperatorFleet(hub.url, {"V1": credentials["V1"]}) as fleet:
            pids = set()
            for _ in range(2):
                async with central.linked() as service:
                    pids.add(service.pid)
                    assert await fleet["V1"].authorize("ANNA-2") == "Accepted"
            assert len(pids) == 2
            assert (await fleet["V1"].pull()).tokens == 2
        assert central.database.exists()
