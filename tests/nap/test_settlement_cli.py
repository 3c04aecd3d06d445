import asyncio
import csv
import io
import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import Entry, Ledger, Period
from cascade.roaming.tokens import Token
from nap import cli
from nap.records import CdrOutcome, CdrState
from nap.store.sqlite import SqliteStore
from tests.nap.actors import NOW, cdr
from tests.nap.store.acts import enter, publish, take

DAY = ("--from", "2026-05-04", "--to", "2026-05-05")


@pytest.fixture
def taken(tmp_path: Path, blank: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Cdr]:
    """A CDR of C2 for C1, its credit, and its replacement, which wait, are accepted, and are accepted."""
    path = tmp_path / "hub.sqlite"
    path.write_bytes(blank)
    monkeypatch.setenv("NAP_DATABASE", str(path))
    first = cdr()
    made = [cdr(), first, first.credited_by(uuid.uuid4()), cdr(meter_stop=14_500)]

    async def fill() -> None:
        store = await SqliteStore.open(path, NOW)
        await enter(store, "C1", "C2")
        await publish(store, "C1", Token.model_validate({"id_tag": "AB1"}))
        for message in made:
            await take(store, message)
        for message in made[1:]:
            await store.cdrs.settle([CdrOutcome(message.cdr_id, CdrState.ACCEPTED)], NOW)
        await store.close()

    asyncio.run(fill())
    return made


def nap(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def export(file: Path, cdrs: list[Cdr], state: str = "Accepted") -> Path:
    period = Period.read(DAY[1], DAY[3])
    entries = tuple(
        Entry.model_validate(
            {
                "cdr_id": one.cdr_id,
                "digest": one.digest(),
                "visited": "C2",
                "home": "C1",
                "energy_wh": one.energy_wh,
                "credit_reference_id": one.credit_reference_id,
                "direction": "received",
                "route": "hub",
                "state": state,
            }
        )
        for one in cdrs
    )
    ledger = Ledger(operator_id="C1", period_start=period.start, period_end=period.end, entries=entries)
    file.write_text(ledger.wire())
    return file


@pytest.mark.usefixtures("taken")
def test_what_home_has_taken_of_a_period() -> None:
    balance = {
        "visited": "C2",
        "home": "C1",
        "sessions": 1,
        "credits": 1,
        "energyWh": 13_500,
        "queued": 1,
        "rejected": 0,
    }
    assert json.loads(nap("settlement", *DAY, "--json").stdout) == [balance]
    (line,) = csv.DictReader(io.StringIO(nap("settlement", *DAY, "--csv").stdout))
    assert line == {name: str(value) for name, value in balance.items()}
    assert "13500" in nap("settlement").stdout
    assert json.loads(nap("settlement", "--from", "2026-05-05", "--json").stdout) == []


@pytest.mark.parametrize(
    "wrong", [("--from", "May"), ("--from", "2026-05-05", "--to", "2026-05-05"), ("--json", "--csv")]
)
@pytest.mark.usefixtures("taken")
def test_what_is_no_period(wrong: tuple[str, ...]) -> None:
    result = nap("settlement", *wrong)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


def test_ledgers_that_agree(taken: list[Cdr], tmp_path: Path) -> None:
    result = nap("reconcile", export(tmp_path / "C1.json", taken[1:]))
    assert (result.exit_code, result.stdout) == (0, "all agree; CDRs: 4 at the hub, 3 at C1; 1 not settled\n")


def test_ledgers_that_do_not(taken: list[Cdr], tmp_path: Path) -> None:
    file = export(tmp_path / "C1.json", taken[2:])
    result = nap("reconcile", file, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["differences"] == [
        {
            "cdrId": str(taken[1].cdr_id),
            "kind": "missing",
            "between": ["the hub", "C1"],
            "detail": "not at C1; the hub: Accepted",
        }
    ]
    assert (document["cdrs"], document["unsettled"]) == ({"the hub": 4, "C1": 2}, 1)
    table = nap("reconcile", file)
    assert table.exit_code == 1
    assert str(taken[1].cdr_id) in table.stdout
    assert "1 differences" in table.stdout


@pytest.mark.usefixtures("taken")
def test_what_is_no_ledger(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert "no ledger" in nap("reconcile", wrong).stderr
    assert "cannot be read" in nap("reconcile", tmp_path / "missing.json").stderr
    one = export(tmp_path / "C1.json", [])
    twice = nap("reconcile", one, one)
    assert twice.exit_code == 2
    assert "same operator" in twice.stderr
