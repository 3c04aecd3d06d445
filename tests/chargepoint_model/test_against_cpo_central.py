"""The charge point against the real central system, over a real socket and a real database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from cascade.database import Database
from cascade.roaming.tokens import Token, TokenStatus
from cascade.trace import FrameTrace
from chargepoint_model import commands
from chargepoint_model.charger import Charger
from chargepoint_model.commands import Errand
from chargepoint_model.station import ChargerSettings
from cpo_central.app import Central
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings
from cpo_central.tokens import TokenStore
from cpo_central.transactions import TransactionStore


class C1(NamedTuple):
    """A central system with two drivers, and a look into its database."""

    url: str
    database: Database


@pytest.fixture
async def c1(tmp_path: Path) -> AsyncIterator[C1]:
    file = tmp_path / "central.sqlite"
    async with AsyncExitStack() as stack:
        database = open_database(file)
        stack.push_async_callback(database.close)
        good = Token(id_tag="C1-GOOD", status=TokenStatus.ACCEPTED)
        blocked = Token(id_tag="C1-BLOCKED", status=TokenStatus.BLOCKED)
        await TokenStore(database).put([good, blocked])
        central = Central(CentralSettings(operator_id="C1", database=file, port=0))
        await central.start()
        stack.push_async_callback(central.stop)
        yield C1(f"ws://127.0.0.1:{central.port}/ocpp", database)


def a_charger(url: str) -> Charger:
    return Charger(ChargerSettings(url=url, identity="CP-1", time_scale=float("inf")), FrameTrace("CP-1"))


async def test_a_session_is_the_same_on_both_sides(c1: C1) -> None:
    report = await commands.charge(a_charger(c1.url), Errand("c1-good", authorizations=2))
    assert [one.status for one in report.authorizations] == ["Accepted", "Accepted"]
    session = report.session
    assert session is not None
    (transaction,) = await TransactionStore(c1.database, "C1").all()
    assert transaction.transaction_id == session.transaction_id
    assert transaction.id_tag.upper() == "C1-GOOD"
    assert (transaction.meter_start, transaction.started_at) == (0, session.started_at)
    assert transaction.stop is not None
    assert (transaction.stop.meter_stop, transaction.stop.stopped_at) == (7400, session.stopped_at)


async def test_a_blocked_driver_stays_without(c1: C1) -> None:
    report = await commands.charge(a_charger(c1.url), Errand("C1-BLOCKED"))
    assert [one.status for one in report.authorizations] == ["Blocked"]
    assert report.session is None
    assert await TransactionStore(c1.database, "C1").all() == []
