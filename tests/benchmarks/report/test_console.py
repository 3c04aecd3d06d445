import io

from rich.console import Console

from benchmarks.report.console import markdown, print_targets
from tests.benchmarks.report.example import COMMAND, ENVIRONMENT, FINDINGS


def test_the_table_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_targets(console, FINDINGS)
    assert isinstance(console.file, io.StringIO)
    lines = [
        [word.strip() for word in line.split("│")[1:-1]]
        for line in console.file.getvalue().splitlines()
        if line.startswith("│")
    ]
    assert lines == [
        ["scenario 4 to bare, p50", "1.32", "1.20 to 1.45", "≤ 1.4", "holds"],
        ["throughput to bare | share (a <stall>)", "0.531", "0.500 to 0.580", "≥ 0.6", "falls short"],
        ["null server, ms", "0.0612", "0.0600 to 0.0700", "-", "-"],
        ["memory, bytes (too few tokens)", "not measured", "-", "≤ 120", "-"],
        ["slope", "0.0100", "-0.0200 to 0.0300", "-", "-"],
    ]
    assert "1 of 3 targets hold, 1 not measured" in console.file.getvalue()


def test_the_table_for_the_readme() -> None:
    command, _, heading, rule, *rows, _, total = markdown(FINDINGS, ENVIRONMENT, COMMAND).splitlines()
    assert command.startswith(f"`{COMMAND}`: 2 cores; CPython 3.11.7;")
    assert heading == "| what | measured | spread | target | verdict |"
    assert rule == "| --- | --: | --: | --: | --- |"
    assert rows == [
        "| scenario 4 to bare, p50 | 1.32 | 1.20 to 1.45 | ≤ 1.4 | holds |",
        "| throughput to bare &#124; share (a &lt;stall>) | 0.531 | 0.500 to 0.580 | ≥ 0.6 | **falls short** |",
        "| null server, ms | 0.0612 | 0.0600 to 0.0700 | - | - |",
        "| memory, bytes (too few tokens) | not measured | - | ≤ 120 | - |",
        "| slope | 0.0100 | -0.0200 to 0.0300 | - | - |",
    ]
    assert total == "1 of 3 targets hold, 1 not measured; 2 figures without a target."
