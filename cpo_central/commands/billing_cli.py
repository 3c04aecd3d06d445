"""The commands about money: tariffs, invoices, settlement, and the ledger for the hub's operator."""

from typing import TYPE_CHECKING, Annotated

import typer

from cascade.errors import CascadeError
from cpo_central.commands.options import CENTRAL_SQLITE, MISUSED, AsJson, DatabaseFile, existing, run, stop

if TYPE_CHECKING:
    from cascade.roaming.ledgers import Period

tariffs_app = typer.Typer(help="What our drivers pay at other operators.", no_args_is_help=True)

From = Annotated[
    str | None,
    typer.Option(
        "--from", help="Sessions that ended then or later: a date in UTC, or ISO 8601 with a time zone."
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="Sessions that ended before: a date in UTC, which is not included, or so."),
]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header, as docs/billing.md describes it.")]


def _period(start: str | None, end: str | None) -> "Period":
    from cascade.roaming.ledgers import Period

    try:
        return Period.read(start, end)
    except ValueError as error:
        stop(str(error), MISUSED)


def _one_format(*, as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        stop("--json and --csv exclude each other", MISUSED)


@tariffs_app.command("add")
def tariffs_add(
    tariff_id: Annotated[str, typer.Argument(help="A name for it: letters, digits, or . _ -")],
    currency: Annotated[str, typer.Option(help="ISO 4217, such as EUR.")],
    base_rate: Annotated[str, typer.Option(help="For a kWh.")],
    valid_from: Annotated[
        str, typer.Option(help="For sessions that start then or later: a date in UTC, or ISO 8601.")
    ],
    valid_to: Annotated[str | None, typer.Option(help="And before this.")] = None,
    operator: Annotated[str | None, typer.Option(help="The visited operator; without: all.")] = None,
    session_fee: Annotated[str | None, typer.Option(help="For each session.")] = None,
    time_fee: Annotated[str | None, typer.Option(help="For an hour.")] = None,
    tax_percent: Annotated[str | None, typer.Option(help="Of energy, session and time.")] = None,
    tax_amount: Annotated[str | None, typer.Option(help="For each session, instead of a percentage.")] = None,
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Add a tariff, and price the CDRs that waited for it. Lines that are priced never change."""
    from cpo_central.commands import billing as commands

    given = {
        "tariffId": tariff_id,
        "currency": currency,
        "operatorId": operator,
        "validFrom": valid_from,
        "validTo": valid_to,
        "baseRate": base_rate,
        "sessionFee": session_fee,
        "timeFee": time_fee,
        "taxPercent": tax_percent,
        "taxAmount": tax_amount,
    }
    try:
        tariff = commands.read_tariff(given)
        priced = run(commands.add_tariff(database, tariff))
    except ValueError as error:
        stop(str(error), MISUSED)
    except CascadeError as error:
        stop(str(error))
    commands.show_added(tariff, priced, as_json=as_json)


@tariffs_app.command("list")
def tariffs_list(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show our tariffs."""
    from cpo_central.commands import billing as commands

    commands.show_tariffs(run(commands.list_tariffs(existing(database))), as_json=as_json)


@tariffs_app.command("end")
def tariffs_end(
    tariff_id: Annotated[str, typer.Argument(help="Which.")],
    at: Annotated[str, typer.Option(help="It is for sessions that start before: a date in UTC, or ISO 8601.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """End a tariff, at a moment since which nothing was priced with it."""
    from cascade.roaming.ledgers import read_moment
    from cpo_central.commands import billing as commands

    try:
        ended = run(commands.end_tariff(existing(database), tariff_id, read_moment("--at", at)))
    except ValueError as error:
        stop(str(error), MISUSED)
    except CascadeError as error:
        stop(str(error))
    commands.show_tariffs([ended], as_json=as_json)


def invoices(
    start: From = None,
    end: To = None,
    operator: Annotated[str | None, typer.Option(help="Only sessions at this operator.")] = None,
    driver: Annotated[str | None, typer.Option(help="Only the sessions of this idTag.")] = None,
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what our drivers' sessions elsewhere cost them, with totals by driver and by operator.

    What no tariff fits is shown without a price; `cpo-central tariffs add` prices it.
    """
    from cpo_central.commands import billing as commands

    _one_format(as_json=as_json, as_csv=as_csv)
    lines = commands.invoice_lines(existing(database), _period(start, end), visited=operator, id_tag=driver)
    commands.show_invoices(run(lines), as_json=as_json, as_csv=as_csv)


def settlement(
    start: From = None,
    end: To = None,
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what we owe the operators that our drivers visited, and the energy that others owe us for.

    What is owed to us counts when the home operator has taken it. Where the hub alone knows whose the drivers
    were, no operator is named: `nap settlement` tells them apart.
    """
    from cpo_central.commands import billing as commands

    _one_format(as_json=as_json, as_csv=as_csv)
    settled = run(commands.settle(existing(database), _period(start, end)))
    commands.show_settlement(settled, as_json=as_json, as_csv=as_csv)


def ledger(
    operator_id: Annotated[str, typer.Option(envvar="CPO_OPERATOR_ID", help="Our operatorId.")],
    start: From = None,
    end: To = None,
    database: DatabaseFile = CENTRAL_SQLITE,
) -> None:
    """Print our CDRs of a period, without drivers, as one JSON document for `nap reconcile`."""
    from pydantic import ValidationError

    from cpo_central.commands import billing as commands

    try:
        given_out = run(commands.give_out_ledger(existing(database), operator_id, _period(start, end)))
    except ValidationError:
        stop(f"{operator_id!r} is no operatorId", MISUSED)
    typer.echo(given_out.wire())
