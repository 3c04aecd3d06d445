import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner, Result

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Cdr
from cascade.roaming.tokens import Token
from nap import cli
from nap.records import CdrOutcome, CdrState, Mode
from nap.store.schema import APPLICATION_ID, MIGRATIONS
from nap.store.sqlite import SqliteStore
from tests.nap.actors import NOW, Partner, cdr
from tests.nap.store.acts import claim, enter, publish, take

T = TypeVar("T")


@pytest.fixture
def database(tmp_path: Path, blank: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "hub.sqlite"
    path.write_bytes(blank)
    monkeypatch.setenv("NAP_DATABASE", str(path))
    return path


def nap(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def done(*arguments: str) -> str:
    result = nap(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def read(*arguments: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(done(*arguments, "--json"))


def failed(*arguments: str, code: int = 1) -> str:
    """What an error says; never a traceback."""
    result = nap(*arguments)
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    return result.stderr


def at_store(database: Path, work: Callable[[SqliteStore], Awaitable[T]]) -> T:
    async def main() -> T:
        store = await SqliteStore.open(database, NOW)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


@pytest.fixture
def rejected(database: Path) -> Cdr:
    """Of C2's two CDRs for C1, the first, which C1 has rejected."""
    message = cdr()

    async def fill(store: SqliteStore) -> None:
        await enter(store, "C1", "C2")
        await publish(store, "C1", Token(id_tag="AB1"), Token(id_tag="AB2"))
        await claim(store, "C1", "AB")
        await take(store, message)
        await take(store, cdr())
        await store.cdrs.settle([CdrOutcome(message.cdr_id, CdrState.REJECTED, "NoSuchSession: why")], NOW)

    at_store(database, fill)
    return message


# --- operators ----------------------------------------------------------------------------------------------


def credential_of(database: Path, operator_id: str) -> str:
    async def look(store: SqliteStore) -> str | None:
        return store.operators.secret_hash(operator_id)

    return at_store(database, look) or ""


def test_an_operator_is_entered_and_its_credential_shown_once(database: Path) -> None:
    text = done("operator", "add", "C1", "--name", "One")
    secret = next(line.split("=")[1] for line in text.splitlines() if "CPO_HUB_CREDENTIAL=" in line)
    assert "CPO_OPERATOR_ID=C1" in text
    assert "CPO_HUB_URL=" in text
    assert PasswordHasher().verify(credential_of(database, "C1"), secret)
    for command in (("list",), ("show", "C1")):
        assert secret not in done("operator", *command)


def test_an_operator_entered_for_programs(database: Path) -> None:
    given = read("operator", "add", "C1", "--consents", "hub, peer,hub", "--wants", "redirect,hub")
    assert PasswordHasher().verify(credential_of(database, "C1"), given["credential"])
    shown = read("operator", "show", "C1")
    assert (shown["operatorId"], shown["name"], shown["enabled"]) == ("C1", "C1", True)
    assert (shown["consents"], shown["wants"]) == (["hub", "peer"], ["redirect", "hub"])


def test_an_operator_may_consent_to_nothing(database: Path) -> None:
    assert database
    done("operator", "add", "C1", "--consents", "", "--wants", "")
    shown = read("operator", "show", "C1")
    assert (shown["consents"], shown["wants"]) == ([], [])


def test_an_operator_that_is_there_is_not_entered_again(database: Path) -> None:
    done("operator", "add", "C1")
    before = credential_of(database, "C1")
    assert "operator C1 exists: see `nap operator show C1`" in failed("operator", "add", "C1")
    assert credential_of(database, "C1") == before


def test_several_operators_are_entered_with_one_agreement(database: Path) -> None:
    given = read("operator", "add", "C1", "C2", "C3", "--consents", "hub", "--wants", "peer,hub")
    assert [row["operatorId"] for row in given] == ["C1", "C2", "C3"]
    for row in given:
        assert PasswordHasher().verify(credential_of(database, row["operatorId"]), row["credential"])
    assert len({row["credential"] for row in given}) == 3
    rows = read("operator", "list")
    assert [(row["name"], row["consents"], row["wants"]) for row in rows] == [
        (name, ["hub"], ["peer", "hub"]) for name in ("C1", "C2", "C3")
    ]


def test_several_credentials_are_shown_to_people(database: Path) -> None:
    lines = done("operator", "add", "C1", "C2").splitlines()
    cells = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines]
    shown = {row[0]: row[1] for row in cells if len(row) > 1}
    for operator_id in ("C1", "C2"):
        assert PasswordHasher().verify(credential_of(database, operator_id), shown[operator_id])


def test_of_several_operators_all_are_entered_or_none(database: Path) -> None:
    assert database
    done("operator", "add", "C2")
    error = failed("operator", "add", "C1", "C2", "C3")
    assert error.startswith("operator C2 exists: see `nap operator show C2`; none of the others was entered")
    assert [row["operatorId"] for row in read("operator", "list")] == ["C2"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("add", "no spaces"), "1 to 36 characters"),
        (("add", "C1", "no spaces", "C2"), "'no spaces' is no operatorId"),
        (("add", "C1", "C2", "C1"), "an operatorId is named twice"),
        (("add", "C1", "C2", "--name", "Both"), "--name is for one operator"),
        (("add", "x" * 37), "1 to 36 characters"),
        (("add", "C1", "--consents", "hub,telepathy"), "modes are whitelist, hub, peer, redirect"),
        (("add", "C1", "--wants", "all"), "modes are whitelist, hub, peer, redirect"),
        (("agree", "C1", "--wants", "all"), "modes are whitelist, hub, peer, redirect"),
        (("agree", "C1", "--consents", "all"), "modes are whitelist, hub, peer, redirect"),
    ],
)
def test_what_is_mistyped_is_explained(database: Path, arguments: tuple[str, ...], hint: str) -> None:
    assert database
    assert hint in failed("operator", *arguments, code=2)


@pytest.mark.parametrize("command", ["show", "disable", "enable", "agree", "credential"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_operator_that_is_not_there_is_said_with_a_hint(
    database: Path, command: str, form: tuple[str, ...]
) -> None:
    assert database
    assert failed("operator", command, "C9", *form) == "no operator C9: see `nap operator list`\n"


def test_operators_are_listed(rejected: Cdr) -> None:
    assert rejected
    rows = read("operator", "list")
    assert [(row["operatorId"], row["tokens"], row["idTagPrefixes"]) for row in rows] == [
        ("C1", 2, ["AB"]),
        ("C2", 0, []),
    ]
    text = done("operator", "list")
    assert "C1 Ltd" in text
    assert "hub, peer, redirect, whitelist" in text


def test_an_operator_is_shown(rejected: Cdr) -> None:
    assert rejected
    shown = read("operator", "show", "C1")
    assert (shown["linked"], shown["linkChangedAt"], shown["endpoint"], shown["createdAt"]) == (
        False,
        None,
        "wss://x.example/roam",
        "2026-05-04T12:00:00Z",
    )
    lines = [line.split(maxsplit=1) for line in done("operator", "show", "C1").splitlines()]
    assert ["endpoint", "wss://x.example/roam"] in lines
    assert ["linkChangedAt", "-"] in lines
    assert ["wants", "whitelist, hub, peer, redirect"] in lines


def test_an_operator_is_disabled_and_enabled(database: Path) -> None:
    done("operator", "add", "C1")
    assert read("operator", "disable", "C1")["enabled"] is False
    assert credential_of(database, "C1") == ""
    assert read("operator", "enable", "C1")["enabled"] is True
    assert ["enabled", "False"] in [line.split() for line in done("operator", "disable", "C1").splitlines()]
    assert ["enabled", "True"] in [line.split() for line in done("operator", "enable", "C1").splitlines()]


def test_an_agreement_changes_where_it_is_told_to(database: Path) -> None:
    assert database
    done("operator", "add", "C1")
    changed = read("operator", "agree", "C1", "--consents", "hub")
    assert (changed["consents"], changed["wants"]) == (["hub"], [mode.value for mode in Mode])
    text = done("operator", "agree", "C1", "--wants", "peer,whitelist")
    assert ["wants", "peer, whitelist"] in [line.split(maxsplit=1) for line in text.splitlines()]
    assert read("operator", "agree", "C1")["consents"] == ["hub"]


def test_a_credential_is_renewed(database: Path) -> None:
    done("operator", "add", "C1")
    before = credential_of(database, "C1")
    secret = done("operator", "credential", "C1").strip()
    after = credential_of(database, "C1")
    assert after != before
    assert PasswordHasher().verify(after, secret)
    again = read("operator", "credential", "C1")
    assert again["operatorId"] == "C1"
    assert PasswordHasher().verify(credential_of(database, "C1"), again["credential"])


# --- tokens, CDRs, the database -----------------------------------------------------------------------------


def test_tokens_are_counted(rejected: Cdr) -> None:
    assert rejected
    state = read("tokens")
    assert (state["epoch"], state["tokens"], state["operators"]) == (
        int(NOW.timestamp()),
        2,
        {"C1": 2, "C2": 0},
    )
    assert f"epoch {state['epoch']}, version {state['version']}, 2 tokens" in done("tokens")


def test_cdrs_are_listed_with_what_became_of_them(rejected: Cdr) -> None:
    rows = read("cdrs", "list")
    assert [row["state"] for row in rows] == ["Queued", "Rejected"]
    assert rows[1]["cdrId"] == str(rejected.cdr_id)
    assert rows[1]["reason"] == "NoSuchSession: why"
    assert rows[1]["settledAt"] == "2026-05-04T12:00:00Z"
    assert rows[1]["cdr"] == json.loads(rejected.wire())
    text = done("cdrs", "list")
    assert str(rejected.cdr_id) in text
    assert "NoSuchSession: why" in text


def test_refused_cdrs_are_listed_with_the_reason(database: Path) -> None:
    message = cdr()

    async def refuse(store: SqliteStore) -> None:
        await enter(store, "C2")
        with pytest.raises(RoamingRefused):
            await take(store, message)

    at_store(database, refuse)
    (row,) = read("cdrs", "refused", "--operator", "C2")
    assert (row["cdrId"], row["visited"], row["reason"].split(":")[0]) == (
        str(message.cdr_id),
        "C2",
        "UnknownToken",
    )
    assert str(message.cdr_id)[:8] in done("cdrs", "refused")
    assert read("cdrs", "refused", "--operator", "C1") == []


@pytest.mark.usefixtures("rejected")
def test_what_waits_is_counted_for_each_operator() -> None:
    assert read("cdrs", "queue") == [
        {"operatorId": "C1", "waiting": 1, "oldestAt": "2026-05-04T12:00:00Z", "linked": False}
    ]
    assert "C1" in done("cdrs", "queue")


def test_what_an_operator_has_lost_is_queued_again(database: Path, rejected: Cdr) -> None:
    async def accept(store: SqliteStore) -> None:
        await store.cdrs.settle([CdrOutcome(rejected.cdr_id, CdrState.ACCEPTED)], NOW)

    at_store(database, accept)
    assert read("cdrs", "redeliver", "C1", "--since", "2026-05-05")["count"] == 0
    assert "1 CDRs are queued for C1 again" in done(
        "cdrs", "redeliver", "C1", "--since", "2026-05-04T12:00:00Z"
    )
    assert [row["state"] for row in read("cdrs", "list")] == ["Queued", "Queued"]
    assert "since" in failed("cdrs", "redeliver", "C1", "--since", "yesterday", code=2)


def test_cdrs_are_chosen(rejected: Cdr) -> None:
    assert [row["cdrId"] for row in read("cdrs", "list", "--state", "Rejected")] == [str(rejected.cdr_id)]
    assert len(read("cdrs", "list", "--operator", "C1")) == 2
    assert len(read("cdrs", "list", "--limit", "1")) == 1
    assert read("cdrs", "list", "--operator", "C9") == []
    assert done("cdrs", "list", "--operator", "C9") == "none\n"
    assert "Queued" in failed("cdrs", "list", "--state", "Lost", code=2)
    assert "--limit" in failed("cdrs", "list", "--limit", "0", code=2)


def test_a_rejected_cdr_is_offered_again_once(rejected: Cdr) -> None:
    assert f"{rejected.cdr_id} is queued again" in done("cdrs", "requeue", str(rejected.cdr_id))
    hint = failed("cdrs", "requeue", str(rejected.cdr_id))
    assert hint == f"no rejected CDR {rejected.cdr_id}: see `nap cdrs list --state Rejected`\n"
    assert [row["state"] for row in read("cdrs", "list")] == ["Queued", "Queued"]
    assert "UUID" in failed("cdrs", "requeue", "x", code=2)
    failed("cdrs", "requeue", str(uuid.uuid4()), "--json")


def test_a_rejected_cdr_is_offered_again_for_programs(rejected: Cdr) -> None:
    answer = read("cdrs", "requeue", str(rejected.cdr_id))
    assert answer == {"cdrId": str(rejected.cdr_id), "state": "Queued"}


def test_a_database_is_created_by_migrating(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    now = len(MIGRATIONS)
    created = read("db", "migrate", "--database", str(path))
    assert created == {"database": str(path), "found": 0, "now": now}
    text = done("db", "migrate", "--database", str(path))
    assert text == f"{path}: schema version {now}, found {now}\n"


def test_a_new_epoch_is_begun(database: Path) -> None:
    assert database
    first = read("db", "new-epoch")["epoch"]
    assert first > int(NOW.timestamp())
    text = done("db", "new-epoch")
    assert int(text.removeprefix("epoch ")) > first


@pytest.mark.parametrize(
    "arguments",
    [("operator", "list"), ("operator", "add", "C1"), ("tokens",), ("cdrs", "list"), ("db", "migrate")],
)
def test_a_database_that_cannot_be_used_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    newer, other, nowhere = tmp_path / "newer.sqlite", tmp_path / "other.sqlite", tmp_path / "none" / "x.sqlite"
    text = tmp_path / "text.sqlite"
    text.write_text("this is no database, but it is long enough to look like one" * 20)
    connection = sqlite3.connect(newer)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.execute("CREATE TABLE future (a)")
    connection.close()
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    for path, hint in (
        (newer, "upgrade the program"),
        (other, "not a database of this program"),
        (nowhere, "check that its folder exists"),
        (text, "cannot be opened"),
        (tmp_path, "cannot be opened"),
    ):
        error = failed(*arguments, "--database", str(path))
        assert hint in error
        assert str(path) in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("NAP_PORT", "http"), ("NAP_WINDOW", "0"), ("NAP_LOG_LEVEL", "chatty")]
)
@pytest.mark.parametrize("command", ["serve", "tokens"])
def test_a_setting_that_does_not_hold_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, command: str
) -> None:
    monkeypatch.setenv(name, value)
    assert f"{name}: " in failed(command, code=2)


def test_an_option_that_does_not_hold_is_named() -> None:
    assert "NAP_PORT: " in failed("serve", "--port", "99999", code=2)


@pytest.mark.parametrize("arguments", [(), ("operator",), ("cdrs",), ("db",)])
def test_without_a_command_the_help_is_shown(arguments: tuple[str, ...]) -> None:
    assert "Usage:" in nap(*arguments).output


# --- a real process -----------------------------------------------------------------------------------------


class Process:
    """A `nap serve`, and what it logs."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - what runs is the program under test
            [sys.executable, "-m", "nap", "serve", *arguments], stderr=subprocess.PIPE, text=True
        )

    def line(self, event: str) -> dict[str, Any]:
        """The next line of this event."""
        assert self._process.stderr is not None
        for text in self._process.stderr:
            assert text.startswith("{"), text + self._process.stderr.read()
            entry: dict[str, Any] = json.loads(text)
            assert entry["service"] == "nap"
            if entry["event"] == event:
                return entry
        raise AssertionError(event)

    def send(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def ended(self) -> tuple[int, str]:
        """The exit code, and what stood on standard error meanwhile."""
        _, text = self._process.communicate(timeout=30)
        return self._process.returncode, text

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def serve() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_a_hub_serves_traces_and_stops(database: Path, serve: Callable[..., Process]) -> None:
    secret = read("operator", "add", "C1")["credential"]
    hub = serve("--port", "0", "--log-level", "info")
    url = hub.line("listening")["url"]

    async def link_up() -> None:
        partner = Partner("C1")
        await partner.dial(url, secret=secret)
        await partner.settle()
        await asyncio.to_thread(hub.send, signal.SIGUSR1)
        assert (await asyncio.to_thread(hub.line, "trace"))["on"] is True
        await partner.settle()
        frame = await asyncio.to_thread(hub.line, "frame")
        assert (frame["sender"], frame["receiver"], frame["about"]) == ("C1", "hub", "Heartbeat")
        assert (await asyncio.to_thread(lambda: read("operator", "show", "C1")))["linked"] is True
        hub.send(signal.SIGTERM)
        await partner.gone
        assert partner.connection.close_code == 1001

    asyncio.run(link_up())
    code, text = hub.ended()
    assert code == 0
    assert '"event":"stopped"' in text.splitlines()[-1]
    assert database.exists()
    assert read("operator", "show", "C1")["linked"] is False


def test_a_hub_whose_address_is_taken_says_so(database: Path, serve: Callable[..., Process]) -> None:
    assert database
    first = serve("--port", "0")
    port = first.line("listening")["url"].split(":")[2].partition("/")[0]
    code, text = serve("--port", port).ended()
    assert code == 1
    assert any(line.startswith("the address cannot be had: ") for line in text.splitlines())
    assert "Traceback" not in text
    first.send(signal.SIGINT)
    assert first.ended()[0] == 0
