"""The command line of the hub: `nap`.

Commands other than `serve` work on the database, whether a hub is running on it or not; a running hub
notices what they change within a moment.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cascade.logs import set_up_logs
from cascade.roaming.model import utc_text
from cascade.service import EXIT_FAILED, fail, load_settings, run_or_exit, until_stopped
from nap.app import HubApp, utc_now
from nap.cdrs_cli import app as cdrs_app
from nap.console import DatabaseOption, JsonOption, cell, print_json, print_rows, with_store
from nap.operators import new_credential
from nap.records import Mode, Operator, OperatorStanding
from nap.settings import HubSettings
from nap.settlement_cli import reconcile, settlement
from nap.store.port import Operators, Store

app = typer.Typer(no_args_is_help=True, help="The National Access Point: the hub for EV roaming.")
operator_app = typer.Typer(no_args_is_help=True, help="Operators, their agreements and credentials.")
db_app = typer.Typer(no_args_is_help=True, help="The database.")
app.add_typer(operator_app, name="operator")
app.add_typer(cdrs_app, name="cdrs")
app.add_typer(db_app, name="db")
app.command()(settlement)
app.command()(reconcile)

ModesOption = Annotated[
    str | None, typer.Option(help="Modes, separated by commas: whitelist,hub,peer,redirect.")
]


@app.command()
def serve(
    database: DatabaseOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port for Prometheus.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the hub until SIGTERM. Every setting can be given as NAP_… in the environment."""
    settings = load_settings(
        HubSettings, database=database, host=host, port=port, metrics_port=metrics_port, log_level=log_level
    )
    set_up_logs(settings.log_level, service="nap")
    run_or_exit(until_stopped(HubApp(settings)))


@operator_app.command("add")
def operator_add(
    operator_ids: Annotated[list[str], typer.Argument(metavar="OPERATOR_ID...")],
    name: Annotated[str, typer.Option(help="Its name, for people; where one is entered.")] = "",
    consents: ModesOption = "whitelist,hub,peer,redirect",
    wants: ModesOption = "whitelist,hub,peer,redirect",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter an operator; prints its credential once, and what the operator must configure.

    Several are entered at once, all or none, with the same agreement.
    """
    if len(set(operator_ids)) < len(operator_ids):
        raise typer.BadParameter("an operatorId is named twice")
    if name and len(operator_ids) > 1:
        raise typer.BadParameter("--name is for one operator: enter them one by one")
    consented, wanted = frozenset(_modes(consents or "")), _modes(wants or "")
    operators = [
        Operator(operator_id=_operator_id(one), name=name or one, consents=consented, wants=wanted)
        for one in operator_ids
    ]
    credentials = [new_credential() for _ in operators]

    async def add(store: Store) -> list[str]:
        hashes = (secret_hash for _, secret_hash in credentials)
        return await store.operators.add(*zip(operators, hashes, strict=True), now=utc_now())

    taken = with_store(database, add)
    if taken:
        others = "; none of the others was entered" if len(operators) > 1 else ""
        fail(f"operator {taken[0]} exists: see `nap operator show {taken[0]}`{others}", EXIT_FAILED)
    rows = [
        {"operatorId": one, "credential": secret}
        for one, (secret, _) in zip(operator_ids, credentials, strict=True)
    ]
    if len(rows) > 1:
        print_rows(rows, ("operatorId", "credential"), as_json=as_json)
    elif as_json:
        print_json(rows[0])
    else:
        _print_entered(operator_ids[0], credentials[0][0])


@operator_app.command("list")
def operator_list(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """All operators."""

    async def read(store: Store) -> list[OperatorStanding]:
        return store.operators.standings()

    rows = [_operator_row(standing) for standing in with_store(database, read)]
    columns = ("operatorId", "name", "enabled", "linked", "consents", "wants", "tokens")
    print_rows(rows, columns, as_json=as_json)


@operator_app.command("show")
def operator_show(operator_id: str, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """One operator, its agreement and its standing."""

    async def read(store: Store) -> OperatorStanding | None:
        return _standing(store, operator_id)

    _print_operator(operator_id, with_store(database, read), as_json=as_json)


@operator_app.command("disable")
def operator_disable(operator_id: str, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Cut an operator off: its link is closed, its drivers are refused everywhere."""
    standing = _change(operator_id, database, lambda operators: operators.change(operator_id, enabled=False))
    _print_operator(operator_id, standing, as_json=as_json)


@operator_app.command("enable")
def operator_enable(operator_id: str, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Let a disabled operator in again."""
    standing = _change(operator_id, database, lambda operators: operators.change(operator_id, enabled=True))
    _print_operator(operator_id, standing, as_json=as_json)


@operator_app.command("agree")
def operator_agree(
    operator_id: str,
    consents: ModesOption = None,
    wants: ModesOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an agreement: the modes it consents to as home, and wants as visited, in order."""
    standing = _change(
        operator_id,
        database,
        lambda operators: operators.change(
            operator_id,
            consents=None if consents is None else frozenset(_modes(consents)),
            wants=None if wants is None else _modes(wants),
        ),
    )
    _print_operator(operator_id, standing, as_json=as_json)


@operator_app.command("credential")
def operator_credential(operator_id: str, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Give an operator a new credential; the old one opens no link any more, a link that is open stays."""
    secret, secret_hash = new_credential()
    standing = _change(
        operator_id, database, lambda operators: operators.change(operator_id, secret_hash=secret_hash)
    )
    if standing is None:
        _fail_unknown(operator_id)
    if as_json:
        print_json({"operatorId": operator_id, "credential": secret})
    else:
        typer.echo(secret)


@app.command("tokens")
def tokens(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """How many tokens the hub holds of each operator, and the version of its list."""

    async def read(store: Store) -> dict[str, Any]:
        epoch, version = store.tokens.version()
        standings = store.operators.standings()
        held = {standing.operator.operator_id: standing.tokens for standing in standings}
        return {"epoch": epoch, "version": version, "tokens": sum(held.values()), "operators": held}

    state = with_store(database, read)
    if as_json:
        print_json(state)
        return
    typer.echo(f"epoch {state['epoch']}, version {state['version']}, {state['tokens']} tokens")
    rows = [{"operatorId": o, "tokens": n} for o, n in state["operators"].items()]
    print_rows(rows, ("operatorId", "tokens"), as_json=False)


@db_app.command("migrate")
def db_migrate(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Create the database, or bring it to this program's schema. Back it up before."""

    async def read(store: Store) -> tuple[int, int]:
        return store.schema_versions()

    found, now = with_store(database, read)
    path = load_settings(HubSettings, database=database).database
    if as_json:
        print_json({"database": str(path), "found": found, "now": now})
    else:
        typer.echo(f"{path}: schema version {now}, found {found}")


@db_app.command("new-epoch")
def db_new_epoch(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Make every replica start over. To be run after a backup was restored, before the hub is started."""
    epoch = with_store(database, lambda store: store.tokens.begin_epoch(utc_now()))
    if as_json:
        print_json({"epoch": epoch})
    else:
        typer.echo(f"epoch {epoch}")


# --- helpers ------------------------------------------------------------------------------------------------


def _change(
    operator_id: str, database: Path | None, change: Callable[[Operators], Awaitable[bool]]
) -> OperatorStanding | None:
    async def main(store: Store) -> OperatorStanding | None:
        await change(store.operators)
        return _standing(store, operator_id)

    return with_store(database, main)


def _standing(store: Store, operator_id: str) -> OperatorStanding | None:
    return next((s for s in store.operators.standings() if s.operator.operator_id == operator_id), None)


def _print_entered(operator_id: str, credential: str) -> None:
    typer.echo(
        f"Operator {operator_id} is entered. Its credential is shown this once; give it to the operator:\n\n"
        f"  CPO_OPERATOR_ID={operator_id}\n"
        f"  CPO_HUB_CREDENTIAL={credential}\n"
        "  CPO_HUB_URL=wss://<this hub>/ocpp\n\n"
        "Any OCPP 1.6J client can link instead: wss://<this hub>/ocpp/"
        f"{operator_id}, HTTP Basic with user {operator_id} and the credential as password,\n"
        "subprotocol nap1.ocpp1.6 (or ocpp1.6: one call in flight)."
    )


def _print_operator(operator_id: str, standing: OperatorStanding | None, *, as_json: bool) -> None:
    if standing is None:
        _fail_unknown(operator_id)
    row = _operator_row(standing)
    if as_json:
        print_json(row)
        return
    for field, value in row.items():
        typer.echo(f"{field:>16}  {cell(value)}")


def _fail_unknown(operator_id: str) -> NoReturn:
    fail(f"no operator {operator_id}: see `nap operator list`", EXIT_FAILED)


def _operator_id(text: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from cascade.roaming.model import OperatorId

    try:
        return TypeAdapter[str](OperatorId).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(
            f"{text!r} is no operatorId: it has 1 to 36 characters of A-Z a-z 0-9 * . _ -"
        ) from None


def _modes(text: str) -> tuple[Mode, ...]:
    try:
        return tuple(dict.fromkeys(Mode(mode.strip()) for mode in text.split(",") if mode.strip()))
    except ValueError:
        raise typer.BadParameter(f"modes are {', '.join(Mode)}, separated by commas") from None


def _operator_row(standing: OperatorStanding) -> dict[str, Any]:
    operator = standing.operator
    return {
        "operatorId": operator.operator_id,
        "name": operator.name,
        "enabled": operator.enabled,
        "linked": standing.linked,
        "linkChangedAt": utc_text(standing.link_changed_at) if standing.link_changed_at else None,
        "consents": sorted(operator.consents),
        "wants": list(operator.wants),
        "idTagPrefixes": list(standing.id_tag_prefixes),
        "endpoint": standing.endpoint_url,
        "tokens": standing.tokens,
        "createdAt": utc_text(standing.created_at),
    }
