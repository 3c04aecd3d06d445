"""The simulation keeps its invariants, finds planted bugs, and replays a schedule from its seed."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from cascade.roaming.cdrs import Cdr
from cpo_central.cdrs import store as cdr_store
from cpo_central.cdrs.decisions import CdrFacts, Refuse, Repeat, Take, judge
from cpo_central.cdrs.delivery import Delivery
from cpo_central.cdrs.store import Destination
from tests.faults.outcome import Outcome
from tests.faults.simulation.disk import SimulatedDatabase
from tests.faults.simulation.world import run

SCHEDULES = 120
TO_FIND = 400
"""Schedules within which each planted bug is found."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Half of the time would be spent on lines that nobody reads."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False
    )
    yield
    structlog.configure(**before)


def test_nothing_is_lost_and_nothing_doubled() -> None:
    outcomes = [run(seed) for seed in range(SCHEDULES)]
    assert [outcome for outcome in outcomes if outcome.violations] == []
    happened = {fault for outcome in outcomes for fault in outcome.faults}
    assert len(happened) == 7
    assert sum(outcome.sessions for outcome in outcomes) > SCHEDULES


def first_violation() -> Outcome:
    return next(outcome for seed in range(TO_FIND) if (outcome := run(seed)).violations)


def test_an_acknowledgement_before_the_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedDatabase, "acknowledges_early", True)
    assert "should be at" in first_violation().violations[0]


def test_an_outbox_row_that_goes_before_the_acknowledgement_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = Delivery._deliver

    async def deliver_hastily(self: Delivery, destination: Destination, cdr: Cdr) -> None:
        statement = "DELETE FROM outbox WHERE cdr_id = ?"
        database = self._store._database
        await database.write(lambda db: db.execute(statement, (str(cdr.cdr_id),)).rowcount)
        await deliver(self, destination, cdr)

    monkeypatch.setattr(Delivery, "_deliver", deliver_hastily)
    assert "has it not" in first_violation().violations[0]


def test_a_forgotten_deduplication_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge_forgetfully(cdr: Cdr, facts: CdrFacts) -> Take | Repeat | Refuse:
        return judge(cdr, replace(facts, stored=None))

    monkeypatch.setattr(cdr_store, "judge", judge_forgetfully)
    assert any("waits" in one or "Queued" in one for one in first_violation().violations)


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    def replay(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.faults", "--schedules", "1", "--first-seed", "7", "--show"]
        environment = {"PYTHONHASHSEED": hash_seed}
        shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - fixed words
        return shown.stdout

    assert replay("1") == replay("2") != ""
