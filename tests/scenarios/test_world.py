import os
from pathlib import Path

import pytest

from scenarios.scenario_5 import SCENARIO
from scenarios.world import World


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class PlannedError(Exception):
    pass


async def fail_in_a_world(seen: dict[str, int], folders: list[Path]) -> None:
    async with World() as world:
        folders.append(world._path)
        await world.build(SCENARIO.centrals)
        seen.update({who: world[who].process.pid for who in ("hub", "C1", "C2")})
        assert all(is_running(pid) for pid in seen.values())
        assert folders[0].exists()
        raise PlannedError


@pytest.mark.timeout(120)
async def test_a_world_that_fails_still_leaves_nothing_behind() -> None:
    pids: dict[str, int] = {}
    folders: list[Path] = []
    with pytest.raises(PlannedError):
        await fail_in_a_world(pids, folders)

    assert len(pids) == 3
    assert not folders[0].exists()
    assert not any(is_running(pid) for pid in pids.values())
