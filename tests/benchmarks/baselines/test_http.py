from pathlib import Path

from aiohttp import ClientSession

from benchmarks.baselines.ocpi import CREDENTIAL, PATH, REQUEST, ocpp_status
from tests.benchmarks.baselines.chains import processes, url
from tests.benchmarks.baselines.expectations import answers_through_every_chain, central_asks_home_directly


async def test_chains_of_one_two_and_three_hops_answer(tmp_path: Path) -> None:
    await answers_through_every_chain("http", tmp_path)


async def test_a_central_system_asks_home_directly(tmp_path: Path) -> None:
    await central_asks_home_directly("http", tmp_path)


async def test_a_request_without_the_credential_is_refused() -> None:
    async with processes("http") as start, ClientSession(await url(await start("home"))) as session:
        path = PATH.format(uid="ANNA")
        async with session.post(path, data=REQUEST) as response:
            assert response.status == 401
        async with session.post(path, data=REQUEST, headers={"Authorization": CREDENTIAL}) as response:
            assert ocpp_status(await response.read()) == "Accepted"
