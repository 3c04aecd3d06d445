from pathlib import Path

from benchmarks.experiments.revocation import measure_revocations
from benchmarks.systems.services import Services


async def test_each_revocation_is_seen_by_each_operator(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        found = await measure_revocations(services, operators=3, tokens=20, count=4)
    assert [len(arrivals) for arrivals in found.arrivals_ms] == [3] * 4
    assert all(arrivals == sorted(arrivals) and arrivals[0] > 0 for arrivals in found.arrivals_ms)
    assert found.begun_at_s == sorted(found.begun_at_s)
    assert all(cpu_ms > 0 for cpu_ms in found.hub_cpu_ms)
