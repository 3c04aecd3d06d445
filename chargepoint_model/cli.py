"""The command line `chargepoint`. What a command needs is imported when it runs: help is there at once."""

import asyncio
import json
import math
import signal
import sys
from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from cascade.trace import FrameTrace
    from chargepoint_model.commands import Report

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="A charge point: an OCPP 1.6J client of a central system.")


class LogLevel(StrEnum):
    """How much is logged, on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _a_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise typer.BadParameter("give ws://host:port/path or wss://host:port/path, without the identity")
    return url


def _an_id_tag(id_tag: str) -> str:
    if not 1 <= len(id_tag) <= 20 or not id_tag.isascii() or not id_tag.isprintable():
        raise typer.BadParameter("an idTag has 1 to 20 printable ASCII characters")
    return id_tag


def _id_tags(id_tags: list[str] | None) -> list[str]:
    return [_an_id_tag(id_tag) for id_tag in id_tags or []]


Url = Annotated[str, typer.Option(callback=_a_url, help="The central system, without the identity.")]
Identity = Annotated[str, typer.Option("--id", help="The charge point's identity.")]
Password = Annotated[
    str | None, typer.Option(envvar="CHARGEPOINT_PASSWORD", help="For HTTP Basic; better in the environment.")
]
EnergyWh = Annotated[int, typer.Option(min=1, max=1_000_000, help="What a vehicle takes, in Wh.")]
PowerW = Annotated[int, typer.Option(min=1, max=1_000_000, help="How fast it takes it, in W.")]
CallTimeout = Annotated[float, typer.Option(min=0.001, help="Seconds until a call has failed.")]
CentralName = Annotated[str, typer.Option(help="The central system's name in logs and traces.")]
Level = Annotated[LogLevel, typer.Option(help="SIGUSR1 switches frame tracing, seen at info and below.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show frames from the start; implies info.")]


@app.command()
def run(
    url: Url,
    identity: Identity,
    connectors: Annotated[int, typer.Option(min=1, max=1000)] = 1,
    tag: Annotated[
        list[str] | None, typer.Option(callback=_id_tags, help="A driver's idTag; may be repeated.")
    ] = None,
    password: Password = None,
    energy_wh: EnergyWh = 7400,
    power_w: PowerW = 22_000,
    pause_s: Annotated[int, typer.Option(min=1, help="Model seconds between drivers.")] = 60,
    time_scale: Annotated[
        float, typer.Option(min=0.001, max=10_000, help="Model seconds per second, for sessions.")
    ] = 1.0,
    call_timeout_s: CallTimeout = 10.0,
    central_name: CentralName = "central",
    log_level: Level = LogLevel.WARNING,
    trace: Trace = False,
) -> None:
    """Stay linked, and charge with the tags in turn, until SIGTERM or SIGINT."""
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import stay
    from chargepoint_model.station import ChargerSettings

    settings = ChargerSettings(
        url=url,
        identity=identity,
        connectors=connectors,
        password=password,
        central_name=central_name,
        energy_wh=energy_wh,
        power_w=power_w,
        time_scale=time_scale,
        call_timeout_s=call_timeout_s,
    )
    frames = _prepare(identity, log_level, trace)

    async def work() -> None:
        await stay(Charger(settings, frames), tag or [], pause_s=pause_s)

    _perform(work(), frames)


@app.command()
def charge(
    url: Url,
    identity: Identity,
    tag: Annotated[str, typer.Option(callback=_an_id_tag, help="The driver's idTag.")],
    connector: Annotated[int, typer.Option(min=1, max=1000)] = 1,
    authorizations: Annotated[int, typer.Option(min=1, help="How many, each timed.")] = 1,
    session: Annotated[bool, typer.Option(help="Charge, if the last answer lets the driver.")] = True,
    password: Password = None,
    energy_wh: EnergyWh = 7400,
    power_w: PowerW = 22_000,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON document.")] = False,
    call_timeout_s: CallTimeout = 10.0,
    central_name: CentralName = "central",
    log_level: Level = LogLevel.WARNING,
    trace: Trace = False,
) -> None:
    """Authorize a driver, charge once without waiting for the time that it takes, and report."""
    from cascade.service import EXIT_FAILED, fail
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import Errand
    from chargepoint_model.commands import charge as charge_once
    from chargepoint_model.station import ChargerSettings

    settings = ChargerSettings(
        url=url,
        identity=identity,
        connectors=connector,
        password=password,
        central_name=central_name,
        power_w=power_w,
        time_scale=math.inf,
        call_timeout_s=call_timeout_s,
    )
    errand = Errand(tag, connector, authorizations, session, energy_wh)
    frames = _prepare(identity, log_level, trace)

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
def drivers(
    url: Url,
    identity: Identity,
    password: Password = None,
    power_w: PowerW = 22_000,
    call_timeout_s: CallTimeout = 10.0,
    central_name: CentralName = "central",
    log_level: Level = LogLevel.WARNING,
    trace: Trace = False,
) -> None:
    """Take drivers from standard input until it ends, and report on each; no time passes while they charge.

    A driver is a line of JSON: {"idTag": "T", "authorizations": 1, "session": true, "energyWh": 7400}, of which
    only idTag is needed. Its report is a line of JSON on standard output.
    """
    from chargepoint_model.charger import Charger
    from chargepoint_model.commands import serve
    from chargepoint_model.lines import errands
    from chargepoint_model.station import ChargerSettings

    settings = ChargerSettings(
        url=url,
        identity=identity,
        password=password,
        central_name=central_name,
        power_w=power_w,
        time_scale=math.inf,
        call_timeout_s=call_timeout_s,
    )
    frames = _prepare(identity, log_level, trace)

    def say(document: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()

    async def work() -> None:
        coming = errands(sys.stdin.fileno(), on_fault=lambda fault: say({"error": fault}))
        await serve(Charger(settings, frames), coming, lambda report: say(report.document()))

    _perform(work(), frames)


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


def _prepare(identity: str, level: LogLevel, trace_on: bool) -> "FrameTrace":
    from cascade.logs import set_up_logs
    from cascade.trace import FrameTrace

    if trace_on and level is not LogLevel.DEBUG:
        level = LogLevel.INFO
    set_up_logs(level, service=identity)
    trace = FrameTrace(identity)
    trace.on = trace_on
    return trace


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
