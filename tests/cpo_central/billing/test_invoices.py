import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from cascade.database import Database
from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.model import Refusal
from cpo_central.billing import invoices
from cpo_central.billing.invoices import InvoiceStore, TariffError
from cpo_central.billing.pricing import Line
from cpo_central.cdrs.intake import Intake
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.tokens import TokenStore
from tests.cpo_central.billing.test_pricing import tariff
from tests.cpo_central.cdrs.test_decisions import END, START, cdr

NOW = END + timedelta(minutes=1)


@pytest.fixture
async def store(database: Database) -> InvoiceStore:
    await TokenStore(database).put([read_token({"idTag": "HOME0001"}), read_token({"idTag": "HOME0002"})])
    return InvoiceStore(database)


async def take(database: Database, *cdrs: Cdr) -> list[str]:
    """Take CDRs; returns the codes of refusals."""
    outcomes = await Intake(database).take(cdrs, None, NOW)
    return [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]


async def lines(store: InvoiceStore, **where: str | None) -> list[Line]:
    return await store.lines(Period(), visited=where.get("visited"), id_tag=where.get("id_tag"))


def totals(found: Sequence[Line]) -> list[Decimal | None]:
    return [None if line.charges is None else line.charges.total for line in found]


async def test_a_cdr_is_priced_when_it_is_taken_and_keeps_its_tariff(
    store: InvoiceStore, database: Database
) -> None:
    await store.add(tariff())
    await take(database, cdr())
    await store.add(tariff(tariff_id="dearer", operator_id="C2", base_rate=Decimal(9)))
    await store.price_waiting(NOW)
    await store.end("t-1", NOW)
    (line,) = await lines(store)
    assert (line.cdr, line.tariff) == (cdr(), tariff())
    assert totals([line]) == [Decimal("3.33")]


async def test_the_same_cdr_again_makes_no_second_line(store: InvoiceStore, database: Database) -> None:
    await store.add(tariff())
    assert await take(database, cdr(), cdr()) == []
    assert await take(database, cdr(meter_stop=9000)) == ["CdrConflict"]
    assert totals(await lines(store)) == [Decimal("3.33")]


async def test_a_cdr_without_a_tariff_waits_for_one(
    store: InvoiceStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoices, "PRICED_AT_ONCE", 2)
    originals = [cdr(cdr_id=uuid4()) for _ in range(5)]
    credits_ = [original.credited_by(uuid4()) for original in originals[:3]]
    elsewhere = cdr(cdr_id=uuid4(), operator_id="C3")
    await take(database, *originals, *credits_, elsewhere)
    assert totals(await lines(store)) == [None] * 9
    await store.add(tariff(operator_id="C2"))
    assert await store.price_waiting(NOW) == 8
    assert await store.price_waiting(NOW) == 0
    found = await lines(store)
    assert sum(total for total in totals(found) if total is not None) == Decimal("6.66")
    assert [line.cdr for line in found if line.charges is None] == [elsewhere]


async def test_a_credit_takes_back_what_was_billed_whatever_the_tariff_is_now(
    store: InvoiceStore, database: Database
) -> None:
    await store.add(tariff())
    await take(database, cdr())
    await store.add(tariff(tariff_id="dearer", operator_id="C2", base_rate=Decimal(9)))
    right = cdr(cdr_id=uuid4(), meter_stop=2000)
    credit = cdr().credited_by(uuid4())
    await take(database, credit, right)
    priced = {line.cdr.cdr_id: line for line in await lines(store)}
    assert priced[credit.cdr_id].tariff == tariff()
    assert totals([priced[one.cdr_id] for one in (cdr(), credit, right)]) == [
        Decimal("3.33"),
        Decimal("-3.33"),
        Decimal("9.99"),
    ]


async def test_what_is_refused_costs_nothing(store: InvoiceStore, database: Database) -> None:
    await store.add(tariff())
    assert await take(database, cdr().credited_by(uuid4())) == ["UnknownOriginal"]
    assert await lines(store) == []


async def test_lines_are_found_by_period_operator_and_driver(store: InvoiceStore, database: Database) -> None:
    other = cdr(cdr_id=uuid4(), id_tag="home0002", session_end=END + timedelta(seconds=0.5))
    later = cdr(cdr_id=uuid4(), operator_id="C3", session_end=END + timedelta(seconds=1))
    await take(database, cdr(), other, later)

    async def found(period: Period, visited: str | None = None, id_tag: str | None = None) -> list[Cdr]:
        lines = await store.lines(period, visited=visited, id_tag=id_tag)
        return sorted((line.cdr for line in lines), key=lambda record: record.session_end)

    second = Period(END, END + timedelta(seconds=1))
    assert await found(second) == [cdr(), other]
    assert await found(Period(start=second.end)) == [later]
    assert await found(Period(), visited="C3") == [later]
    assert await found(Period(), id_tag="Home0002") == [other]


async def test_a_tariff_ends_where_nothing_was_priced_with_it(store: InvoiceStore, database: Database) -> None:
    await store.add(tariff())
    await take(database, cdr())
    with pytest.raises(TariffError, match="lines never change"):
        await store.end("t-1", START)
    ended = await store.end("t-1", START + timedelta(seconds=1))
    assert await store.tariffs() == [ended]
    for moment in (START + timedelta(seconds=2), ended.valid_from):
        with pytest.raises(TariffError, match="only earlier"):
            await store.end("t-1", moment)
    with pytest.raises(TariffError, match="there is no tariff"):
        await store.end("t-2", NOW)
    await take(database, cdr(cdr_id=uuid4(), session_start=START + timedelta(seconds=1)))
    assert totals(await lines(store)).count(None) == 1


async def test_of_two_that_add_contradicting_tariffs_one_is_refused(store: InvoiceStore) -> None:
    added = await asyncio.gather(
        *(store.add(tariff(tariff_id=f"t-{number}")) for number in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in added] == [type(None), TariffError, TariffError]
    assert datetime(2026, 1, 1, tzinfo=UTC) == (await store.tariffs())[0].valid_from
