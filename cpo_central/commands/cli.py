"""The command line `cpo-central`.

The commands that look into the database, or change it, work while the server runs; it notices what they
change. What they need is imported when they run, so that `--help` is quick.
"""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cascade.errors import CascadeError
from cpo_central.chargers.acceptance import Registration
from cpo_central.commands.billing_cli import invoices, ledger, settlement, tariffs_app
from cpo_central.commands.options import (
    CENTRAL_SQLITE,
    FAILED,
    MISUSED,
    AsJson,
    DatabaseFile,
    existing,
    run,
    stop,
)

app = typer.Typer(
    name="cpo-central",
    help="The central system of a charge point operator.",
    no_args_is_help=True,
    add_completion=False,
)
tokens_app = typer.Typer(help="The tokens of our own drivers.", no_args_is_help=True)
cdrs_app = typer.Typer(help="Charge Detail Records.", no_args_is_help=True)
charge_points_app = typer.Typer(help="Our charge points.", no_args_is_help=True)
app.add_typer(tokens_app, name="tokens")
app.add_typer(cdrs_app, name="cdrs")
app.add_typer(charge_points_app, name="charge-points")
api_keys_app = typer.Typer(help="The keys of the REST interface.", no_args_is_help=True)
app.add_typer(api_keys_app, name="api-keys")
app.add_typer(tariffs_app, name="tariffs")
app.command()(invoices)
app.command()(settlement)
app.command()(ledger)


@app.command()
def serve(
    operator_id: Annotated[str | None, typer.Option(help="Our operatorId.")] = None,
    database: Annotated[Path | None, typer.Option(help="The SQLite database.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on for chargers.")] = None,
    port: Annotated[int | None, typer.Option(help="The port for chargers; 0 takes a free one.")] = None,
    hub_url: Annotated[str | None, typer.Option(help="The hub, ws:// or wss://.")] = None,
    modes: Annotated[str | None, typer.Option(help="whitelist, hub, peer, in the order wanted.")] = None,
    peer_port: Annotated[int | None, typer.Option(help="The port for peers; 0 takes a free one.")] = None,
    peer_host: Annotated[str | None, typer.Option(help="The address to listen on for peers.")] = None,
    peer_url: Annotated[str | None, typer.Option(help="The address that peers are told.")] = None,
    rest_port: Annotated[int | None, typer.Option(help="The port for REST; 0 takes a free one.")] = None,
    rest_host: Annotated[str | None, typer.Option(help="The address to listen on for REST.")] = None,
    id_tag_prefixes: Annotated[str | None, typer.Option(help="How our idTags begin, with commas.")] = None,
    heartbeat_interval_s: Annotated[int | None, typer.Option(help="What chargers keep to.")] = None,
    new_charge_points: Annotated[str | None, typer.Option(help="accept, pending or reject.")] = None,
    charger_credentials: Annotated[str | None, typer.Option(help="optional or required.")] = None,
    call_timeout_s: Annotated[float | None, typer.Option(help="How long a call waits.")] = None,
    peer_idle_s: Annotated[float | None, typer.Option(help="When an unused peer link closes.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the central system until SIGTERM.

    Each option is also an environment variable: CPO_OPERATOR_ID, CPO_DATABASE and so on. The hub's credential
    is CPO_HUB_CREDENTIAL only.
    """
    overrides = dict(locals())
    import uvloop

    from cascade.errors import SetupError
    from cascade.logs import set_up_logs
    from cascade.service import until_stopped
    from cpo_central import settings as configuration
    from cpo_central.app import Central

    try:
        settings = configuration.load(overrides)
    except SetupError as error:
        stop(str(error), MISUSED)
    set_up_logs(settings.log_level, service="cpo-central")
    try:
        uvloop.run(until_stopped(Central(settings)))
    except SetupError as error:
        stop(str(error))


@tokens_app.command("add")
def tokens_add(
    id_tag: Annotated[str, typer.Argument(help="The driver's idTag, 1 to 20 characters.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    status: Annotated[str, typer.Option(help="Accepted, Blocked, Expired or Invalid.")] = "Accepted",
    expiry_date: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    parent_id_tag: Annotated[str | None, typer.Option(help="The group that it belongs to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a token, or change the one that is there."""
    from cpo_central.commands import records as commands
    from cpo_central.drivers.token_csv import read_token

    row = {"idTag": id_tag, "status": status, "expiryDate": expiry_date, "parentIdTag": parent_id_tag}
    try:
        token = read_token(row)
    except ValueError as error:
        stop(str(error), MISUSED)
    run(commands.put_tokens(database, [token]))
    commands.show_tokens([commands.describe(token)], as_json=as_json)


@tokens_app.command("import")
def tokens_import(
    file: Annotated[Path, typer.Argument(help="CSV with a header: idTag,status,expiryDate,parentIdTag.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Add the tokens of a CSV file; wrong lines are reported and left out."""
    from cpo_central.commands import records as commands

    try:
        tokens, faults = commands.read_tokens(file)
    except (OSError, ValueError) as error:
        stop(f"{file} cannot be read: {error}", MISUSED)
    run(commands.put_tokens(database, tokens))
    commands.show_import(len(tokens), faults, as_json=as_json)
    if faults:
        raise typer.Exit(FAILED)


@tokens_app.command("block")
def tokens_block(
    id_tag: Annotated[str, typer.Argument(help="The driver's idTag.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Block a token."""
    from cpo_central.commands import records as commands

    token = run(commands.block_token(existing(database), id_tag))
    if token is None:
        stop(f"{id_tag} is not one of our tokens: `cpo-central tokens list` shows them")
    commands.show_tokens([commands.describe(token)], as_json=as_json)


@tokens_app.command("list")
def tokens_list(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show our tokens, and why the hub did not take one."""
    from cpo_central.commands import records as commands

    commands.show_tokens(run(commands.list_tokens(existing(database))), as_json=as_json)


@app.command("transactions")
def transactions(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show the transactions of our chargers."""
    from cpo_central.commands import records as commands

    commands.show_transactions(run(commands.list_transactions(existing(database))), as_json=as_json)


@cdrs_app.command("list")
def cdrs_list(
    database: DatabaseFile = CENTRAL_SQLITE,
    received: Annotated[bool, typer.Option("--received", help="Those of our drivers elsewhere.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Those that we did not take.")] = False,
    status: Annotated[str | None, typer.Option(help="Only those with this status, such as Parked.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show CDRs, what has become of them, and why one is parked or was rejected."""
    from cpo_central.commands import records as commands

    if received and refused:
        stop("--received and --refused exclude each other", MISUSED)
    listing = commands.list_sent
    if received or refused:
        listing = commands.list_received if received else commands.list_refused
    found = run(listing(existing(database)))
    commands.show_cdrs([one for one in found if status in {None, one["status"]}], as_json=as_json)


@cdrs_app.command("resend")
def cdrs_resend(
    cdr_id: Annotated[str, typer.Argument(help="The cdrId of a parked CDR.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Put a parked CDR back into the outbox."""
    from cpo_central.commands import records as commands

    state = run(commands.resend(existing(database), cdr_id))
    if state is None:
        stop(f"there is no CDR {cdr_id}: `cpo-central cdrs list` shows them")
    if state != "Parked":
        hint = ": the hub's operator can offer it again, with `nap cdrs requeue`" if state == "Rejected" else ""
        stop(f"CDR {cdr_id} is not parked, it is {state}{hint}")
    commands.show_resent(cdr_id, as_json=as_json)


@cdrs_app.command("redeliver")
def cdrs_redeliver(
    since: Annotated[
        str, typer.Option(help="Those queued then or later: a date in UTC, or ISO 8601 with a time zone.")
    ],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Send all CDRs since a moment once more, to a hub or home operator that has lost them.

    Such as one that has restored a backup. What it has already it acknowledges again, and does not take twice.
    """
    from cascade.roaming.ledgers import Period, read_moment
    from cpo_central.commands import records as commands

    try:
        begin, _ = Period(read_moment("since", since)).seconds()
    except ValueError as error:
        stop(str(error), MISUSED)
    commands.show_redelivered(run(commands.redeliver(existing(database), begin)), as_json=as_json)


@cdrs_app.command("credit")
def cdrs_credit(
    cdr_id: Annotated[UUID, typer.Argument(help="The cdrId of a CDR that we have sent.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    replace_meter_stop: Annotated[int | None, typer.Option(help="The right meterStop, in Wh.")] = None,
    replace_session_end: Annotated[str | None, typer.Option(help="The right sessionEnd, ISO 8601.")] = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a CDR by a credit; with a right value, also send a new CDR with it.

    A CDR never changes. The credit and the new CDR get ids of their own and go the way of the first, after it.
    """
    from cpo_central.commands import records as commands

    try:
        made = run(commands.credit(existing(database), cdr_id, replace_meter_stop, replace_session_end))
    except ValueError as error:
        stop(str(error), MISUSED)
    except CascadeError as error:
        stop(str(error))
    commands.show_cdrs(made, as_json=as_json)


@charge_points_app.command("list")
def charge_points_list(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show the charge points that have come, or are registered."""
    from cpo_central.commands import charge_points as commands

    commands.show_charge_points(run(commands.list_charge_points(existing(database))), as_json=as_json)


@charge_points_app.command("add")
def charge_points_add(
    charge_point_id: Annotated[str, typer.Argument(help="The last part of the URL that it dials.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    registration: Annotated[Registration, typer.Option(help="What it is told.")] = Registration.ACCEPTED,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read its password.")] = False,
    password_generated: Annotated[bool, typer.Option("--password-generated", help="Make one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a charge point before it comes, or change one that is known.

    One that has a password must show it whenever it connects.
    """
    from cpo_central.chargers.gate import new_password
    from cpo_central.commands import charge_points as commands

    if password_stdin and password_generated:
        stop("--password-stdin and --password-generated exclude each other", MISUSED)
    given = typer.get_text_stream("stdin").readline().strip() if password_stdin else None
    made = new_password() if password_generated else None
    password = made if given is None else given
    try:
        record = run(commands.add(database, charge_point_id, registration, password))
    except ValueError as error:
        stop(str(error), MISUSED)
    commands.show_added(record, made, as_json=as_json)


@charge_points_app.command("accept")
def charge_points_accept(
    charge_point_id: Annotated[str, typer.Argument(help="Its id.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Accept a charge point, at once if it is connected."""
    _register(database, charge_point_id, Registration.ACCEPTED, as_json=as_json)


@charge_points_app.command("reject")
def charge_points_reject(
    charge_point_id: Annotated[str, typer.Argument(help="Its id.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Reject a charge point, at once if it is connected."""
    _register(database, charge_point_id, Registration.REJECTED, as_json=as_json)


def _register(database: Path, charge_point_id: str, registration: Registration, *, as_json: bool) -> None:
    from cpo_central.commands import charge_points as commands

    changed = run(commands.change(existing(database), charge_point_id, registration))
    if changed is None:
        stop(f"{charge_point_id} is not known: `cpo-central charge-points add` registers it")
    commands.show_charge_points([changed], as_json=as_json)


@api_keys_app.command("add")
def api_keys_add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[str, typer.Option(help="read, operate or admin.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it: it cannot be shown again."""
    from cpo_central.commands import api_keys as commands
    from cpo_central.rest.api_keys import Role

    if role not in list(Role):
        stop(f"--role is one of {', '.join(Role)}", MISUSED)
    wanted = Role(role)
    try:
        key = run(commands.add(database, name, wanted))
    except ValueError as error:
        stop(str(error), MISUSED)
    if key is None:
        stop(f"there is a key {name}: `cpo-central api-keys remove` takes it back")
    commands.show_made(name, wanted, key, as_json=as_json)


@api_keys_app.command("list")
def api_keys_list(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show whose keys there are."""
    from cpo_central.commands import api_keys as commands

    commands.show_keys(run(commands.list_keys(existing(database))), as_json=as_json)


@api_keys_app.command("remove")
def api_keys_remove(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Take a key back; a server that runs notices it within CPO_POLL_S."""
    from cpo_central.commands import api_keys as commands

    if not run(commands.remove(existing(database), name)):
        stop(f"there is no key {name}: `cpo-central api-keys list` shows them")
    commands.show_removed(name, as_json=as_json)
