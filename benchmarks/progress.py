"""Showing how far a run has come, on standard error.

On a terminal each experiment is a line with a spinner, a bar and its present step. Without one, an experiment
is one line of text, written when it begins, and its steps are not shown: a log is read afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class Shown:
    """What an experiment tells of itself while it runs."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._begun = 0

    def begin(self, title: str, steps: int | None = None) -> None:
        """A new experiment; the one before is done.

        Args:
            title: what is measured, in a few words.
            steps: how often `step` will be called, if that is known.
        """
        self.end()
        if self._bars.disable:
            self._bars.console.print(title, markup=False, highlight=False, soft_wrap=True)
        self._task = self._bars.add_task(title, total=steps, text="")
        self._begun = 0

    def step(self, text: str) -> None:
        """The next step begins.

        Args:
            text: what is being done, in a few words.
        """
        if self._task is not None:
            self._bars.update(self._task, completed=self._begun, text=text)
            self._begun += 1

    def end(self) -> None:
        """The present experiment is done: its bar is full, however many steps it took."""
        if self._task is not None:
            total = self._bars.tasks[self._task].total or self._begun
            self._bars.update(self._task, total=total, completed=total, text="")
            self._bars.stop_task(self._task)
            self._task = None


@contextmanager
def progress(console: Console | None = None) -> Iterator[Shown]:
    """Show what runs inside.

    Args:
        console: where to; standard error, if not given.
    """
    console = console or Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        shown = Shown(bars)
        yield shown
        shown.end()
