from pathlib import Path

import pytest

from benchmarks.experiments.contenders import HOPS, assemble, chain_name, scenario_name
from benchmarks.load.client import LoadError, LoadGenerator
from benchmarks.systems.chains import Kind
from benchmarks.systems.services import Services


def test_every_contender_has_a_name_of_its_own() -> None:
    kinds: tuple[Kind, ...] = ("bare", "naive", "http", "fastest")
    names = [chain_name(kind, hops) for kind in kinds for hops in (1, 2, 3)] + [*map(scenario_name, HOPS)]
    assert len(set(names)) == len(names)
    assert (chain_name("bare", 1), chain_name("http", 3)) == ("bare, 1 hop", "http, 3 hops")


async def test_each_contender_gets_its_charge_points(tmp_path: Path) -> None:
    wanted = {"scenario 2": 2, "bare, 1 hop": 1, "fastest, 1 hop": 3}
    async with Services(tmp_path) as services:
        load = await LoadGenerator.start(tmp_path / "samples")
        try:
            entered = await assemble(
                services,
                load,
                scenarios=(2,),
                baselines={"bare": [1], "fastest": [1]},
                charge_points=wanted.__getitem__,
                tokens=5,
            )
            assert [contender.name for contender in entered] == list(wanted)
            assert "scenario 1" not in entered
            assert list(entered["scenario 2"].processes) == ["visited", "hub"]
            for name, count in wanted.items():
                assert entered[name].cpu_s() > 0
                assert (
                    await load.closed(name, tags=entered[name].accepted, callers=count, calls=5)
                ).answers == 5
                with pytest.raises(LoadError):
                    await load.closed(name, tags=entered[name].accepted, callers=count + 1, calls=5)
        finally:
            await load.stop()
