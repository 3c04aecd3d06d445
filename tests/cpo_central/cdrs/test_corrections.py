import sqlite3
from datetime import timedelta
from uuid import uuid4

import pytest

from cascade.database import Database
from cascade.roaming.cdrs import Cdr
from cpo_central.cdrs.corrections import CorrectionError, correct
from cpo_central.cdrs.outbox import Destination, Outbox, Route
from tests.cpo_central.cdrs.test_decisions import END, START, cdr
from tests.cpo_central.cdrs.test_delivery import put

NOW = END + timedelta(days=1)
TO_C1 = Destination(Route.PEER, "C1")


@pytest.fixture
async def store(database: Database) -> Outbox:
    await put(database, cdr())
    return Outbox(database)


async def test_a_credit_and_a_new_cdr_go_after_what_they_correct(store: Outbox, database: Database) -> None:
    credit, right = await correct(database, cdr().cdr_id, meter_stop=2000, session_end=None, now=NOW)
    assert credit == cdr(cdr_id=credit.cdr_id, credit_reference_id=cdr().cdr_id)
    assert right == cdr(cdr_id=right.cdr_id, meter_stop=2000)
    assert store.waiting(TO_C1, 10) == [cdr(), credit, right]


async def test_without_a_right_value_there_is_no_new_cdr(store: Outbox, database: Database) -> None:
    (credit,) = await correct(database, cdr().cdr_id, meter_stop=None, session_end=None, now=NOW)
    assert store.waiting(TO_C1, 10) == [cdr(), credit]


async def test_what_replaced_a_cdr_can_be_replaced_itself(store: Outbox, database: Database) -> None:
    _, second = await correct(database, cdr().cdr_id, meter_stop=2000, session_end=None, now=NOW)
    _, third = await correct(database, second.cdr_id, meter_stop=None, session_end=NOW, now=NOW)
    assert third == cdr(cdr_id=third.cdr_id, meter_stop=2000, session_end=NOW)
    assert sum(record.energy_wh for record in store.waiting(TO_C1, 10)) == third.energy_wh


async def test_what_cannot_be_corrected_leaves_nothing_behind(store: Outbox, database: Database) -> None:
    async def refused(record: Cdr, match: str, **right: object) -> None:
        before = store.waiting(TO_C1, 10)
        values = {"meter_stop": None, "session_end": None, **right}
        with pytest.raises(CorrectionError, match=match):
            await correct(database, record.cdr_id, now=NOW, **values)  # type: ignore[arg-type]
        assert store.waiting(TO_C1, 10) == before

    await refused(cdr(cdr_id=uuid4()), "sent no CDR")
    await refused(cdr(), "could not be true", meter_stop=999)
    await refused(cdr(), "could not be true", session_end=START - timedelta(seconds=1))
    (credit,) = await correct(database, cdr().cdr_id, meter_stop=None, session_end=None, now=NOW)
    await refused(cdr(), "has been cancelled by")
    await refused(credit, "names a credit|is a credit")


async def test_the_database_itself_keeps_a_cdr_from_being_cancelled_twice(database: Database) -> None:
    await put(database, cdr(), cdr().credited_by(uuid4()))
    with pytest.raises(sqlite3.IntegrityError):
        await put(database, cdr().credited_by(uuid4()))
