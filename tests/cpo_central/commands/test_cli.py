import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus, DeliveryStatus, ReceiptStatus
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import CdrState, Outbox, Settled
from cpo_central.commands.cli import app
from cpo_central.schema import open_database
from tests.cpo_central.cdrs.test_delivery import park, put, records


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "central.sqlite"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def listed(*arguments: object) -> list[dict[str, object]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    document: list[dict[str, object]] = json.loads(result.stdout)
    return document


def test_tokens_are_added_changed_blocked_and_listed(file: Path) -> None:
    given = ("--expiry-date", "2030-01-01T00:00:00+01:00", "--parent-id-tag", "GROUP")
    assert run("tokens", "add", "OWN00002", "--database", file, *given).exit_code == 0
    assert run("tokens", "add", "OWN00001", "--database", file).exit_code == 0
    assert run("tokens", "block", "own00001", "--database", file).exit_code == 0
    assert listed("tokens", "list", "--database", file) == [
        {
            "idTag": "OWN00001",
            "status": "Blocked",
            "expiryDate": None,
            "parentIdTag": None,
            "rejectedByHub": None,
        },
        {
            "idTag": "OWN00002",
            "status": "Accepted",
            "expiryDate": "2029-12-31T23:00:00Z",
            "parentIdTag": "GROUP",
            "rejectedByHub": None,
        },
    ]
    table = run("tokens", "list", "--database", file)
    assert "OWN00002" in table.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("x" * 21,),
        ("OWN00001", "--status", "Fine"),
        ("OWN00001", "--expiry-date", "2030-01-01"),
        ("OWN00001", "--parent-id-tag", "ä"),
    ],
)
def test_a_wrong_token_is_refused_with_its_field(file: Path, wrong: tuple[str, ...]) -> None:
    result = run("tokens", "add", *wrong, "--database", file)
    assert result.exit_code == 2
    assert any(name in result.stderr for name in ("idTag", "status", "expiryDate", "parentIdTag"))
    assert not file.exists()


def test_an_import_leaves_out_wrong_lines_and_names_them(tmp_path: Path, file: Path) -> None:
    source = tmp_path / "tokens.csv"
    source.write_text(
        "\ufeffidTag,status,expiryDate,parentIdTag\n"
        "OWN00001,,,\n"
        ",Accepted,,\n"
        "OWN00002,Blocked,2030-01-01T00:00:00Z,GROUP\n"
        "OWN00003,Fine,,\n"
        "OWN00004,,,,surplus\n"
        "OWN00005\n",
        encoding="utf-8",
    )
    result = run("tokens", "import", source, "--database", file, "--json")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["line 3", "line 5", "line 6"]
    document = json.loads(result.stdout)
    assert document["imported"] == 3
    assert [fault["line"] for fault in document["faults"]] == [3, 5, 6]
    tokens = listed("tokens", "list", "--database", file)
    assert [token["idTag"] for token in tokens] == ["OWN00001", "OWN00002", "OWN00005"]


def test_a_good_import(tmp_path: Path, file: Path) -> None:
    source = tmp_path / "tokens.csv"
    source.write_text("idTag\n" + "\n".join(f"OWN{number:05}" for number in range(1500)))
    result = run("tokens", "import", source, "--database", file)
    assert (result.exit_code, result.stdout) == (0, "1500 tokens imported, 0 lines left out\n")
    assert len(listed("tokens", "list", "--database", file)) == 1500


@pytest.mark.parametrize("content", [b"", b"tag,status\nA,B\n", b"idTag,colour\nA,B\n", b"idTag\n\xff\n"])
def test_a_file_that_is_no_list_of_tokens(tmp_path: Path, file: Path, content: bytes) -> None:
    source = tmp_path / "tokens.csv"
    source.write_bytes(content)
    result = run("tokens", "import", source, "--database", file)
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert run("tokens", "import", tmp_path / "missing.csv", "--database", file).exit_code == 2


def test_what_is_not_there(file: Path) -> None:
    for command in (("tokens", "list"), ("tokens", "block", "A"), ("transactions",), ("cdrs", "list")):
        result = run(*command, "--database", file)
        assert result.exit_code == 1
        assert "there is no database" in result.stderr
    run("tokens", "add", "OWN00001", "--database", file)
    assert "is not one of our tokens" in run("tokens", "block", "A", "--database", file).stderr
    assert "there is no CDR" in run("cdrs", "resend", "A", "--database", file).stderr
    assert listed("transactions", "--database", file) == []
    assert listed("cdrs", "list", "--received", "--database", file) == []


def test_another_programs_database_is_left_alone(file: Path) -> None:
    with sqlite3.connect(file) as foreign:
        foreign.execute("CREATE TABLE theirs (a)")
    foreign.close()
    result = run("tokens", "add", "OWN00001", "--database", file)
    assert result.exit_code == 1
    assert "is not a database of this program" in result.stderr


async def fill(file: Path, kept: Sequence[Cdr], *, parked: bool) -> None:
    database = open_database(file)
    await put(database, *kept)
    if parked:
        await park(database, *kept)
    await database.close()


def test_cdrs_are_shown(file: Path) -> None:
    (record,) = records(1)
    asyncio.run(fill(file, [record], parked=False))
    (sent,) = listed("cdrs", "list", "--database", file)
    assert sent["cdrId"] == str(record.cdr_id)
    assert sent["cdr"] == json.loads(record.wire())
    assert str(record.cdr_id)[:4] in run("cdrs", "list", "--database", file).stdout
    refused = run("cdrs", "resend", record.cdr_id, "--database", file)
    assert refused.exit_code == 1
    assert "is not parked, it is Queued" in refused.stderr


def test_a_parked_cdr_is_put_back(file: Path) -> None:
    kept = records(2)
    asyncio.run(fill(file, kept, parked=True))
    assert {sent["status"] for sent in listed("cdrs", "list", "--database", file)} == {"Parked"}
    assert run("cdrs", "resend", kept[0].cdr_id, "--database", file).exit_code == 0
    as_json = run("cdrs", "resend", kept[1].cdr_id, "--database", file, "--json")
    assert json.loads(as_json.stdout) == {"cdrId": str(kept[1].cdr_id), "status": "Queued"}
    assert {sent["status"] for sent in listed("cdrs", "list", "--database", file)} == {"Queued"}


def test_what_a_receiver_has_lost_goes_again(file: Path) -> None:
    kept = records(3)

    async def acknowledge() -> None:
        database = open_database(file)
        await put(database, *kept)
        first, second, _ = kept
        taken = CdrReceipt(
            cdr_id=first.cdr_id,
            digest=first.digest(),
            received_at=datetime.now(UTC),
            status=ReceiptStatus.RECEIVED,
        )
        store = Outbox(database)
        await store.settle(
            [
                Settled(first.cdr_id, CdrState.RECEIVED, taken, None),
                Settled(second.cdr_id, CdrState.PARKED, None, "why"),
            ]
        )
        await database.close()

    asyncio.run(acknowledge())
    since = ("cdrs", "redeliver", "--database", file, "--since")
    assert "since: 'yesterday' is neither" in run(*since, "yesterday").stderr
    assert json.loads(run(*since, "2999-01-01", "--json").stdout) == {"count": 0}
    assert run(*since, "2020-01-01").stdout == "1 CDRs are in the outbox again\n"
    with closing(sqlite3.connect(file)) as written:
        rows = written.execute("SELECT cdr_id, parked FROM outbox ORDER BY position").fetchall()
    first, second, third = (str(record.cdr_id) for record in kept)
    assert rows == [(second, 1), (third, 0), (first, 0)]


def test_a_rejected_cdr_is_the_hub_s_to_offer_again(file: Path) -> None:
    (record,) = records(1)

    async def reject() -> None:
        database = open_database(file)
        await put(database, record)
        said = CdrStatus(cdr_id=record.cdr_id, status=DeliveryStatus.REJECTED, reason="x")
        await Outbox(database).note([said])
        await database.close()

    asyncio.run(reject())
    assert "nap cdrs requeue" in run("cdrs", "resend", record.cdr_id, "--database", file).stderr
    assert len(listed("cdrs", "list", "--status", "Rejected", "--database", file)) == 1
    assert listed("cdrs", "list", "--status", "Parked", "--database", file) == []


def test_what_we_did_not_take_is_shown_with_the_reason(file: Path) -> None:
    (record,) = records(1)

    async def refuse() -> None:
        database = open_database(file)
        await Intake(database).take([record], "C2", datetime.now(UTC))
        await database.close()

    asyncio.run(refuse())
    (refused,) = listed("cdrs", "list", "--refused", "--database", file)
    assert (refused["cdrId"], refused["operator"]) == (str(record.cdr_id), "C2")
    assert str(refused["reason"]).startswith("UnknownToken: ")
    assert "UnknownToken" in run("cdrs", "list", "--refused", "--database", file).stdout
    assert run("cdrs", "list", "--refused", "--received", "--database", file).exit_code == 2


def test_a_cdr_is_cancelled_and_replaced(file: Path) -> None:
    (record,) = records(1)
    asyncio.run(fill(file, [record], parked=False))
    right = ("--replace-meter-stop", 2000, "--replace-session-end", "2026-01-01T12:00:00+01:00")
    credit, replacement = listed("cdrs", "credit", record.cdr_id, *right, "--database", file)
    assert credit["cdr"] == {
        **json.loads(record.wire()),
        "cdrId": credit["cdrId"],
        "creditReferenceId": str(record.cdr_id),
    }
    assert replacement["cdr"] == {
        **json.loads(record.wire()),
        "cdrId": replacement["cdrId"],
        "meterStop": 2000,
        "sessionEnd": "2026-01-01T11:00:00Z",
    }
    sent = listed("cdrs", "list", "--database", file)
    assert {one["cdrId"] for one in sent} == {str(record.cdr_id), credit["cdrId"], replacement["cdrId"]}
    again = run("cdrs", "credit", record.cdr_id, "--database", file)
    assert again.exit_code == 1
    assert "has been cancelled by" in again.stderr


@pytest.mark.parametrize("wrong", [("no-uuid",), (UUID(int=1), "--replace-session-end", "tomorrow")])
def test_a_correction_that_cannot_be_read(file: Path, wrong: tuple[object, ...]) -> None:
    run("tokens", "add", "OWN00001", "--database", file)
    result = run("cdrs", "credit", *wrong, "--database", file)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


def test_charge_points_are_registered_accepted_rejected_and_listed(file: Path) -> None:
    assert run("charge-points", "add", "CP 1/ä", "--database", file).exit_code == 0
    pending = run("charge-points", "add", "CP-2", "--registration", "Pending", "--database", file, "--json")
    assert json.loads(pending.stdout)["registration"] == "Pending"
    assert run("charge-points", "accept", "CP-2", "--database", file).exit_code == 0
    rejected = run("charge-points", "reject", "CP 1/ä", "--database", file, "--json")
    assert json.loads(rejected.stdout)[0]["registration"] == "Rejected"
    found = listed("charge-points", "list", "--database", file)
    assert [(one["chargePointId"], one["registration"]) for one in found] == [
        ("CP 1/ä", "Rejected"),
        ("CP-2", "Accepted"),
    ]
    assert found[0]["bootedAt"] is None
    assert "CP-2" in run("charge-points", "list", "--database", file).stdout


def test_charge_points_get_passwords(file: Path) -> None:
    def add(*more: str, said: str | None = None) -> Result:
        arguments = ["charge-points", "add", "CP-1", "--database", str(file), *more]
        return CliRunner().invoke(app, arguments, input=said)

    made = add("--password-generated", "--json")
    password = json.loads(made.stdout)["password"]
    assert len(password) == 20
    assert "shown this once" in add("--password-generated").stdout
    assert "password" not in add("--password-stdin", said="sixteen-and-more\n").stdout
    for wrong, said in (
        (("--password-stdin",), "too short\n"),
        (("--password-stdin",), ""),
        (("--password-stdin", "--password-generated"), None),
        (("--registration", "Fine"), None),
    ):
        result = add(*wrong, said=said)
        assert result.exit_code == 2
        assert result.stderr
    assert run("charge-points", "add", "x" * 256, "--database", file).exit_code == 2
    unknown = run("charge-points", "accept", "CP-9", "--database", file)
    assert unknown.exit_code == 1
    assert "charge-points add" in unknown.stderr
