"""The commands about CDRs in the hub's custody."""

import json
from typing import Annotated, Any
from uuid import UUID

import typer

from cascade.roaming.ledgers import read_moment
from cascade.roaming.model import utc_text
from cascade.service import EXIT_FAILED, fail
from nap.console import DatabaseOption, JsonOption, print_json, print_rows, with_store
from nap.records import CdrState, RefusedCdr, StoredCdr
from nap.store.port import Store

app = typer.Typer(no_args_is_help=True, help="Charge Detail Records in the hub's custody.")


@app.command("list")
def list_cdrs(
    state: Annotated[CdrState | None, typer.Option(help="Only those in this state.")] = None,
    operator: Annotated[str | None, typer.Option(help="Only those to or from this operator.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 100,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """CDRs, where they stand, and why one was rejected."""

    async def read(store: Store) -> list[StoredCdr]:
        return store.cdrs.find(state=state, operator_id=operator, limit=limit)

    rows = [_cdr_row(stored) for stored in with_store(database, read)]
    columns = ("cdrId", "state", "visited", "home", "receivedAt", "authorized", "reason")
    print_rows(rows, columns, as_json=as_json)


@app.command("queue")
def queue(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """How many CDRs wait for each operator, since when, and whether it is linked."""

    async def read(store: Store) -> list[dict[str, Any]]:
        linked = {s.operator.operator_id: s.linked for s in store.operators.standings()}
        return [
            {
                "operatorId": backlog.home,
                "waiting": backlog.waiting,
                "oldestAt": utc_text(backlog.oldest_at),
                "linked": linked[backlog.home],
            }
            for backlog in store.cdrs.backlogs()
        ]

    print_rows(with_store(database, read), ("operatorId", "waiting", "oldestAt", "linked"), as_json=as_json)


@app.command("refused")
def refused(
    operator: Annotated[str | None, typer.Option(help="Only those from this operator.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 100,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """CDRs that the hub has not taken: who sent them has parked them, for this reason."""

    async def read(store: Store) -> list[RefusedCdr]:
        return store.cdrs.refused(operator_id=operator, limit=limit)

    rows = [_refused_row(refused) for refused in with_store(database, read)]
    print_rows(rows, ("cdrId", "visited", "refusedAt", "reason"), as_json=as_json)


@app.command("requeue")
def requeue(cdr_id: UUID, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Offer a rejected CDR to its home operator again, at its next link or within a moment."""
    if not with_store(database, lambda store: store.cdrs.requeue(cdr_id)):
        fail(f"no rejected CDR {cdr_id}: see `nap cdrs list --state Rejected`", EXIT_FAILED)
    if as_json:
        print_json({"cdrId": str(cdr_id), "state": CdrState.QUEUED})
    else:
        typer.echo(f"{cdr_id} is queued again")


@app.command("redeliver")
def redeliver(
    operator_id: str,
    since: Annotated[
        str, typer.Option(help="Those that came then or later: a date in UTC, or ISO 8601 with a zone.")
    ],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring an operator once more what it has acknowledged since, as it has lost that with its database.

    What it has all the same it acknowledges again, and does not take twice.
    """
    try:
        begin = read_moment("since", since)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    count = with_store(database, lambda store: store.cdrs.redeliver(operator_id, begin))
    if as_json:
        print_json({"operatorId": operator_id, "count": count})
    else:
        typer.echo(f"{count} CDRs are queued for {operator_id} again")


def _cdr_row(stored: StoredCdr) -> dict[str, Any]:
    return {
        "cdrId": str(stored.cdr.cdr_id),
        "state": stored.state,
        "visited": stored.visited,
        "home": stored.home,
        "receivedAt": utc_text(stored.received_at),
        "settledAt": utc_text(stored.settled_at) if stored.settled_at else None,
        "authorized": stored.authorized,
        "reason": stored.reason,
        "cdr": json.loads(stored.body),
    }


def _refused_row(refused: RefusedCdr) -> dict[str, Any]:
    return {
        "cdrId": str(refused.cdr.cdr_id),
        "visited": refused.visited,
        "refusedAt": utc_text(refused.refused_at),
        "reason": refused.reason,
        "cdr": json.loads(refused.cdr.wire()),
    }
