import io

from rich.console import Console

from scenarios import scenario_5
from scenarios.frames import Message
from scenarios.model import DecidedBy, Route
from scenarios.outcome import CdrOutcome, Outcome
from scenarios.report import as_json, print_tables, print_traces
from scenarios.scenario_1 import SCENARIO

CALL = Message(0.0, "CP-1", "C2", "CALL", "Authorize", "1", 0.2)
LOST = Message(0.5, "C2", "CP-1", "CALLRESULT", "Authorize", "1", None)
ACCEPTED = Outcome(
    scenario=SCENARIO,
    variant=SCENARIO.variants[0],
    decisions=("Accepted",),
    milliseconds=(1.25,),
    decided_by=frozenset({DecidedBy.WHITELIST}),
    cdr=CdrOutcome(sent=True, delivered=True, route=Route.HUB, matches_session=True),
    frames=(CALL, LOST),
)
UNEXPECTED = Outcome(
    scenario=SCENARIO,
    variant=SCENARIO.variants[1],
    decisions=("Accepted",),
    milliseconds=(2.5,),
    decided_by=frozenset({DecidedBy.WHITELIST}),
    cdr=CdrOutcome(),
)
DENIED = Outcome(
    scenario=scenario_5.SCENARIO,
    variant=scenario_5.SCENARIO.variants[0],
    decisions=("Invalid",),
    milliseconds=(0.5,),
    decided_by=frozenset({DecidedBy.NONE}),
    cdr=CdrOutcome(),
)


def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200), out


def test_our_times_stand_beside_the_papers_and_failures_are_counted() -> None:
    shown, out = console()
    print_tables(shown, [ACCEPTED, UNEXPECTED, DENIED], attempts=1)
    lines = out.getvalue().splitlines()
    (first,) = [line for line in lines if "1: whitelist at C2" in line]
    assert [cell.strip() for cell in first.strip("│").split("│")][4:] == [
        "home, by hub",
        *("1.250", "1.250", "1.250", "2.6", "3.0", "2.6", "yes"),
    ]
    assert any("no: Blocked expected" in line for line in lines)
    assert lines[-1] == (
        "1 of 2 scenarios as expected, 0 of 1 further variants as expected, "
        "1 of 1 CDRs delivered home and equal to their sessions."
    )


def test_only_what_was_traced_is_shown_as_a_sequence() -> None:
    shown, out = console()
    print_traces(shown, [ACCEPTED, DENIED])
    text = out.getvalue()
    assert text.count("sequenceDiagram") == 1
    assert "Scenario 1, accepted" in text
    assert "0.200" in text


def test_the_json_report() -> None:
    report = as_json([ACCEPTED], attempts=1)
    (row,) = report["scenarios"]
    assert report["environment"]["cpus"] >= 1
    assert row["authorization_ms"] == {"p50": 1.25, "mean": 1.25, "max": 1.25}
    assert row["expected"] == {"status": "Accepted", "decided_by": "whitelist", "cdr_route": "hub"}
    assert [frame["to"] for frame in row["frames"]] == ["C2", "CP-1"]
