"""The other half of the tool turned on charge points: the model, and ones that are wrong on purpose."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from cascade.errors import LinkLostError, SetupError
from chargepoint_model.conformance import serve
from chargepoint_model.conformance.central import Room
from chargepoint_model.conformance.core_behaviour import CORE
from chargepoint_model.conformance.model import Finding, Part, Verdict
from chargepoint_model.conformance.profile_behaviour import PROFILES
from chargepoint_model.conformance.serve import PARTS
from tests.chargepoint_model.conformance import servers
from tests.chargepoint_model.conformance.charge_points import BOOT, ChargePoint, a_raw_one, the_model


async def examined(
    charge_point: ChargePoint,
    parts: Collection[Part] = PARTS,
    timeout_s: float = 5.0,
    return_s: float = 5.0,
) -> tuple[str, list[Finding], str]:
    """Play a central system for a charge point until it has been examined."""
    living: list[asyncio.Task[None]] = []

    def begin(port: int) -> None:
        living.append(asyncio.create_task(charge_point(f"ws://127.0.0.1:{port}/ocpp")))

    room = Room(host="127.0.0.1", port=0, id_tag="TAG-1", timeout_s=timeout_s, first_s=5, return_s=return_s)
    try:
        return await serve.examine(room, parts, begin)
    finally:
        living[0].cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):  # it may dial once more, in vain
            await living[0]


def failed(findings: Iterable[Finding]) -> set[str]:
    return {f"{one.subject}, {one.name}" for one in findings if one.semantic is Verdict.FAIL}


# --- the model -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> list[Finding]:
    identity, findings, ended = asyncio.run(examined(the_model))
    assert (identity, ended) == ("CP-1", "")
    return findings


def test_the_model_passes_everything(model: list[Finding]) -> None:
    assert [one for one in model if one.semantic is not Verdict.PASS or one.code is Verdict.FAIL] == []
    assert {one.part for one in model} == set(PARTS)
    assert len(model) > 1000


def test_every_behaviour_was_looked_at(model: list[Finding]) -> None:
    behaviour = [(one.subject, one.name) for one in model if one.part is Part.BEHAVIOUR]
    assert behaviour == [(one.subject, one.name) for one in (*CORE, *PROFILES)]


def test_its_own_messages_were_looked_at(model: list[Finding]) -> None:
    own = {one.subject for one in model if one.part is Part.OWN}
    assert own >= {
        "BootNotification",
        "StatusNotification",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    }


# --- wrong on purpose ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lax() -> list[Finding]:
    parts = (Part.FRAMES, Part.GENERATED, Part.PROFILES)
    _, findings, ended = asyncio.run(examined(a_raw_one(result=servers.reluctant), parts, return_s=0.02))
    assert ended == ""
    return findings


def test_a_lax_charge_point_fails_wherever_it_should_refuse(lax: list[Finding]) -> None:
    assert failed(lax) == {f"{one.subject}, {one.name}" for one in lax if "CALLERROR" in one.expected}


@pytest.mark.parametrize("result", [servers.plausible, lambda _: {"odd": 1}], ids=["plausible", "odd"])
async def test_a_charge_point_without_effects_fails_where_something_should_happen(
    result: servers.Result,
) -> None:
    _, findings, _ = await examined(a_raw_one(result=result), [Part.BEHAVIOUR], timeout_s=0.02, return_s=0.02)
    passed = {f"{one.subject}, {one.name}" for one in findings if one.semantic is Verdict.PASS}
    assert passed == set()


async def test_a_silent_charge_point_passes_nothing() -> None:
    _, findings, ended = await examined(
        a_raw_one(result=None), [Part.BEHAVIOUR, Part.GENERATED], timeout_s=0.02
    )
    assert ended == ""
    assert {one.semantic for one in findings} == {Verdict.FAIL}


async def test_a_charge_point_without_profiles_is_let_off_but_for_the_core() -> None:
    _, findings, _ = await examined(a_raw_one(result=lambda _: None), [Part.BEHAVIOUR])
    assert [one.semantic for one in findings] == [Verdict.FAIL] * len(CORE) + [Verdict.SKIP] * len(PROFILES)
    assert findings[0].why == "GetConfiguration is not supported"
    assert findings[-1].why == "the profile Firmware Management is not supported"


async def test_another_charge_point_than_the_one_asked_for_is_sent_away() -> None:
    codes: list[int] = []

    async def another(url: str) -> None:
        async with connect(f"{url}/CP-2", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
            await connection.wait_closed()
            codes.append(connection.close_code or 0)

    room = Room(host="127.0.0.1", port=0, id_tag="TAG-1", identity="CP-1", first_s=1)
    living: list[asyncio.Task[None]] = []
    with pytest.raises(LinkLostError, match="CP-1 did not connect within"):
        await serve.examine(
            room, PARTS, lambda port: living.append(asyncio.create_task(another(f"ws://127.0.0.1:{port}")))
        )
    await living[0]
    assert codes == [1008]


async def test_what_is_wrong_with_its_own_messages_is_listed() -> None:
    wrong = '[2,"s$N","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"Available"}]'
    again = '[2,"b","Heartbeat",{}]'
    unheard = '[2,"u","Unheard",{}]'
    _, findings, _ = await examined(a_raw_one(wrong, again, unheard), [Part.FRAMES, Part.OWN])
    own = [one for one in findings if one.part is Part.OWN]
    assert {one.subject: (one.semantic, one.why.partition(":")[0]) for one in own} == {
        "BootNotification": (Verdict.PASS, ""),
        "StatusNotification": (Verdict.FAIL, "StatusNotification.connectorId"),
        "Heartbeat": (Verdict.FAIL, "the message id was used before on this connection"),
        "Unheard": (Verdict.FAIL, "Unheard is not an action of OCPP 1.6"),
    }


async def test_a_charge_point_that_does_not_come_is_told_so() -> None:
    room = Room(host="127.0.0.1", port=0, id_tag="TAG-1", identity="CP-9", first_s=0.01)
    with pytest.raises(LinkLostError, match="CP-9 did not connect within"):
        await serve.examine(room, PARTS, lambda _: None)


async def test_a_charge_point_that_does_not_come_back_ends_the_run() -> None:
    async def live(url: str) -> None:
        async with connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
            await connection.send(BOOT)
            await connection.recv()

    room = Room(host="127.0.0.1", port=0, id_tag="TAG-1", first_s=5, return_s=0.05, timeout_s=0.05)
    living: list[asyncio.Task[None]] = []
    _, _, ended = await serve.examine(
        room, PARTS, lambda port: living.append(asyncio.create_task(live(f"ws://127.0.0.1:{port}")))
    )
    assert ended == "CP-1 did not come back within 0.05 s"
    await living[0]


async def test_an_address_that_is_taken_is_told_so() -> None:
    async with servers.serving(servers.silent) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(SetupError, match=f"127.0.0.1:{port} cannot be listened on"):
            await serve.examine(Room("127.0.0.1", port, "TAG-1"), PARTS, lambda _: None)
