"""What a person sees."""

from io import StringIO

from rich.console import Console

from chargepoint_model.conformance.tables import show
from tests.chargepoint_model.conformance.test_document import REST, paper


def shown(*, with_paper: bool = True) -> str:
    console = Console(width=140, file=StringIO(), record=True)
    show(console, [*(paper() if with_paper else []), *REST], "ws://[x]")
    return console.export_text()


def test_the_papers_tables_stand_beside_its_column() -> None:
    text = shown()
    assert [f"Table {number}." in text for number in (2, 3, 4)] == [True] * 3
    assert (
        "│ BootNotification   │ failure rate                 │ 0.6               │ 0        │ 0        │"
        in text
    )
    assert (
        "│                    │ required fields not complete │ FAIL              │ PASS     │ PASS     │"
        in text
    )
    assert "│ 22 of 38          │ 38 of 38 │ 35 of 38 │" in text
    assert "│ unrecognized field value     │ 0                 │ 0        │ 1       │" in text
    assert "│ the negative scenario   │ 0.67              │ 0        │ 0.12    │" in text


def test_the_three_differences_are_named() -> None:
    lines = [line for line in shown().splitlines() if "right by the standard, not by the paper's rule" in line]
    assert [line.partition(",")[0] for line in lines] == ["Authorize", "StartTransaction", "StopTransaction"]


def test_failures_are_told_in_full() -> None:
    text = shown(with_paper=False)
    assert "Table 2" not in text
    assert "Failed: 1" in text
    assert "generated: Heartbeat, unheardOf added" in text
    assert "why       a CALLRESULT where only a CALLERROR is right" in text
    assert "sent      [2]" in text
    assert "expected  CALLERROR FormationViolation" in text
    assert "Passed, with another error code: 1" in text
    assert "Skipped: it is not supported" in text
