"""A few seeds over real processes; `make faults` runs hundreds."""

from pathlib import Path

import pytest

from tests.faults.processes.run import CHARGERS, SESSIONS, run
from tests.faults.simulation.parties import OPERATORS


@pytest.mark.parametrize("seed", [0, 1])
async def test_everything_comes_home_whatever_is_killed(seed: int, tmp_path: Path) -> None:
    outcome = await run(seed, tmp_path)
    assert outcome.violations == []
    assert outcome.at_home == outcome.sessions == len(OPERATORS) * CHARGERS * SESSIONS
    assert outcome.faults
    assert outcome.batches
