"""What the command line does with the database, and how it shows what it finds."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import typer

from cascade.database import Database
from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import read_moment
from cascade.roaming.model import utc_text
from cascade.roaming.tokens import Token
from cpo_central.cdrs.corrections import correct
from cpo_central.cdrs.decisions import Transaction
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import CdrState, Outbox, Route
from cpo_central.cdrs.refusals import refused
from cpo_central.chargers.transactions import TransactionStore
from cpo_central.commands.console import Record, print_json, show, with_database
from cpo_central.drivers.token_csv import Fault, read_csv
from cpo_central.drivers.tokens import TokenStore

IMPORTED_AT_ONCE = 1000
"""Tokens in one commit, so that a server that runs meanwhile does not wait for long."""


# --- tokens -------------------------------------------------------------------------------------------------


def read_tokens(file: Path) -> tuple[list[Token], list[Fault]]:
    """The tokens of a CSV file, and its wrong lines.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, or no CSV with our columns.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return read_csv(lines)


async def put_tokens(database: Path, tokens: Sequence[Token]) -> None:
    """Add tokens, or change those that are there."""

    async def put(opened: Database) -> None:
        store = TokenStore(opened)
        for start in range(0, len(tokens), IMPORTED_AT_ONCE):
            await store.put(tokens[start : start + IMPORTED_AT_ONCE])

    await with_database(database, put)


async def block_token(database: Path, id_tag: str) -> Token | None:
    """Block a token; None if it is not ours."""
    return await with_database(database, lambda opened: TokenStore(opened).block(id_tag))


async def list_tokens(database: Path) -> list[Record]:
    """Our tokens."""
    found = await with_database(database, lambda opened: TokenStore(opened).all())
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
    show(records, ("idTag", "status", "expiryDate", "parentIdTag", "rejectedByHub"), as_json=as_json)


def show_import(imported: int, faults: Sequence[Fault], *, as_json: bool) -> None:
    """Print what an import has done; wrong lines go to standard error."""
    for fault in faults:
        typer.echo(f"line {fault.line}: {fault.fault}", err=True)
    if as_json:
        print_json({"imported": imported, "faults": [fault._asdict() for fault in faults]})
    else:
        typer.echo(f"{imported} tokens imported, {len(faults)} lines left out")


# --- transactions and CDRs ----------------------------------------------------------------------------------


async def list_transactions(database: Path) -> list[Record]:
    """The transactions of our chargers."""
    found = await with_database(database, lambda opened: TransactionStore(opened, "").all())
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
        "status": transaction.answer["status"],
        "decidedBy": transaction.decided_by.value,
        "authorizationReference": transaction.reference,
        "homeOperatorId": transaction.home_operator_id,
        "cdrId": str(transaction.cdr_id),
    }


def show_transactions(records: Sequence[Record], *, as_json: bool) -> None:
    """Print transactions."""
    columns = ("transactionId", "chargePointId", "connectorId", "idTag", "startedAt", "meterStart")
    show(records, (*columns, "stoppedAt", "meterStop", "status", "decidedBy"), as_json=as_json)


async def list_sent(database: Path) -> list[Record]:
    """The CDRs that we send."""
    found = await with_database(database, lambda opened: Outbox(opened).sent())
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
    found = await with_database(database, lambda opened: Intake(opened).received())
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


async def list_refused(database: Path) -> list[Record]:
    """The CDRs of our drivers' sessions elsewhere, or of others', that we did not take."""
    found = await with_database(database, refused)
    return [
        {
            "cdrId": str(one.cdr.cdr_id),
            "status": "Refused",
            "reason": one.reason,
            "route": "hub" if one.sent_by is None else "peer",
            "operator": one.cdr.operator_id,
            "refusedAt": one.refused_at,
            "cdr": orjson.loads(one.cdr.wire()),
        }
        for one in found
    ]


def show_cdrs(records: Sequence[Record], *, as_json: bool) -> None:
    """Print CDRs."""
    if as_json:
        print_json(records)
        return
    flat = [{**record["cdr"], **record} for record in records]
    columns = ("cdrId", "status", "route", "operator", "idTag", "sessionStart", "meterStart", "meterStop")
    show(flat, (*columns, "creditReferenceId", "reason"), as_json=False)


async def credit(database: Path, cdr_id: UUID, meter_stop: int | None, session_end: str | None) -> list[Record]:
    """Cancel a CDR, and send a new one if a value is given.

    Raises:
        ValueError: `session_end` is no moment.
        CorrectionError: it cannot be cancelled.
    """
    ended = None if session_end is None else read_moment("--replace-session-end", session_end)

    async def work(opened: Database) -> list[Cdr]:
        return await correct(opened, cdr_id, meter_stop=meter_stop, session_end=ended, now=datetime.now(UTC))

    return [
        {
            "cdrId": str(cdr.cdr_id),
            "status": CdrState.QUEUED.value,
            "reason": None,
            "route": Route.of(cdr).value,
            "operator": cdr.home_operator_id,
            "cdr": orjson.loads(cdr.wire()),
        }
        for cdr in await with_database(database, work)
    ]


async def resend(database: Path, cdr_id: str) -> CdrState | None:
    """Put a parked CDR back; the state it was in, or None if there is none."""
    return await with_database(database, lambda opened: Outbox(opened).resend(cdr_id))


async def redeliver(database: Path, since: str) -> int:
    """Put back what was acknowledged since a second, in UTC; returns how many."""
    return await with_database(database, lambda opened: Outbox(opened).redeliver(since))


def show_redelivered(count: int, *, as_json: bool) -> None:
    """Print how many CDRs go again."""
    if as_json:
        print_json({"count": count})
    else:
        typer.echo(f"{count} CDRs are in the outbox again")


def show_resent(cdr_id: str, *, as_json: bool) -> None:
    """Print that a CDR goes again."""
    if as_json:
        print_json({"cdrId": cdr_id, "status": CdrState.QUEUED.value})
    else:
        typer.echo(f"{cdr_id} is in the outbox again")
