import httpx
import pytest
import pytest_asyncio

from tests.cpo_central.actors import Charger
from tests.cpo_central.rest.conftest import Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENERGY = "/api/v1/energy"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def sessions(rest: Rest) -> None:
    for charge_point_id, id_tag, start, end, energy_wh in (
        ("CP-1", "A", "2026-01-01T22:00:00Z", "2026-01-02T00:30:00+01:00", 7000),
        ("CP-1", "a", "2026-01-01T23:00:00Z", "2026-01-02T00:30:00Z", 500),
        ("CP-2", "B", "2026-01-02T10:00:00Z", "2026-01-02T11:00:00Z", 0),
        ("CP-2", "B", "2026-01-02T12:00:00Z", "2026-01-02T13:00:00Z", -20),
        ("CP-2", "B", "2026-01-02T14:00:00Z", "2026-01-02T15:00:00Z", 2**62),
    ):
        charger = await Charger.connect(rest.central.port, charge_point_id)
        number = (await charger.start(id_tag, at=start, meter=1000))["transactionId"]
        await charger.stop(number, at=end, meter=1000 + energy_wh)
        await charger.close()
    charger = await Charger.connect(rest.central.port, "CP-3")
    await charger.start("C", at="2026-01-02T10:00:00Z")
    await charger.close()


def row(group: str, energy_wh: int, sessions: int, implausible: int = 0) -> dict[str, object]:
    return {
        "group": group,
        "energyWh": energy_wh,
        "sessions": sessions,
        "implausibleSessions": implausible,
    }


async def test_energy_counts_on_the_day_in_utc_on_which_its_session_ends(api: httpx.AsyncClient) -> None:
    assert (await api.get(ENERGY)).json() == [row("2026-01-01", 7000, 1), row("2026-01-02", 500, 4, 2)]


async def test_energy_by_charge_point_and_by_token(api: httpx.AsyncClient) -> None:
    by_charge_point = (await api.get(ENERGY, params={"group": "charge-point"})).json()
    assert by_charge_point == [row("CP-1", 7500, 2), row("CP-2", 0, 3, 2)]
    by_token = (await api.get(ENERGY, params={"group": "token"})).json()
    assert [(each["group"].upper(), each["energyWh"]) for each in by_token] == [("A", 7500), ("B", 0)]


async def test_the_ends_are_bounded(api: httpx.AsyncClient) -> None:
    bounds = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T11:00:00Z"}
    assert (await api.get(ENERGY, params=bounds)).json() == [row("2026-01-02", 500, 1)]
    assert is_problem(await api.get(ENERGY, params={"group": "month"}), 422, "invalid")
