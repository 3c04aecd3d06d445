"""From the charger to the bill, over real processes: nobody's ledger tells anything else than another's."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from scenarios.drivers import ACCEPTED, OF_C1
from scenarios.model import HUB, Central
from scenarios.process import Event, run
from scenarios.world import World

CENTRALS = (
    Central("C1", consents=("hub", "peer"), tokens=OF_C1, id_tag_prefixes=("C1-",), peers=True),
    Central("C2", wants=("hub",), modes=("hub",)),
    Central("C4", wants=("peer",), modes=("peer",)),
)
TARIFF = ("--currency", "EUR", "--base-rate", "0.40", "--tax-percent", "11", "--valid-from", "2020-01-01")


async def central(world: World, who: str, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    return orjson.loads(await world.central_command(who, *arguments))


async def hub(world: World, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    return orjson.loads(await run("nap", "nap", [*arguments, "--json"], world._environments[HUB]))


async def settled(world: World, number: int) -> None:
    """Wait until so many CDRs of C2 have come home, and C2 knows."""

    def is_told(event: Event) -> bool:
        return event["stage"] == "status" and event["cdr_id"] not in seen

    seen: set[str] = set()
    for _ in range(number):
        seen.add((await world["C2"].event("cdr", is_told))["cdr_id"])


@pytest.mark.timeout(120)
async def test_what_was_charged_corrected_and_billed_is_what_all_agree_on(tmp_path: Path) -> None:
    async with World() as world:
        await world.build(CENTRALS)
        for visited in ("C2", "C4"):
            await world.present(visited, ACCEPTED, authorizations=1, session=True)
        await settled(world, 1)
        await world["C4"].event("cdr", lambda event: event["stage"] == "delivered")

        added, (sent,) = await asyncio.gather(
            central(world, "C1", "tariffs", "add", "home", *TARIFF, "--json"),
            central(world, "C2", "cdrs", "list", "--json"),
        )
        assert added["priced"] == 2
        right = str(sent["cdr"]["meterStart"] + 1000)
        await world.central_command("C2", "cdrs", "credit", sent["cdrId"], "--replace-meter-stop", right)
        await settled(world, 3)

        billed, ours, theirs, balance, *ledgers = await asyncio.gather(
            central(world, "C1", "invoices", "--json"),
            central(world, "C1", "settlement", "--json"),
            central(world, "C2", "settlement", "--json"),
            hub(world, "settlement"),
            *(world.central_command(who, "ledger") for who in ("C1", "C2", "C4")),
        )
        files = [tmp_path / f"{number}.json" for number in range(3)]
        for file, ledger in zip(files, ledgers, strict=True):
            file.write_bytes(ledger)
        result = await hub(world, "reconcile", *(str(file) for file in files))

    wrong = sent["cdr"]["meterStop"] - sent["cdr"]["meterStart"]
    at_c2 = [line["energyWh"] for line in billed["lines"] if line["operatorId"] == "C2"]
    assert sorted(at_c2) == sorted([wrong, -wrong, 1000])
    assert [(one["operatorId"], one["sessions"], one["credits"]) for one in ours["owedByUs"]] == [
        ("C2", 1, 1),
        ("C4", 1, 0),
    ]
    assert (ours["owedByUs"][0]["energyWh"], ours["owedByUs"][0]["total"]) == (1000, "0.44")
    assert theirs["owedToUs"] == [{"operatorId": None, "sessions": 1, "credits": 1, "energyWh": 1000}]
    assert [(one["visited"], one["home"], one["sessions"], one["energyWh"]) for one in balance] == [
        ("C2", "C1", 1, 1000)
    ]
    assert (result["differences"], result["unsettled"]) == ([], 0)
    assert result["cdrs"] == {"the hub": 3, "C1": 4, "C2": 3, "C4": 1}
