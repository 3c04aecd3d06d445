from pathlib import Path

from tests.benchmarks.baselines.expectations import answers_through_every_chain, central_asks_home_directly


async def test_chains_of_one_two_and_three_hops_answer(tmp_path: Path) -> None:
    await answers_through_every_chain("bare", tmp_path)


async def test_a_central_system_asks_home_directly(tmp_path: Path) -> None:
    await central_asks_home_directly("bare", tmp_path)
