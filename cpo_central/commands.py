"""What the command line does with the database, and how it shows what it finds."""

import csv
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from cascade.database import Database
from cascade.roaming.model import utc_text
from cascade.roaming.tokens import Token
from cpo_central.cdr_store import CdrState, CdrStore
from cpo_central.cdrs import Transaction
from cpo_central.schema import open_database
from cpo_central.tokens import TokenStore
from cpo_central.transactions import TransactionStore

T = TypeVar("T")
Record = dict[str, Any]

COLUMNS = ("idTag", "status", "expiryDate", "parentIdTag")
IMPORTED_AT_ONCE = 1000
"""Tokens in one commit, so that a server that runs meanwhile does not wait for long."""


class Fault(NamedTuple):
    """A line of a CSV file that is no token."""

    line: int
    fault: str


# --- tokens -------------------------------------------------------------------------------------------------


def read_token(row: dict[str, str | None]) -> Token:
    """The token that a row of text describes; empty cells are as if they were not there.

    Raises:
        ValueError: it describes none; the text says why.
    """
    given = {name: cell.strip() for name, cell in row.items() if cell is not None and cell.strip()}
    try:
        return Token.model_validate_json(orjson.dumps(given))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ValueError("; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in faults)) from None


def read_csv(file: Path) -> tuple[list[Token], list[Fault]]:
    """The tokens of a CSV file, and its wrong lines.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no header with an `idTag`, or other columns than ours, or is not UTF-8.
    """
    tokens: list[Token] = []
    faults: list[Fault] = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines, restkey="", strict=True)
        names = [name.strip() for name in rows.fieldnames or ()]
        if "idTag" not in names or not set(names) <= set(COLUMNS):
            raise ValueError(f"its first line must name its columns, of {','.join(COLUMNS)}")
        rows.fieldnames = names
        for row in rows:
            try:
                if "" in row:
                    raise ValueError(f"more than {len(names)} cells")  # noqa: TRY301
                tokens.append(read_token(row))
            except ValueError as error:
                faults.append(Fault(rows.line_num, str(error)))
    return tokens, faults


async def put_tokens(database: Path, tokens: Sequence[Token]) -> None:
    """Add tokens, or change those that are there."""

    async def put(opened: Database) -> None:
        store = TokenStore(opened)
        for start in range(0, len(tokens), IMPORTED_AT_ONCE):
            await store.put(tokens[start : start + IMPORTED_AT_ONCE])

    await _with(database, put)


async def block_token(database: Path, id_tag: str) -> Token | None:
    """Block a token; None if it is not ours."""
    return await _with(database, lambda opened: TokenStore(opened).block(id_tag))


async def list_tokens(database: Path) -> list[Record]:
    """Our tokens."""
    found = await _with(database, lambda opened: TokenStore(opened).all())
    return [describe(own.token, own.rejection) for own in found]


def describe(token: Token, rejection: str | None = None) -> Record:
    """A token as the command line shows it."""
    return {
        "idTag": token.id_tag,
        "status": token.status.value,
        "expiryDate": None if token.expiry_date is None else utc_text(token.expiry_date),
        "parentIdTag": token.parent_id_tag,
        "rejectedByHub": rejection,
    }


def show_tokens(records: Sequence[Record], *, as_json: bool) -> None:
    """Print tokens."""
    _show(records, ("idTag", "status", "expiryDate", "parentIdTag", "rejectedByHub"), as_json=as_json)


def show_import(imported: int, faults: Sequence[Fault], *, as_json: bool) -> None:
    """Print what an import has done; wrong lines go to standard error."""
    for fault in faults:
        typer.echo(f"line {fault.line}: {fault.fault}", err=True)
    if as_json:
        _print_json({"imported": imported, "faults": [fault._asdict() for fault in faults]})
    else:
        typer.echo(f"{imported} tokens imported, {len(faults)} lines left out")


# --- transactions and CDRs ----------------------------------------------------------------------------------


async def list_transactions(database: Path) -> list[Record]:
    """The transactions of our chargers."""
    found = await _with(database, lambda opened: TransactionStore(opened, "").all())
    return [_describe_transaction(transaction) for transaction in found]


def _describe_transaction(transaction: Transaction) -> Record:
    stop = transaction.stop
    return {
        "transactionId": transaction.transaction_id,
        "chargePointId": transaction.charge_point_id,
        "connectorId": transaction.connector_id,
        "idTag": transaction.id_tag,
        "startedAt": utc_text(transaction.started_at),
        "meterStart": transaction.meter_start,
        "stoppedAt": None if stop is None else utc_text(stop.stopped_at),
        "meterStop": None if stop is None else stop.meter_stop,
        "stopReason": None if stop is None else stop.reason,
        "status": transaction.info["status"],
        "decidedBy": transaction.decided_by.value,
        "authorizationReference": transaction.reference,
        "homeOperatorId": transaction.home_operator_id,
        "cdrId": str(transaction.cdr_id),
    }


def show_transactions(records: Sequence[Record], *, as_json: bool) -> None:
    """Print transactions."""
    columns = ("transactionId", "chargePointId", "connectorId", "idTag", "startedAt", "meterStart")
    _show(records, (*columns, "stoppedAt", "meterStop", "status", "decidedBy"), as_json=as_json)


async def list_sent(database: Path) -> list[Record]:
    """The CDRs that we send."""
    found = await _with(database, lambda opened: CdrStore(opened).sent())
    return [
        {
            "cdrId": str(sent.cdr.cdr_id),
            "status": sent.state.value,
            "reason": sent.reason,
            "route": sent.route.value,
            "operator": sent.cdr.home_operator_id,
            "queuedAt": sent.queued_at,
            "cdr": orjson.loads(sent.cdr.wire()),
        }
        for sent in found
    ]


async def list_received(database: Path) -> list[Record]:
    """The CDRs of our drivers' sessions elsewhere."""
    found = await _with(database, lambda opened: CdrStore(opened).received())
    return [
        {
            "cdrId": str(received.cdr.cdr_id),
            "status": received.receipt.status.value,
            "reason": None,
            "route": "hub" if received.sent_by is None else "peer",
            "operator": received.cdr.operator_id,
            "receivedAt": utc_text(received.receipt.received_at),
            "cdr": orjson.loads(received.cdr.wire()),
        }
        for received in found
    ]


def show_cdrs(records: Sequence[Record], *, as_json: bool) -> None:
    """Print CDRs."""
    if as_json:
        _print_json(records)
        return
    flat = [{**record["cdr"], **record} for record in records]
    columns = ("cdrId", "status", "route", "operator", "idTag", "sessionStart", "meterStart", "meterStop")
    _show(flat, (*columns, "reason"), as_json=False)


async def resend(database: Path, cdr_id: str) -> CdrState | None:
    """Put a parked CDR back; the state it was in, or None if there is none."""
    return await _with(database, lambda opened: CdrStore(opened).resend(cdr_id))


def show_resent(cdr_id: str, *, as_json: bool) -> None:
    """Print that a CDR goes again."""
    if as_json:
        _print_json({"cdrId": cdr_id, "status": CdrState.QUEUED.value})
    else:
        typer.echo(f"{cdr_id} is in the outbox again")


# --- both ---------------------------------------------------------------------------------------------------


async def _with(database: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    opened = open_database(database)
    try:
        return await work(opened)
    finally:
        await opened.close()


def _show(records: Sequence[Record], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        _print_json(records)
        return
    table = Table(*columns)
    for record in records:
        table.add_row(*("" if record.get(name) is None else str(record[name]) for name in columns))
    Console().print(table)


def _print_json(document: object) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
