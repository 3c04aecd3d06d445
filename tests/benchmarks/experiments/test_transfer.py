import random
from pathlib import Path

from benchmarks.experiments.transfer import measure_list
from benchmarks.systems.services import Services


async def test_a_list_is_published_transferred_and_looked_up(tmp_path: Path) -> None:
    steps: list[str] = []
    async with Services(tmp_path) as services:
        cost = await measure_list(
            services,
            1_001,
            repetitions=2,
            lookups=30,
            rng=random.Random(1),  # noqa: S311 - it chooses what is looked up
            step=steps.append,
        )
    assert steps[0] == "1,001 tokens: publish"
    assert min(cost.publish_s, cost.publish_cpu_s) > 0
    assert min(cost.publish_bytes, cost.pull_bytes) > 1_001 * len("T0000000000")
    assert 0 < cost.delta_bytes < cost.pull_bytes
    for figures in (cost.pull_s, cost.pull_cpu_s, cost.transfer_s, cost.delta_ms):
        assert len(figures) == 2
        assert min(figures) > 0
    for series in (cost.held_us, cost.unheld_us, cost.clock_us):
        assert len(series) == 2
        for latencies in series:
            assert len(latencies) == 30
            assert latencies == sorted(latencies)
            assert latencies[0] > 0
    assert cost.database_bytes_a_token > 0
