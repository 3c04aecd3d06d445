import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cascade.database import Database
from cpo_central.commands.cli import app
from cpo_central.rest.api_keys import ApiKeyStore, Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "covered"),
    [
        (Role.READ, [Role.READ]),
        (Role.OPERATE, [Role.READ, Role.OPERATE]),
        (Role.ADMIN, [Role.READ, Role.OPERATE, Role.ADMIN]),
    ],
)
def test_a_role_covers_those_below_it(role: Role, covered: list[Role]) -> None:
    assert [needed for needed in Role if role.covers(needed)] == covered


async def test_a_key_is_found_by_what_it_consists_of_which_is_not_kept(database: Database) -> None:
    store = ApiKeyStore(database)
    key = await store.add("billing", Role.READ, NOW)
    assert key is not None
    assert len(key) == 43  # 256 bits in Base64
    assert store.find(key) == ("billing", "read", "2026-01-01T00:00:00Z")
    assert store.find(key[:-1]) is store.find("") is None
    assert await store.add("billing", Role.ADMIN, NOW) is None
    assert store.find(key) in store.all()
    kept = database.reader.execute("SELECT * FROM api_key").fetchall()
    assert key not in str(kept)
    assert await store.remove("billing")
    assert store.find(key) is None
    assert not await store.remove("billing")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["api-keys", *arguments])


def test_the_command_line_makes_shows_and_removes_keys(tmp_path: Path) -> None:
    database = ("--database", str(tmp_path / "c.sqlite"))
    made = run("add", "billing", "--role", "operate", *database)
    assert (made.exit_code, len(made.stdout.strip())) == (0, 43)
    as_json = run("add", "app", "--role", "read", "--json", *database)
    assert json.loads(as_json.stdout)["role"] == "read"
    listed = run("list", "--json", *database)
    assert [(key["name"], key["role"]) for key in json.loads(listed.stdout)] == [
        ("app", "read"),
        ("billing", "operate"),
    ]
    assert made.stdout.strip() not in listed.stdout
    assert run("remove", "billing", *database).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "a b", "--role", "read"), 2, "letters, digits"),
        (("add", "a", "--role", "chief"), 2, "read, operate, admin"),
        (("add", "a", "--role", "read"), 1, "api-keys remove"),
        (("remove", "b"), 1, "api-keys list"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    database = ("--database", str(tmp_path / "c.sqlite"))
    run("add", "a", "--role", "read", *database)
    result = run(*arguments, *database)
    assert (result.exit_code, said in result.stderr) == (code, True)


def test_there_must_be_a_database_to_list(tmp_path: Path) -> None:
    assert "there is no database" in run("list", "--database", str(tmp_path / "none.sqlite")).stderr
