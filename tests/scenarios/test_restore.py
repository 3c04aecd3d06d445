"""A hub that lost its database and got an older one back: what it had acknowledged since comes again."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scenarios.drivers import ACCEPTED, OF_C1
from scenarios.model import HUB, Central, Start, Stop
from scenarios.process import Event, run
from scenarios.world import World
from tests.scenarios.test_billing import central, settled

CENTRALS = (
    Central("C1", consents=("hub",), tokens=OF_C1),
    Central("C2", wants=("hub",), modes=("hub",)),
)


def ids(database: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return [row[0] for row in opened.execute(f"SELECT cdr_id FROM {table} ORDER BY cdr_id")]


def _says(cdr_id: str | None, stage: str, event: Event) -> bool:
    return event["stage"] == stage and cdr_id in {None, event["cdr_id"]}


@pytest.mark.timeout(120)
async def test_what_a_restored_hub_does_not_know_any_more_is_redelivered(tmp_path: Path) -> None:
    async with World() as world:
        await world.build(CENTRALS)
        databases = {who: Path(world._environments[who]["CPO_DATABASE"]) for who in ("C1", "C2")}
        hub = Path(world._environments[HUB]["NAP_DATABASE"])
        await world.present("C2", ACCEPTED, authorizations=1, session=True)
        await settled(world, 1)
        await world.take(Stop(HUB))
        shutil.copy(hub, tmp_path / "backup.sqlite")
        await world.take(Start(HUB))
        await world.present("C2", ACCEPTED, authorizations=1, session=True)
        await settled(world, 2)
        await world.take(Stop(HUB))

        both = ids(databases["C2"], "cdr")
        assert ids(hub, "cdrs") == ids(databases["C1"], "received_cdr") == both
        shutil.copy(tmp_path / "backup.sqlite", hub)
        await run("nap", "nap", ["db", "new-epoch"], world._environments[HUB])
        await world.take(Start(HUB))
        assert len(ids(hub, "cdrs")) == 1

        mark = world["C2"].mark
        assert await central(world, "C2", "cdrs", "redeliver", "--since", "2020-01-01", "--json") == {
            "count": 2
        }
        await world["C2"].event("cdr", lambda event: event["stage"] == "status", since=mark)
        assert ids(hub, "cdrs") == ids(databases["C1"], "received_cdr") == both
        assert ids(databases["C2"], "outbox") == []
