from pathlib import Path

import pytest

from benchmarks.systems.cascade import Cascade
from benchmarks.systems.charge_points import LinkedChargePoint
from benchmarks.systems.services import Services
from scenarios.process import Event

DECIDED_BY = {1: "whitelist", 2: "hub", 3: "peer", 4: "hub"}


async def statuses(url: str, id_tags: list[str]) -> list[str]:
    """What a charge point at this URL is told about drivers."""
    async with LinkedChargePoint(url, "CP-1") as charge_point:
        answers = [await charge_point.link.call("Authorize", {"idTag": id_tag}) for id_tag in id_tags]
    return [answer["idTagInfo"]["status"] for answer in answers]


@pytest.mark.timeout(120)
async def test_drivers_go_the_way_of_their_scenario(tmp_path: Path) -> None:
    asked: list[str] = []

    async def via(url: str) -> str:
        asked.append(url)
        return url

    async with Services(tmp_path) as services:
        cascade = await Cascade.start(services, tokens=20, via=via)
        assert asked.count(cascade.hub_url) == 5
        assert [url.endswith("/peer") for url in asked].count(True) == 1
        for scenario, decided_by in DECIDED_BY.items():
            told = await statuses(cascade.url(scenario), [cascade.accepted[-1], *cascade.denied])
            assert told == ["Accepted", "Blocked", "Invalid", "Blocked", "Invalid"]
            visited = cascade.processes(scenario)["visited"]
            authorization = await visited.event("authorization")
            assert authorization["decided_by"] == decided_by
        assert list(cascade.processes(4)) == ["visited", "hub", "home"]
        by_home: set[str] = set()

        def all_by_home(event: Event) -> bool:
            if event["decided_by"] == "home":
                by_home.add(event["message_id"])
            return len(by_home) == 5

        await cascade.hub.event("authorization", all_by_home)  # what is logged is written a moment later
