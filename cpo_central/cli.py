"""The command line `cpo-central`.

The commands that look into the database, or change it, work while the server runs; it notices what they
change. What they need is imported when they run, so that `--help` is quick.
"""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

T = TypeVar("T")

app = typer.Typer(
    name="cpo-central",
    help="The central system of a charge point operator.",
    no_args_is_help=True,
    add_completion=False,
)
tokens_app = typer.Typer(help="The tokens of our own drivers.", no_args_is_help=True)
cdrs_app = typer.Typer(help="Charge Detail Records.", no_args_is_help=True)
app.add_typer(tokens_app, name="tokens")
app.add_typer(cdrs_app, name="cdrs")

FAILED, MISUSED = 1, 2

DatabaseFile = Annotated[
    Path, typer.Option("--database", envvar="CPO_DATABASE", help="The SQLite database.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
CENTRAL_SQLITE = Path("central.sqlite")


def _stop(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(f"cpo-central: {message}", err=True)
    raise typer.Exit(code)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    from cascade.errors import SetupError

    try:
        return asyncio.run(work)
    except SetupError as error:
        _stop(str(error))


def _existing(database: Path) -> Path:
    if not database.exists():
        _stop(f"there is no database {database}: say where it is with --database or CPO_DATABASE")
    return database


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
    id_tag_prefixes: Annotated[str | None, typer.Option(help="How our idTags begin, with commas.")] = None,
    heartbeat_interval_s: Annotated[int | None, typer.Option(help="What chargers keep to.")] = None,
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
        _stop(str(error), MISUSED)
    set_up_logs(settings.log_level, service="cpo-central")
    try:
        uvloop.run(until_stopped(Central(settings)))
    except SetupError as error:
        _stop(str(error))


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
    from cpo_central import commands

    row = {"idTag": id_tag, "status": status, "expiryDate": expiry_date, "parentIdTag": parent_id_tag}
    try:
        token = commands.read_token(row)
    except ValueError as error:
        _stop(str(error), MISUSED)
    _run(commands.put_tokens(database, [token]))
    commands.show_tokens([commands.describe(token)], as_json=as_json)


@tokens_app.command("import")
def tokens_import(
    file: Annotated[Path, typer.Argument(help="CSV with a header: idTag,status,expiryDate,parentIdTag.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Add the tokens of a CSV file; wrong lines are reported and left out."""
    from cpo_central import commands

    try:
        tokens, faults = commands.read_csv(file)
    except (OSError, ValueError) as error:
        _stop(f"{file} cannot be read: {error}", MISUSED)
    _run(commands.put_tokens(database, tokens))
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
    from cpo_central import commands

    token = _run(commands.block_token(_existing(database), id_tag))
    if token is None:
        _stop(f"{id_tag} is not one of our tokens: `cpo-central tokens list` shows them")
    commands.show_tokens([commands.describe(token)], as_json=as_json)


@tokens_app.command("list")
def tokens_list(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show our tokens, and why the hub did not take one."""
    from cpo_central import commands

    commands.show_tokens(_run(commands.list_tokens(_existing(database))), as_json=as_json)


@app.command("transactions")
def transactions(database: DatabaseFile = CENTRAL_SQLITE, as_json: AsJson = False) -> None:
    """Show the transactions of our chargers."""
    from cpo_central import commands

    commands.show_transactions(_run(commands.list_transactions(_existing(database))), as_json=as_json)


@cdrs_app.command("list")
def cdrs_list(
    database: DatabaseFile = CENTRAL_SQLITE,
    received: Annotated[bool, typer.Option("--received", help="Those of our drivers elsewhere.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show CDRs and what has become of them."""
    from cpo_central import commands

    listing = (
        commands.list_received(_existing(database)) if received else commands.list_sent(_existing(database))
    )
    commands.show_cdrs(_run(listing), as_json=as_json)


@cdrs_app.command("resend")
def cdrs_resend(
    cdr_id: Annotated[str, typer.Argument(help="The cdrId of a parked CDR.")],
    database: DatabaseFile = CENTRAL_SQLITE,
    as_json: AsJson = False,
) -> None:
    """Put a parked CDR back into the outbox."""
    from cpo_central import commands

    state = _run(commands.resend(_existing(database), cdr_id))
    if state is None:
        _stop(f"there is no CDR {cdr_id}: `cpo-central cdrs list` shows them")
    if state != "Parked":
        _stop(f"CDR {cdr_id} is not parked, it is {state}")
    commands.show_resent(cdr_id, as_json=as_json)
