"""The commands about what operators owe each other: settlement and reconciliation."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cascade.roaming.ledgers import Ledger, Period
from cascade.roaming.model import utc_text
from cascade.service import EXIT_FAILED, EXIT_MISCONFIGURED, fail
from nap.console import DatabaseOption, JsonOption, print_json, print_rows, with_store
from nap.reconciliation import Reconciliation
from nap.reconciliation import reconcile as compare
from nap.records import LedgerRow
from nap.settlement import Balance, balances
from nap.store.port import Store

COLUMNS = ("visited", "home", "sessions", "credits", "energyWh", "queued", "rejected")


def settlement(
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="Sessions that ended then or later: a date in UTC, or ISO 8601 with a zone."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Sessions that ended before: likewise, and not included.")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """What home operators have taken from visited ones: sessions, credits, energy in Wh less that of credits.

    What is queued or rejected is in these two columns only.
    """
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    try:
        period = Period.read(start, end)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    rows = [_balance(balance) for balance in balances(_ledger(database, period))]
    if as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_rows(rows, COLUMNS, as_json=as_json)


def reconcile(
    files: Annotated[
        list[Path], typer.Argument(help="What `cpo-central ledger` has printed, one an operator.")
    ],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the ledgers of operators with the hub's, by cdrId and digest; fails unless all agree.

    The period is that of the ledgers, which must be the same. CDRs that went from peer to peer never came to
    the hub: they are compared if both have given their ledgers.
    """
    ledgers = [_read(file) for file in files]
    try:
        result = compare(_ledger(database, ledgers[0].period), ledgers)
    except ValueError as error:
        fail(str(error), EXIT_MISCONFIGURED)
    _show(ledgers[0].period, result, as_json=as_json)
    if result.differences:
        raise typer.Exit(EXIT_FAILED)


def _ledger(database: Path | None, period: Period) -> list[LedgerRow]:
    async def read(store: Store) -> list[LedgerRow]:
        return store.cdrs.ledger(period)

    return with_store(database, read)


def _read(file: Path) -> Ledger:
    try:
        return Ledger.model_validate_json(file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", EXIT_MISCONFIGURED)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in fault["loc"])
        fail(f"{file} is no ledger of `cpo-central ledger`: {where}: {fault['msg']}", EXIT_MISCONFIGURED)


def _balance(balance: Balance) -> dict[str, Any]:
    return dict(zip(COLUMNS, balance, strict=True))


def _show(period: Period, result: Reconciliation, *, as_json: bool) -> None:
    rows = [
        {
            "cdrId": str(difference.cdr_id),
            "kind": difference.kind,
            "between": list(difference.between),
            "detail": difference.detail,
        }
        for difference in result.differences
    ]
    if as_json:
        print_json(
            {
                "periodStart": utc_text(period.start),
                "periodEnd": utc_text(period.end),
                "cdrs": result.counts,
                "unsettled": result.unsettled,
                "differences": rows,
            }
        )
        return
    if rows:
        print_rows(rows, ("cdrId", "kind", "between", "detail"), as_json=False)
    counts = ", ".join(f"{count} at {name}" for name, count in result.counts.items())
    outcome = f"{len(rows)} differences" if rows else "all agree"
    typer.echo(f"{outcome}; CDRs: {counts}; {result.unsettled} not settled")
