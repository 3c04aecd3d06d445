"""The tool turned on central systems: ours, one of another stack, and ones that are wrong on purpose."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cascade.errors import LinkLostError, SetupError
from cascade.roaming.tokens import Token, TokenStatus
from chargepoint_model.conformance import probe
from chargepoint_model.conformance.charge_point import Target
from chargepoint_model.conformance.model import Finding, Part, Verdict
from chargepoint_model.conformance.probe import PARTS
from cpo_central.app import Central
from cpo_central.drivers.tokens import TokenStore
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings
from tests.chargepoint_model.conformance import mobilityhouse_central, servers

KNOWN = mobilityhouse_central.KNOWN

Serving = AbstractAsyncContextManager[str]


@asynccontextmanager
async def our_central(folder: Path) -> AsyncIterator[str]:
    """Our central system with one driver."""
    file = folder / "central.sqlite"
    async with AsyncExitStack() as stack:
        database = open_database(file)
        stack.push_async_callback(database.close)
        blocked = Token(id_tag="BLOCKED", status=TokenStatus.BLOCKED)
        await TokenStore(database).put([Token(id_tag=KNOWN, status=TokenStatus.ACCEPTED), blocked])
        central = Central(CentralSettings(operator_id="C1", database=file, port=0))
        await central.start()
        stack.push_async_callback(central.stop)
        yield f"ws://127.0.0.1:{central.port}/ocpp"


async def examined(
    serving: Serving, parts: Iterable[Part] = PARTS, timeout_s: float = 5.0
) -> tuple[list[Finding], str]:
    async with serving as url:
        return await probe.examine(Target(f"{url}/{{id}}", "CP 1", KNOWN, timeout_s=timeout_s), list(parts))


def run(serving: Serving, parts: Iterable[Part] = PARTS, timeout_s: float = 5.0) -> list[Finding]:
    findings, ended = asyncio.run(examined(serving, parts, timeout_s))
    assert ended == ""
    return findings


def of(findings: Iterable[Finding], part: Part) -> list[Finding]:
    return [one for one in findings if one.part is part]


def failed(findings: Iterable[Finding]) -> list[str]:
    return [f"{one.subject}, {one.name}" for one in findings if one.semantic is Verdict.FAIL]


def passed(findings: Iterable[Finding], verdict: Callable[[Finding], Verdict | None]) -> int:
    return sum(verdict(one) is Verdict.PASS for one in findings)


def wants_a_refusal(finding: Finding) -> bool:
    return "CALLERROR" in finding.expected


# --- ours ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return run(our_central(tmp_path_factory.mktemp("central")))


def test_our_central_passes_everything_by_the_standard(ours: list[Finding]) -> None:
    assert [one for one in ours if one.semantic is not Verdict.PASS] == []
    assert len(of(ours, Part.PAPER)) == 38
    assert len(ours) > 700


def test_our_central_uses_the_standards_error_codes(ours: list[Finding]) -> None:
    assert [one for one in ours if one.code is Verdict.FAIL] == []
    assert passed(ours, lambda one: one.code) > 400


def test_our_central_passes_35_of_38_by_the_letter(ours: list[Finding]) -> None:
    literally_wrong = [(one.subject, one.name) for one in ours if one.literal is Verdict.FAIL]
    assert literally_wrong == [
        ("Authorize", "unrecognized field value"),
        ("StartTransaction", "unrecognized field value"),
        ("StopTransaction", "unrecognized field value"),
    ]


def test_no_case_is_run_twice(ours: list[Finding]) -> None:
    names = Counter((one.part, one.subject, one.name) for one in ours)
    assert [name for name, count in names.items() if count > 1] == []


async def test_a_charge_point_that_is_not_accepted_is_told_so(tmp_path: Path) -> None:
    settings = CentralSettings(
        operator_id="C1", database=tmp_path / "central.sqlite", port=0, new_charge_points="pending"
    )
    central = Central(settings)
    await central.start()
    try:
        target = Target(f"ws://127.0.0.1:{central.port}/ocpp", "CP-1", KNOWN)
        with pytest.raises(SetupError, match="CP-1 is Pending at the central system"):
            await probe.examine(target, PARTS)
    finally:
        await central.stop()


async def test_an_id_tag_that_is_not_accepted_is_told_so(tmp_path: Path) -> None:
    async with our_central(tmp_path) as url:
        with pytest.raises(SetupError, match="the idTag BLOCKED is Blocked at the central system"):
            await probe.examine(Target(url, "CP-1", "BLOCKED"), PARTS)


async def test_a_central_that_is_not_there_is_told_so() -> None:
    with pytest.raises(LinkLostError, match=r"ws://127\.0\.0\.1:9/CP-1 cannot be reached"):
        await probe.examine(Target("ws://127.0.0.1:9", "CP-1", KNOWN), PARTS)


# --- the other stack -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mobilityhouse() -> list[Finding]:
    return run(mobilityhouse_central.running(), timeout_s=2)


def test_the_other_stacks_paper_cases(mobilityhouse: list[Finding]) -> None:
    paper = of(mobilityhouse, Part.PAPER)
    # it has a code of OCPP 2.0.1 for fields that it does not know
    assert failed(paper) == ["Heartbeat, wrong fields"]
    assert passed(paper, lambda one: one.literal) == 35


def test_the_other_stacks_frames(mobilityhouse: list[Finding]) -> None:
    assert {one.name: one.why for one in of(mobilityhouse, Part.FRAMES) if one.semantic is Verdict.FAIL} == {
        # its ids may be anything
        "id is a number": "a CALLRESULT under another message id in answer to what is no proper CALL",
        "id is null": "a CALLRESULT under another message id in answer to what is no proper CALL",
        "id of 37 characters": "a CALLRESULT under another message id in answer to what is no proper CALL",
        # it reads what it gets as JSON, bytes or text
        "binary frame": "a CALLRESULT in answer to what is no proper CALL",
        # what it cannot unpack it only logs
        "no payload": "silence where only a CALLERROR is right",
        "five elements": "silence where only a CALLERROR is right",
        "payload nested deeply": "FormatViolation is no error code of OCPP-J 1.6",
        "payload is null": "a CALLERROR (TypeConstraintViolation) where a CALLRESULT is due",
        # it does not keep who has booted
        "before booting: Heartbeat": "a CALLRESULT where only a CALLERROR is right",
        "before booting: Authorize": "a CALLRESULT where only a CALLERROR is right",
        "before booting: StatusNotification": "a CALLRESULT where only a CALLERROR is right",
    }
    # it has NotImplemented and NotSupported the other way round
    assert {one.name: one.why for one in of(mobilityhouse, Part.FRAMES) if one.code is Verdict.FAIL} == {
        "action is a number": "its code should be FormationViolation",
        "payload is an array": "its code should be FormationViolation",
        "payload is a string": "its code should be FormationViolation",
        "unknown action": "its code should be NotImplemented",
        "action in lower case": "its code should be NotImplemented",
        "action of the other direction": "its code should be NotSupported",
    }


def test_the_other_stacks_payloads(mobilityhouse: list[Finding]) -> None:
    generated = of(mobilityhouse, Part.GENERATED)
    wrong = {f"{one.subject}, {one.name}": one for one in generated if one.semantic is Verdict.FAIL}
    made_up = {name for name, one in wrong.items() if "FormatViolation is no error code" in one.why}
    taken = {name for name, one in wrong.items() if one.why.startswith("a CALLRESULT")}
    assert made_up | taken == wrong.keys()
    # one code of its own for every fault that is no missing field, wrong type or length
    assert made_up == {
        f"{one.subject}, {one.name}"
        for one in generated
        if one.name.endswith((" added", " empty", '= "Unlisted"'))
    }
    # and it does not look at dates
    assert taken == {
        f"{one.subject}, {one.name}"
        for one in generated
        if one.name.endswith(('"yesterday"', '"2026-01-31T23:59:59"', '"2026-02-30T00:00:00Z"'))
    }
    other_codes = {one.name.partition(" ")[2] for one in generated if one.code is Verdict.FAIL}
    assert other_codes == {"one character too long"}


def test_what_the_other_stack_does_not_have_is_skipped(mobilityhouse: list[Finding]) -> None:
    profiles = of(mobilityhouse, Part.PROFILES)
    assert {one.semantic for one in profiles} == {Verdict.SKIP}
    assert {one.why for one in profiles} == {
        "the profile Firmware Management is not supported",
        "the profile Security is not supported",
    }


# --- wrong on purpose ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lax() -> list[Finding]:
    return run(servers.serving(servers.lax))


def test_a_lax_central_fails_wherever_it_should_refuse(lax: list[Finding]) -> None:
    unknown_tags = [one for one in lax if one.name == "unrecognized field value"]
    assert len(unknown_tags) == 3
    should_fail = [one for one in lax if wants_a_refusal(one)] + unknown_tags
    assert sorted(failed(lax)) == sorted(f"{one.subject}, {one.name}" for one in should_fail)


def test_a_lax_central_has_the_papers_positive_cases(lax: list[Finding]) -> None:
    paper = of(lax, Part.PAPER)
    assert (passed(paper, lambda one: one.semantic), passed(paper, lambda one: one.literal)) == (14, 14)


def test_a_silent_central_passes_nothing_but_the_letter() -> None:
    found = run(servers.serving(servers.silent), [Part.PAPER, Part.FRAMES], timeout_s=0.1)
    assert {one.semantic for one in found} == {Verdict.FAIL}
    assert passed(found, lambda one: one.literal) == 24  # every negative case: the paper lets silence pass


def test_a_central_that_talks_garbage_passes_nothing() -> None:
    found = run(servers.serving(servers.garbage), [Part.PAPER, Part.FRAMES], timeout_s=0.1)
    assert {one.semantic for one in found} == {Verdict.FAIL}
    assert passed(found, lambda one: one.literal) == 0


async def test_answers_that_come_late_and_out_of_order_count(lax: list[Finding]) -> None:
    found, _ = await examined(servers.serving(servers.Tardy(0.05)), [Part.PAPER])
    assert failed(found) == failed(of(lax, Part.PAPER))


async def test_a_connection_that_is_cut_is_opened_again() -> None:
    found, ended = await examined(servers.serving(servers.touchy), [Part.FRAMES])
    assert ended == ""
    cut = {one.name: one.semantic for one in found if "could be opened again" in one.why}
    assert set(cut) >= {"not JSON", "an empty array"}
    assert set(cut.values()) == {Verdict.PASS}


async def test_a_connection_that_cannot_be_opened_again_ends_the_run() -> None:
    async with servers.serving(servers.Once()) as url:
        found, ended = await probe.examine(Target(url, "CP-1", KNOWN), [Part.FRAMES])
    assert "HTTP 403" in ended
    assert [(one.name, one.semantic) for one in found] == [("not JSON", Verdict.FAIL)]
    assert "there is no coming back" in found[0].why


async def test_a_central_that_knows_no_strangers_is_let_off() -> None:
    async with servers.serving(servers.Picky("CP-1")) as url:
        found, _ = await probe.examine(Target(url, "CP-1", KNOWN), [Part.FRAMES])
    skipped = [one.name for one in found if one.semantic is Verdict.SKIP]
    assert skipped == [
        f"before booting: {action}" for action in ("Heartbeat", "Authorize", "StatusNotification")
    ]
