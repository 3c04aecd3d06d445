"""The scenarios themselves, over real processes."""

import pytest

from scenarios.cli import SCENARIOS
from scenarios.model import Route, Scenario
from scenarios.outcome import Outcome
from scenarios.runner import run_scenario

ACTIONS = {
    1: ["Authorize", "StartTransaction", "StopTransaction", "DataTransfer(Cdr)"],
    2: ["Authorize", "StartTransaction", "StopTransaction", "DataTransfer(Cdr)"],
    3: ["Authorize", "StartTransaction", "StopTransaction", "DataTransfer(Cdr)"],
    4: ["Authorize", "StartTransaction", "StopTransaction", "DataTransfer(Cdr)"],
    5: ["Authorize"],
}
PATHS = {
    1: ["CP>C2"],
    2: ["CP>C2", "C2>hub"],
    3: ["CP>C2", "C2>C1"],
    4: ["CP>C2", "C2>hub", "hub>C1"],
    5: ["CP>C2"],
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"scenario {scenario.number}")
async def test_every_variant_comes_out_as_expected(scenario: Scenario) -> None:
    outcomes: list[Outcome] = []
    await run_scenario(scenario, 2, outcomes.append)

    assert [outcome.variant for outcome in outcomes] == list(scenario.variants)
    assert [outcome.variant.name for outcome in outcomes if not outcome.as_expected] == []
    assert all(len(outcome.decisions) == len(outcome.milliseconds) == 2 for outcome in outcomes)
    traced = [outcome for outcome in outcomes if outcome.variant.cdr is not Route.NONE or scenario.number == 5]
    assert len(traced) == 1
    calls = [message for message in traced[0].frames if message.kind == "CALL"]
    asked = [
        f"{'CP' if message.sender.startswith('CP-') else message.sender}>{message.receiver}"
        for message in calls
        if message.action == "Authorize"
    ]
    assert asked == PATHS[scenario.number]
    seen = [message.action for message in calls]
    assert [action for action in dict.fromkeys(seen) if action in ACTIONS[scenario.number]] == ACTIONS[
        scenario.number
    ]
    answered = {message.message_id for message in traced[0].frames if message.kind == "CALLRESULT"}
    assert {message.message_id for message in calls if message.action == "Authorize"} <= answered
