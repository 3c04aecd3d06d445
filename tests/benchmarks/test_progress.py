import io
import re

import pytest
from rich.console import Console

from benchmarks.progress import progress


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_without_a_terminal_an_experiment_is_one_line() -> None:
    console = Console(file=io.StringIO(), width=20)
    with progress(console) as shown:
        shown.begin("authorize: [4] scenarios, all of them", 2)
        shown.step("warm-up")
        shown.step("measuring")
        shown.begin("cdr: intake")
    assert lines(console) == ["authorize: [4] scenarios, all of them", "cdr: intake"]


def test_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as shown:
        shown.begin("wan")
    assert capsys.readouterr() == ("", "wan\n")


def test_on_a_terminal_the_steps_are_shown_and_end_full() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with progress(console) as shown:
        shown.begin("authorize", 3)
        shown.step("[bold] scenario 1")
        shown._bars.refresh()
        shown.step("scenario 2")
        shown._bars.refresh()
        shown.begin("growth")
        shown.step("10 operators")
        shown._bars.refresh()
    written = "\n".join(lines(console))
    assert "0/3" in written  # the first step has begun, none is done
    assert "1/3" in written
    assert "[bold] scenario 1" in written
    assert "10 operators" in written
    finished = "\n".join(line for line in lines(console) if "✓" in line)
    assert re.search(r"✓ authorize +━+ 3/3", finished)
    assert re.search(r"✓ growth +━+ 1/1", finished)


def test_a_step_of_nothing_is_let_be() -> None:
    console = Console(file=io.StringIO())
    with progress(console) as shown:
        shown.step("too early")
    assert lines(console) == []


def test_a_failure_passes_through() -> None:
    console = Console(file=io.StringIO())

    def run() -> None:
        with progress(console) as shown:
            shown.begin("cdr")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run()
    assert lines(console) == ["cdr"]
