import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from cascade.roaming.cdrs import Cdr
from cascade.roaming.ledgers import Ledger
from cpo_central.cdrs.intake import Intake
from cpo_central.commands.cli import app
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.tokens import TokenStore
from cpo_central.schema import open_database
from tests.cpo_central.cdrs.test_decisions import END, cdr

OPTIONS = ("--currency", "EUR", "--valid-from", "2026-01-01", "--tax-percent", "11")
SETTLEMENT = ("direction", "operatorId", "sessions", "credits", "energyWh", "currency", "net", "tax", "total")
DAY = ("--from", "2026-01-01", "--to", "2026-01-02")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "central.sqlite"
    monkeypatch.setenv("CPO_DATABASE", str(path))
    monkeypatch.setenv("CPO_OPERATOR_ID", "C1")
    return path


@pytest.fixture
def taken(file: Path) -> list[Cdr]:
    """A session at C2, its credit and replacement, and one at C3."""
    made = [cdr(), cdr().credited_by(uuid4()), cdr(cdr_id=uuid4(), meter_stop=3500)]
    made.append(cdr(cdr_id=uuid4(), operator_id="C3"))

    async def fill() -> None:
        database = open_database(file)
        await TokenStore(database).put([read_token({"idTag": "HOME0001"})])
        await Intake(database).take(made, None, END)
        await database.close()

    asyncio.run(fill())
    return made


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def read(*arguments: object) -> Any:  # noqa: ANN401 - any JSON
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(*arguments: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run(*arguments, "--csv").stdout)))


@pytest.mark.usefixtures("file")
def test_tariffs_are_added_listed_and_ended() -> None:
    added = read("tariffs", "add", "home-2026", "--base-rate", "0.40", "--session-fee", "0.35", *OPTIONS)
    assert added == {
        "tariff": {
            "tariffId": "home-2026",
            "currency": "EUR",
            "validFrom": "2026-01-01T00:00:00Z",
            "baseRate": "0.40",
            "sessionFee": "0.35",
            "timeFee": "0",
            "tax": {"percent": "11"},
        },
        "priced": 0,
    }
    (ended,) = read("tariffs", "end", "home-2026", "--at", "2026-07-01")
    assert ended["validTo"] == "2026-07-01T00:00:00Z"
    assert read("tariffs", "list") == [ended]
    fixed = ("--currency", "IDR", "--valid-from", "2026-07-01", "--tax-amount", "500", "--operator", "C2")
    text = run("tariffs", "add", "c2", "--base-rate", "2466.78", "--time-fee", "1000", *fixed)
    assert text.stdout == "tariff c2 is added; 0 CDRs that waited are priced\n"
    table = run("tariffs", "list").stdout
    assert "11 %" in table
    assert "2466.78" in table


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (("--base-rate", "dear", *OPTIONS), "baseRate"),
        (("--base-rate", "0.4", *OPTIONS, "--tax-amount", "1"), "either a percentage or an amount"),
        (("--base-rate", "0.4", *OPTIONS, "--valid-to", "soon"), "validTo: 'soon' is neither"),
        (("--base-rate", "0.4", *OPTIONS, "--currency", "XXX"), "no currency of ISO 4217"),
    ],
)
def test_what_is_no_tariff_is_refused_with_its_field(file: Path, wrong: tuple[str, ...], text: str) -> None:
    result = run("tariffs", "add", "t", *wrong)
    assert result.exit_code == 2
    assert text in result.stderr
    assert not file.exists()


@pytest.mark.usefixtures("file")
def test_what_does_not_fit_what_is_there() -> None:
    assert "there is no database" in run("tariffs", "list").stderr
    assert run("tariffs", "add", "t", "--base-rate", "0.4", *OPTIONS).exit_code == 0
    for arguments, code in (
        (("tariffs", "add", "t", "--base-rate", "0.5", *OPTIONS), 1),
        (("tariffs", "end", "other", "--at", "2026-07-01"), 1),
        (("tariffs", "end", "t", "--at", "some day"), 2),
        (("invoices", "--from", "some day"), 2),
        (("settlement", "--json", "--csv"), 2),
        (("ledger", "--operator-id", "C 1"), 2),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.startswith("cpo-central: ")


def test_what_waits_is_priced_and_totalled(taken: list[Cdr]) -> None:
    waiting = read("invoices", *DAY)
    assert len(waiting["unpriced"]) == 4
    assert waiting["byOperator"][0] == {
        "operatorId": "C2",
        "sessions": 1,
        "credits": 1,
        "energyWh": 2500,
        "currency": None,
        "net": None,
        "tax": None,
        "total": None,
    }
    assert read("tariffs", "add", "t", "--base-rate", "0.40", "--operator", "C2", *OPTIONS)["priced"] == 3
    document = read("invoices", *DAY)
    lines = {line["cdrId"]: line for line in document["lines"]}
    assert [lines[str(record.cdr_id)]["total"] for record in taken[:3]] == ["3.33", "-3.33", "1.11"]
    assert lines[str(taken[0].cdr_id)] == {
        "cdrId": str(taken[0].cdr_id),
        "creditReferenceId": None,
        "operatorId": "C2",
        "idTag": "HOME0001",
        "sessionStart": "2026-01-01T10:00:00Z",
        "sessionEnd": "2026-01-01T11:00:00Z",
        "energyWh": 7500,
        "tariffId": "t",
        "currency": "EUR",
        "energy": "3.00",
        "session": "0.00",
        "time": "0.00",
        "tax": "0.33",
        "total": "3.33",
        "tariff": read("tariffs", "list")[0],
    }
    assert [one["cdrId"] for one in document["unpriced"]] == [str(taken[3].cdr_id)]
    assert [(one["idTag"], one["currency"], one["total"]) for one in document["byDriver"]] == [
        ("HOME0001", None, None),
        ("HOME0001", "EUR", "1.11"),
    ]
    assert len(read("invoices", "--operator", "C3")["unpriced"]) == 1
    assert read("invoices", "--driver", "home0002")["lines"] == []
    assert "1.11" in run("invoices", *DAY).stdout


@pytest.mark.usefixtures("taken")
def test_csv_has_a_header_and_nothing_for_what_is_not_priced() -> None:
    run("tariffs", "add", "t", "--base-rate", "0.40", "--operator", "C2", *OPTIONS)
    lines = rows("invoices", *DAY)
    assert sorted(line["total"] for line in lines) == ["", "-3.33", "1.11", "3.33"]
    assert rows("invoices", "--operator", "C9") == []
    assert rows("settlement", *DAY) == [
        dict(zip(SETTLEMENT, values, strict=True))
        for values in (
            ("owedByUs", "C2", "1", "1", "2500", "EUR", "1.00", "0.11", "1.11"),
            ("owedByUs", "C3", "1", "0", "7500", "", "", "", ""),
        )
    ]


def test_settlement_and_the_ledger_tell_the_same(taken: list[Cdr]) -> None:
    run("tariffs", "add", "t", "--base-rate", "0.40", *OPTIONS)
    settled = read("settlement", *DAY)
    assert [(one["operatorId"], one["energyWh"], one["total"]) for one in settled["owedByUs"]] == [
        ("C2", 2500, "1.11"),
        ("C3", 7500, "3.33"),
    ]
    assert settled["owedToUs"] == []
    assert "owedByUs" in run("settlement").stdout
    ledger = Ledger.model_validate_json(run("ledger", *DAY).stdout)
    assert ledger.operator_id == "C1"
    assert {entry.cdr_id for entry in ledger.entries} == {record.cdr_id for record in taken}
    assert sum(entry.energy_wh for entry in ledger.entries) == 10_000
    assert Ledger.model_validate_json(run("ledger", "--from", "2026-01-02").stdout).entries == ()
