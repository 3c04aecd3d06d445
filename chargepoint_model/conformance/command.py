"""The body of `chargepoint conformance`: run, report, and say by the exit status how it went."""

from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import typer
import uvloop
from rich.console import Console

from cascade.errors import CascadeError, SetupError
from cascade.roaming.model import utc_text
from cascade.service import EXIT_FAILED, EXIT_MISCONFIGURED, fail
from chargepoint_model.conformance import probe
from chargepoint_model.conformance import serve as served
from chargepoint_model.conformance.central import Room
from chargepoint_model.conformance.charge_point import Target
from chargepoint_model.conformance.document import document, junit
from chargepoint_model.conformance.model import Finding, Part, Verdict
from chargepoint_model.conformance.tables import show


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that took place."""

    target: str
    findings: list[Finding]
    ended: str
    """Why it ended early; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a run is written to besides the terminal."""

    json: Path | None = None
    junit: Path | None = None


def examination(
    *,
    url: str | None,
    serve: str | None,
    identity: str | None,
    id_tag: str,
    password: str | None,
    timeout_s: float,
    only: Sequence[Part] | None,
) -> Coroutine[Any, Any, Outcome]:
    """What the command's options ask for.

    Raises:
        BadParameter: they do not go together.
    """
    if (url is None) == (serve is None):
        raise typer.BadParameter(
            "give either --url, to test a central system, or --serve, to test a charge point"
        )
    if url is None:
        assert serve is not None, "one of the two"
        host, port = _address(serve)
        room = Room(host=host, port=port, id_tag=id_tag, identity=identity, timeout_s=timeout_s)
        return _examine_charge_point(room, _parts(only, served.PARTS))
    if identity is None:
        raise typer.BadParameter("give --id, under which the central system knows the tool as a charge point")
    target = Target(url=url, identity=identity, id_tag=id_tag, password=password, timeout_s=timeout_s)
    return _examine_central(target, _parts(only, probe.PARTS))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter("give --serve as HOST:PORT, or as :PORT for every address")
    return host.strip("[]"), int(port)


def _parts(only: Sequence[Part] | None, possible: Sequence[Part]) -> Collection[Part]:
    wrong = [part for part in only or () if part not in possible]
    if wrong:
        raise typer.BadParameter(f"--only {wrong[0]} is not for this side: it has {', '.join(possible)}")
    return only or possible


async def _examine_central(target: Target, parts: Collection[Part]) -> Outcome:
    findings, ended = await probe.examine(target, parts)
    return Outcome(f"the central system at {target.url}", findings, ended)


async def _examine_charge_point(room: Room, parts: Collection[Part]) -> Outcome:
    def say(port: int) -> None:
        name = "<id>" if room.identity is None else room.identity
        typer.echo(f"waiting for a charge point at ws://{room.host or '0.0.0.0'}:{port}/{name}", err=True)  # noqa: S104 - said, not listened on

    identity, findings, ended = await served.examine(room, parts, say)
    return Outcome(f"the charge point {identity}", findings, ended)


def perform(examination: Coroutine[Any, Any, Outcome], reports: Reports) -> int:
    """Run and report; the exit status.

    A peer that cannot be examined, or a report that cannot be written, ends the process with a line on standard
    error and exit status 2.
    """
    try:
        return report(uvloop.run(examination), reports, Console())
    except CascadeError as error:
        fail(str(error), EXIT_MISCONFIGURED)


def report(outcome: Outcome, reports: Reports, console: Console) -> int:
    """Print a run and write it; the exit status: 0 if everything is right by the standard, else 1.

    Raises:
        SetupError: a file cannot be written.
    """
    show(console, outcome.findings, outcome.target)
    at = utc_text(datetime.now(UTC))
    as_json = orjson.dumps(
        document(outcome.findings, outcome.target, at, outcome.ended), option=orjson.OPT_INDENT_2
    )
    for path, text in ((reports.json, as_json), (reports.junit, junit(outcome.findings, outcome.target))):
        if path is not None:
            _write(path, text)
    if outcome.ended:
        console.print(f"\nThe run ended early: {outcome.ended}", markup=False)
    failed = outcome.ended or any(one.semantic is Verdict.FAIL for one in outcome.findings)
    return EXIT_FAILED if failed else 0


def _write(path: Path, text: bytes) -> None:
    try:
        path.write_bytes(text)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None
