"""The command line `chargepoint`. What a command needs is imported when it runs: help is there at once."""

import asyncio
import json
import math
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from chargepoint_model.conformance.model import Part
from chargepoint_model.options import Common, EnergyWh, Password, PauseS, TimeScale, a_url, with_common

if TYPE_CHECKING:
    from cascade.trace import FrameTrace
    from chargepoint_model.commands import Report

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="A charge point: an OCPP 1.6J client of a central system.")


def _a_url_or_none(url: str | None) -> str | None:
    return None if url is None else a_url(url)


def _an_id_tag(id_tag: str) -> str:
    if not 1 <= len(id_tag) <= 20 or not id_tag.isascii() or not id_tag.isprintable():
        raise typer.BadParameter("an idTag has 1 to 20 printable ASCII characters")
    return id_tag


def _id_tags(id_tags: list[str] | None) -> list[str]:
    return [_an_id_tag(id_tag) for id_tag in id_tags or []]


Identity = Annotated[str, typer.Option("--id", help="The charge point's identity.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", callback=_id_tags, help="A driver's idTag; may be repeated.")
]


@app.command()
@with_common
def run(
    common: Common,
    identity: Identity,
    connectors: Annotated[int, typer.Option(min=1, max=1000)] = 1,
    tag: Tags = None,
    energy_wh: EnergyWh = 7400,
    pause_s: PauseS = 60,
    time_scale: TimeScale = 1.0,
) -> None:
    """Stay linked, and charge with the tags in turn, until SIGTERM or SIGINT."""
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import stay

    settings = common.settings(identity, connectors=connectors, energy_wh=energy_wh, time_scale=time_scale)
    frames = common.set_up_logs(identity)

    async def work() -> None:
        await stay(Charger(settings, frames), tag or [], pause_s=pause_s)

    _perform(work(), frames)


@app.command()
@with_common
def fleet(
    common: Common,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many charge points.")],
    id_prefix: Annotated[str, typer.Option(help="Their identities begin so; a number follows.")] = "CP-",
    tag: Tags = None,
    connectors: Annotated[int, typer.Option(min=1, max=1000, help="Of each.")] = 1,
    connect_rate: Annotated[float, typer.Option(min=0.1, help="How many begin to connect in a second.")] = 50.0,
    authorize_interval: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds between two Authorize of each besides its drivers'; 0: none."),
    ] = 0.0,
    report_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two reports.")] = 10.0,
    duration_s: Annotated[
        float | None, typer.Option(min=0.1, help="End after this, if nothing ends it.")
    ] = None,
    energy_wh: EnergyWh = 7400,
    pause_s: PauseS = 60,
    time_scale: TimeScale = 1.0,
) -> None:
    """Run many charge points that charge with the tags in turn, until SIGTERM, SIGINT or the duration is over.

    Each report is a line of JSON on standard output, the last one when everything has been stopped. A tag may
    hold {n}: each charge point puts its own number there.
    """
    from chargepoint_model.fleet import Fleet, FleetSettings

    settings = FleetSettings(
        charger=common.settings(id_prefix, connectors=connectors, energy_wh=energy_wh, time_scale=time_scale),
        count=count,
        id_tags=tuple(tag or []),
        connect_rate=connect_rate,
        pause_s=pause_s,
        authorize_interval_s=authorize_interval,
        report_s=report_s,
        duration_s=duration_s,
    )
    frames = common.set_up_logs("fleet")
    _perform(Fleet(settings, frames).run(_say), frames)


@app.command()
@with_common
def charge(
    common: Common,
    identity: Identity,
    tag: Annotated[str, typer.Option(callback=_an_id_tag, help="The driver's idTag.")],
    connector: Annotated[int, typer.Option(min=1, max=1000)] = 1,
    authorizations: Annotated[int, typer.Option(min=1, help="How many, each timed.")] = 1,
    session: Annotated[bool, typer.Option(help="Charge, if the last answer lets the driver.")] = True,
    energy_wh: EnergyWh = 7400,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON document.")] = False,
) -> None:
    """Authorize a driver, charge once without waiting for the time that it takes, and report."""
    from cascade.service import EXIT_FAILED, fail
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import Errand
    from chargepoint_model.commands import charge as charge_once

    settings = common.settings(identity, connectors=connector, time_scale=math.inf)
    errand = Errand(tag, connector, authorizations, session, energy_wh)
    frames = common.set_up_logs(identity)

    async def work() -> "Report":
        return await charge_once(Charger(settings, frames), errand)

    report = _perform(work(), frames)
    if report is None:
        fail("interrupted before the session was over", EXIT_FAILED)
    if as_json:
        typer.echo(json.dumps(report.document()))
    else:
        _tell(report)


@app.command()
@with_common
def drivers(common: Common, identity: Identity) -> None:
    """Take drivers from standard input until it ends, and report on each; no time passes while they charge.

    A driver is a line of JSON: {"idTag": "T", "authorizations": 1, "session": true, "energyWh": 7400}, of which
    only idTag is needed. Its report is a line of JSON on standard output.
    """
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import serve
    from chargepoint_model.lines import errands

    settings = common.settings(identity, time_scale=math.inf)
    frames = common.set_up_logs(identity)

    async def work() -> None:
        coming = errands(sys.stdin.fileno(), on_fault=lambda fault: _say({"error": fault}))
        await serve(Charger(settings, frames), coming, lambda report: _say(report.document()))

    _perform(work(), frames)


@app.command()
def conformance(
    url: Annotated[
        str | None, typer.Option(callback=_a_url_or_none, help="The central system; {id}: the identity.")
    ] = None,
    serve: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Play a central system, and test a charge point.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--id", help="Ours, or that of the charge point to test.")
    ] = None,
    id_tag: Annotated[str, typer.Option(callback=_an_id_tag, help="One that is accepted.")] = "CONFORMANCE",
    password: Password = None,
    timeout_s: Annotated[float, typer.Option(min=0.01, help="Until a message is not answered.")] = 5.0,
    only: Annotated[list[Part] | None, typer.Option(help="Run this part; may be repeated.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write a JSON document.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML.")] = None,
) -> None:
    """Test a central system, or a charge point, message by message.

    The exit status is 0 if everything was right by the standard, 1 if not, 2 if nothing could be tested.
    """
    from chargepoint_model.conformance.command import Reports, examination, perform

    examined = examination(
        url=url,
        serve=serve,
        identity=identity,
        id_tag=id_tag,
        password=password,
        timeout_s=timeout_s,
        only=only,
    )
    raise typer.Exit(perform(examined, Reports(json_file, junit_file)))


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _tell(report: "Report") -> None:
    for authorization in report.authorizations:
        typer.echo(f"Authorize  {authorization.status:<12} {authorization.ms:9.3f} ms")
    session = report.session
    if session is None:
        typer.echo("no session")
        return
    typer.echo(
        f"Session    {session.start_status:<12} transaction {session.transaction_id}, "
        f"{session.meter_start_wh} to {session.meter_stop_wh} Wh, {session.started_at} to {session.stopped_at}"
    )


def _perform(work: Coroutine[Any, Any, T], trace: "FrameTrace") -> T | None:
    """Run it; None if a signal ended it. A failure is one line on standard error and exit status 1."""
    from cascade.service import run_or_exit

    return run_or_exit(_until_signalled(work, trace))


async def _until_signalled(work: Coroutine[Any, Any, T], trace: "FrameTrace") -> T | None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    loop.add_signal_handler(signal.SIGUSR1, trace.switch)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


def main() -> None:
    """The console script's entry."""
    app()
