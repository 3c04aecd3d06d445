"""What the command line does with tariffs, invoices and ledgers, and how it shows them.

Money is text in JSON as in CSV, such as "12.30", beside its currency; energy is integer Wh.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import typer
from pydantic import ValidationError

from cascade.database import Database
from cascade.roaming.ledgers import Ledger, Period, read_moment
from cascade.roaming.model import id_key, utc_text
from cpo_central.billing.invoices import InvoiceStore
from cpo_central.billing.pricing import Line, Tariff, Total, totals
from cpo_central.billing.settlement import OwedToUs, owed_to_us, read_ledger, sent
from cpo_central.commands.console import Record, print_json, show, with_database

_CHARGES = ("energy", "session", "time", "tax", "total")

LINE_COLUMNS = (
    *("cdrId", "creditReferenceId", "operatorId", "idTag", "sessionStart", "sessionEnd", "energyWh"),
    *("tariffId", "currency", *_CHARGES),
)
"""Of the CSV; an unpriced line is empty from tariffId on."""

SETTLEMENT_COLUMNS = (
    *("direction", "operatorId", "sessions", "credits", "energyWh", "currency", "net", "tax", "total"),
)

_TOTAL_COLUMNS = ("sessions", "credits", "energyWh", "currency", "net", "tax", "total")


# --- tariffs ------------------------------------------------------------------------------------------------


def read_tariff(given: dict[str, str | None]) -> Tariff:
    """The tariff that the options describe.

    Raises:
        ValueError: they describe none; the text says why.
    """
    fields = {name: text for name, text in given.items() if text is not None}
    percent, amount = fields.pop("taxPercent", None), fields.pop("taxAmount", None)
    if percent is not None and amount is not None:
        raise ValueError("the tax is either a percentage or an amount")
    tax = {"amount": amount} if amount is not None else {"percent": percent or "0"}
    moments = {
        name: utc_text(read_moment(name, fields[name])) for name in ("validFrom", "validTo") if name in fields
    }
    try:
        return Tariff.model_validate_json(orjson.dumps({**fields, **moments, "tax": tax}))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ValueError(
            "; ".join(f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}" for fault in faults)
        ) from None


async def add_tariff(database: Path, tariff: Tariff) -> int:
    """Add a tariff, and price what has waited for it; returns how many CDRs those were.

    Raises:
        TariffError: it cannot be added.
    """

    async def work(opened: Database) -> int:
        store = InvoiceStore(opened)
        await store.add(tariff)
        return await store.price_waiting(datetime.now(UTC))

    return await with_database(database, work)


async def end_tariff(database: Path, tariff_id: str, at: datetime) -> Tariff:
    """End a tariff; raises TariffError."""
    return await with_database(database, lambda opened: InvoiceStore(opened).end(tariff_id, at))


async def list_tariffs(database: Path) -> list[Tariff]:
    """Our tariffs."""
    return await with_database(database, lambda opened: InvoiceStore(opened).tariffs())


def show_tariffs(tariffs: Iterable[Tariff], *, as_json: bool) -> None:
    """Print tariffs."""
    records = [orjson.loads(tariff.wire()) for tariff in tariffs]
    if not as_json:
        records = [{**one, "tax": one["tax"].get("amount") or f"{one['tax']['percent']} %"} for one in records]
    columns = ("tariffId", "operatorId", "currency", "baseRate", "sessionFee", "timeFee", "tax")
    show(records, (*columns, "validFrom", "validTo"), as_json=as_json)


def show_added(tariff: Tariff, priced: int, *, as_json: bool) -> None:
    """Print what a new tariff has done."""
    if as_json:
        print_json({"tariff": orjson.loads(tariff.wire()), "priced": priced})
    else:
        typer.echo(f"tariff {tariff.tariff_id} is added; {priced} CDRs that waited are priced")


# --- invoices -----------------------------------------------------------------------------------------------


async def invoice_lines(
    database: Path, period: Period, *, visited: str | None, id_tag: str | None
) -> list[Line]:
    """The sessions of our drivers elsewhere that ended in a period."""
    return await with_database(
        database, lambda opened: InvoiceStore(opened).lines(period, visited=visited, id_tag=id_tag)
    )


def show_invoices(lines: Sequence[Line], *, as_json: bool, as_csv: bool) -> None:
    """Print invoice lines, and but for CSV their totals."""
    by_driver = [_total(total, "idTag") for total in totals(lines, lambda cdr: id_key(cdr.id_tag))]
    by_operator = [_total(total, "operatorId") for total in totals(lines, lambda cdr: cdr.operator_id)]
    if as_csv:
        _print_csv(LINE_COLUMNS, [_flat(line) for line in lines])
    elif as_json:
        priced = [_document(line) for line in lines if line.tariff is not None]
        unpriced = [_document(line) for line in lines if line.tariff is None]
        print_json({"lines": priced, "unpriced": unpriced, "byDriver": by_driver, "byOperator": by_operator})
    else:
        columns = ("cdrId", "operatorId", "idTag", "sessionEnd", "energyWh", "tariffId", "currency", "total")
        show([_flat(line) for line in lines], columns, as_json=False)
        show(by_driver, ("idTag", *_TOTAL_COLUMNS), as_json=False)
        show(by_operator, ("operatorId", *_TOTAL_COLUMNS), as_json=False)


def _flat(line: Line) -> Record:
    cdr = line.cdr
    record: Record = {
        "cdrId": str(cdr.cdr_id),
        "creditReferenceId": cdr.credit_reference_id and str(cdr.credit_reference_id),
        "operatorId": cdr.operator_id,
        "idTag": cdr.id_tag,
        "sessionStart": utc_text(cdr.session_start),
        "sessionEnd": utc_text(cdr.session_end),
        "energyWh": cdr.energy_wh,
    }
    if line.tariff is not None and line.charges is not None:
        record |= {"tariffId": line.tariff.tariff_id, "currency": line.tariff.currency}
        record |= {name: str(getattr(line.charges, name)) for name in _CHARGES}
    return record


def _document(line: Line) -> Record:
    """A line with all of its tariff, for whoever wants to calculate it again."""
    record = _flat(line)
    if line.tariff is not None:
        record["tariff"] = orjson.loads(line.tariff.wire())
    return record


def _total(total: Total, who: str) -> Record:
    """A total as it is shown; what is not priced has no money, rather than none."""
    priced = total.currency is not None
    return {
        who: total.key,
        "sessions": total.sessions,
        "credits": total.credits,
        "energyWh": total.energy_wh,
        "currency": total.currency,
        "net": str(total.net) if priced else None,
        "tax": str(total.tax) if priced else None,
        "total": str(total.total) if priced else None,
    }


# --- settlement ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settlement:
    """Both sides of a period."""

    owed_by_us: list[Total]
    owed_to_us: list[OwedToUs]


async def settle(database: Path, period: Period) -> Settlement:
    """What we owe, and what is owed to us, of the sessions that ended in a period."""

    async def work(opened: Database) -> Settlement:
        lines = await InvoiceStore(opened).lines(period, visited=None, id_tag=None)
        entries = await opened.scan(lambda connection: sent(connection, period))
        return Settlement(totals(lines, lambda cdr: cdr.operator_id), owed_to_us(entries))

    return await with_database(database, work)


def show_settlement(settlement: Settlement, *, as_json: bool, as_csv: bool) -> None:
    """Print what is owed."""
    ours = [_total(total, "operatorId") for total in settlement.owed_by_us]
    theirs = [
        {
            "operatorId": owed.home,
            "sessions": owed.sessions,
            "credits": owed.credits,
            "energyWh": owed.energy_wh,
        }
        for owed in settlement.owed_to_us
    ]
    if as_json:
        print_json({"owedByUs": ours, "owedToUs": theirs})
        return
    records = [
        *({"direction": "owedByUs", **record} for record in ours),
        *({"direction": "owedToUs", **record} for record in theirs),
    ]
    if as_csv:
        _print_csv(SETTLEMENT_COLUMNS, records)
    else:
        show(records, SETTLEMENT_COLUMNS, as_json=False)


async def give_out_ledger(database: Path, operator_id: str, period: Period) -> Ledger:
    """Our CDRs of a period, for reconciliation."""
    return await with_database(
        database,
        lambda opened: opened.scan(lambda connection: read_ledger(connection, operator_id, period)),
    )


def _print_csv(columns: Sequence[str], records: Iterable[Record]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
