"""One run of the benchmark runner: experiments one after the other, and their report.

An experiment that fails costs no other its figures: its rows stay in the report, without a figure and with the
reason. So it is with Ctrl-C, after which nothing more is begun.
"""

import asyncio
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from benchmarks.environment import environment
from benchmarks.experiments.side_by_side import WrongAnswerError
from benchmarks.load.client import LoadError
from benchmarks.model import Findings, Target
from benchmarks.progress import Shown, progress
from benchmarks.report.console import markdown, print_targets
from benchmarks.report.writer import write
from cascade.errors import CallFailed, RoamingRefused
from scenarios.process import ProcessFailedError

EXPECTED = (ProcessFailedError, LoadError, WrongAnswerError, CallFailed, RoamingRefused, OSError)
"""What may befall a measurement and says so in its message; anything else is a defect, shown with its trace."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment with its plan."""

    name: str
    title: str
    run: Callable[[Path, Shown], Awaitable[Findings]]
    promised: Sequence[Target] = ()
    """The rows of its targets, without figures: for a report of a run that did not get as far."""


def carry_out(experiments: Sequence[Experiment], folder: Path, command: str) -> bool:
    """Run experiments, write their report and print the table of targets; False if one failed.

    Args:
        experiments: in their order.
        folder: for the report; made, if it is not there.
        command: what was typed.

    Raises:
        KeyboardInterrupt: after the report, if it came while an experiment ran.
        OSError: the report cannot be written.
    """
    where = environment()
    findings, failed, interrupted = [], False, False
    with progress() as shown:
        for experiment in experiments:
            if interrupted:
                findings.append(_without_figures(experiment, "not begun"))
                continue
            shown.begin(experiment.title)
            try:
                findings.append(asyncio.run(_in_a_folder(experiment, shown)))
            except Exception as error:  # noqa: BLE001 - whatever it was, the others' figures must not be lost
                failed = True
                findings.append(_without_figures(experiment, _because(error)))
                _complain(experiment, error)
            except KeyboardInterrupt:
                interrupted = True
                findings.append(_without_figures(experiment, "interrupted"))
    paths = write(folder, findings, where, command)
    (folder / "targets.md").write_text(markdown(findings, where, command), encoding="utf-8")
    print_targets(Console(), findings)
    Console().print(f"report: {paths.html}", highlight=False, soft_wrap=True)
    if interrupted:
        raise KeyboardInterrupt
    return not failed


async def _in_a_folder(experiment: Experiment, shown: Shown) -> Findings:
    """Logs and databases go with the folder: what counts is in the findings."""
    with tempfile.TemporaryDirectory(prefix=f"cascade-{experiment.name}-") as folder:
        return await experiment.run(Path(folder), shown)


def _without_figures(experiment: Experiment, because: str) -> Findings:
    return Findings(
        experiment.name,
        "There are no figures of this experiment.",
        targets=[replace(row, measured=None, remark=because.partition("\n")[0]) for row in experiment.promised],
        notes=[because],
    )


def _complain(experiment: Experiment, error: Exception) -> None:
    """On standard error; with a trace if nobody could have expected it."""
    console = Console(stderr=True)
    console.print(f"{experiment.name} failed: {_because(error)}", markup=False, highlight=False, soft_wrap=True)
    for leaf in leaves(error):
        if not isinstance(leaf, EXPECTED):
            trace = "".join(traceback.format_exception(leaf))
            console.print(trace, markup=False, highlight=False, soft_wrap=True)


def _because(error: Exception) -> str:
    return "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error))


def leaves(error: BaseException) -> list[BaseException]:
    """What a group of errors is made of; an error that is none is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
