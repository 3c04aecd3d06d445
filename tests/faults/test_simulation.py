"""The simulation keeps its invariants, finds planted bugs, and replays a schedule from its seed."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import structlog

from cascade.roaming.cdrs import Cdr
from cascade.roaming.tokens import Token, WhitelistChanged, WhitelistPage
from cpo_central.cdrs import intake
from cpo_central.cdrs.decisions import CdrFacts, Refuse, Repeat, Take, judge
from cpo_central.cdrs.delivery import Delivery
from cpo_central.cdrs.outbox import Destination, Outbox
from cpo_central.drivers.authorizer import Upstream
from cpo_central.roaming.hub_client import HubClient
from nap import distribution
from nap.store.sqlite_tokens import SqliteTokens
from tests.faults.simulation.disk import SimulatedDatabase
from tests.faults.simulation.world import run

SCHEDULES = 100
TO_FIND = 400
"""Schedules within which each planted bug is found."""
FAULTS = 10
"""Kinds of them."""


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
    assert len(happened) == FAULTS
    assert sum(outcome.sessions for outcome in outcomes) > SCHEDULES
    assert sum(outcome.corrections for outcome in outcomes) > SCHEDULES / 4
    assert sum(outcome.batches for outcome in outcomes) > SCHEDULES / 4


def first_violation() -> str:
    return next(found.violations[0] for seed in range(TO_FIND) if (found := run(seed)).violations)


def test_an_acknowledgement_before_the_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedDatabase, "acknowledges_early", True)
    assert first_violation()


def test_an_outbox_row_that_goes_before_the_acknowledgement_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = Delivery._deliver

    async def deliver_hastily(self: Delivery, destination: Destination, cdrs: Sequence[Cdr]) -> None:
        statement = "DELETE FROM outbox WHERE cdr_id = ?"
        rows = [(str(cdr.cdr_id),) for cdr in cdrs]
        await self._store._database.write(lambda db: db.executemany(statement, rows).rowcount)
        await deliver(self, destination, cdrs)

    monkeypatch.setattr(Delivery, "_deliver", deliver_hastily)
    assert "has it not" in first_violation()


def test_a_forgotten_deduplication_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge_forgetfully(cdr: Cdr, facts: CdrFacts) -> Take | Repeat | Refuse:
        return judge(cdr, replace(facts, stored=None))

    monkeypatch.setattr(intake, "judge", judge_forgetfully)
    found = first_violation()
    assert "waits" in found or "Queued" in found


def test_a_whitelist_change_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lossy(*, changes: tuple[Token, ...], **fields: int) -> WhitelistChanged:
        return WhitelistChanged(changes=changes[1:], **fields)

    monkeypatch.setattr(distribution, "WhitelistChanged", lossy)
    assert "the replica of" in first_violation()


def test_a_stale_epoch_that_is_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    page_of = SqliteTokens.whitelist_page

    def page_of_any(self: SqliteTokens, visited: str, *, epoch: int, version: int, limit: int) -> WhitelistPage:
        return page_of(self, visited, epoch=self.version()[0] if epoch else 0, version=version, limit=limit)

    monkeypatch.setattr(SqliteTokens, "whitelist_page", page_of_any)
    assert "the replica of" in first_violation()


def test_an_answer_that_is_kept_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    authorize = HubClient.authorize

    async def remember(self: HubClient, id_tag: str) -> Upstream:
        answers: dict[str, Upstream] = self.__dict__.setdefault("answers", {})
        if id_tag not in answers:
            answers[id_tag] = await authorize(self, id_tag)
        return answers[id_tag]

    monkeypatch.setattr(HubClient, "authorize", remember)
    assert re.search(r" is \w+, and was \w+ at ", first_violation())


def test_a_credit_that_overtakes_what_it_cancels_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Outbox.waiting

    def waiting_backwards(self: Outbox, destination: Destination, limit: int) -> list[Cdr]:
        return waiting(self, destination, limit)[::-1]

    monkeypatch.setattr(Outbox, "waiting", waiting_backwards)
    assert first_violation()


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    def replay(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.faults", "--schedules", "1", "--first-seed", "7", "--show"]
        environment = {"PYTHONHASHSEED": hash_seed}
        shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - fixed words
        return shown.stdout

    assert replay("1") == replay("2") != ""
