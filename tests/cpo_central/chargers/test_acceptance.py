import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from cascade.errors import PeerError
from cascade.frames import Call, Payload
from cpo_central.chargers.acceptance import Registration, Standing
from cpo_central.chargers.errors import NotAcceptedError
from cpo_central.commands.charge_points import change
from tests.conftest import LogLines
from tests.cpo_central.actors import BOOT, Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


async def refused(cp: Charger, action: str, payload: Payload) -> None:
    with pytest.raises(PeerError) as caught:
        await cp.link.call(action, payload)
    assert caught.value.code == "SecurityError"


# --- the rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registration", "booted", "may_speak", "allowed"),
    [
        (Registration.ACCEPTED, True, True, {"Reset", "RemoteStartTransaction", "RemoteStopTransaction"}),
        (Registration.ACCEPTED, False, False, {"Reset"}),
        (Registration.PENDING, True, False, {"Reset"}),
        (Registration.PENDING, False, False, {"Reset"}),
        (Registration.REJECTED, True, False, set()),
    ],
)
def test_what_is_answered_and_asked(
    *, registration: Registration, booted: bool, may_speak: bool, allowed: set[str]
) -> None:
    standing = Standing(registration, booted)
    assert standing.may_speak is may_speak
    asked = {"Reset", "RemoteStartTransaction", "RemoteStopTransaction"}
    assert {action for action in asked if standing.refusal(action) is None} == allowed


def test_what_was_triggered_is_answered_until_the_standing_changes() -> None:
    standing = Standing(Registration.PENDING, booted=True)
    standing.invite("TriggerMessage", "StatusNotification")
    standing.invite("TriggerMessage", "FirmwareStatusNotification")
    standing.invite("ExtendedTriggerMessage", "SignChargePointCertificate")
    assert standing.invited == {
        *("BootNotification", "StatusNotification", "FirmwareStatusNotification", "SignCertificate"),
    }  # fmt: skip
    standing.change(Registration.REJECTED, booted=True)
    assert standing.invited == {"BootNotification"}


# --- on a link ----------------------------------------------------------------------------------------------


async def test_before_it_has_booted_a_charger_may_only_boot(start: Start, charger: Connect) -> None:
    cp = await charger(await start(), boots=False)
    await refused(cp, "Heartbeat", {})
    await refused(cp, "Authorize", {"idTag": "OWN00001"})
    await refused(cp, "FirmwareStatusNotification", {"status": "Idle"})
    with pytest.raises(PeerError) as caught:
        await cp.link.call("Authorize", {})
    assert caught.value.code == "ProtocolError", "what is wrong in itself is told first"
    assert (await cp.link.call("BootNotification", BOOT))["status"] == "Accepted"
    assert await cp.link.call("StatusNotification", STATUS) == {}


async def test_acceptance_outlives_the_link_and_the_central_system(start: Start, charger: Connect) -> None:
    first = await start()
    await charger(first)
    back = await charger(first, boots=False)
    assert await back.link.call("StatusNotification", STATUS) == {}
    await first.stop()
    again = await charger(await start(), boots=False)
    assert await again.link.call("StatusNotification", STATUS) == {}
    await refused(await charger(await start("C9"), boots=False), "StatusNotification", STATUS)


async def test_a_charger_that_does_not_wait_for_the_answer_to_its_boot(start: Start, charger: Connect) -> None:
    cp = await charger(await start(), boots=False)
    booted, noted = await asyncio.gather(
        cp.link.call("BootNotification", BOOT), cp.link.call("StatusNotification", STATUS)
    )
    assert (booted["status"], noted) == ("Accepted", {})


async def test_a_pending_charger_is_configured_and_says_what_it_is_asked(
    start: Start, charger: Connect
) -> None:
    central = await start(new_charge_points="pending", boot_retry_interval_s=7)
    asked: list[Call] = []

    async def note(call: Call) -> Payload:
        asked.append(call)
        return {"status": "Accepted"}

    cp = await charger(
        central, boots=False, answers={"TriggerMessage": note, "ChangeConfiguration": note, "Reset": note}
    )
    booted = await cp.link.call("BootNotification", BOOT)
    assert (booted["status"], booted["interval"]) == ("Pending", 7)
    await refused(cp, "StatusNotification", STATUS)
    with pytest.raises(NotAcceptedError, match="acceptance") as caught:
        await central.chargers.call("CP-1", "RemoteStartTransaction", {"idTag": "A"})
    assert caught.value.charge_point_id == "CP-1"
    with pytest.raises(NotAcceptedError):
        await central.chargers.call("CP-1", "RemoteStopTransaction", {"transactionId": 1})
    await central.chargers.call("CP-1", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "9"})
    await central.chargers.call("CP-1", "TriggerMessage", {"requestedMessage": "StatusNotification"})
    assert [call.action for call in asked] == ["ChangeConfiguration", "TriggerMessage"]
    assert await cp.link.call("StatusNotification", STATUS) == {}
    await refused(cp, "Heartbeat", {})


async def test_staff_decides_and_it_holds_at_once(start: Start, charger: Connect) -> None:
    central = await start(new_charge_points="pending", heartbeat_interval_s=77)
    cp = await charger(central)
    await central.charge_points.register("CP-1", Registration.ACCEPTED)
    assert await cp.link.call("StatusNotification", STATUS) == {}
    booted = await cp.link.call("BootNotification", BOOT)
    assert (booted["status"], booted["interval"]) == ("Accepted", 77)
    await central.charge_points.set_registration("CP-1", Registration.REJECTED)
    await refused(cp, "StatusNotification", STATUS)
    assert (await cp.link.call("BootNotification", BOOT))["status"] == "Rejected"
    with pytest.raises(NotAcceptedError, match="accept it first"):
        await central.chargers.call("CP-1", "GetConfiguration", {})


async def test_a_charger_that_was_registered_before_it_came(start: Start, charger: Connect) -> None:
    central = await start(new_charge_points="reject")
    await central.charge_points.register("CP-1", Registration.ACCEPTED)
    known, stranger = await charger(central), await charger(central, "CP-2")
    assert await known.link.call("StatusNotification", STATUS) == {}
    await refused(stranger, "StatusNotification", STATUS)


async def test_the_command_line_changes_the_standing_of_a_linked_charger(
    start: Start, charger: Connect, logs: LogLines
) -> None:
    central = await start()
    cp = await charger(central)
    assert await change(central._settings.database, "CP-1", Registration.REJECTED) is not None
    async with asyncio.timeout(5):
        while central.charge_points.standing("CP-1").may_speak:
            with contextlib.suppress(PeerError):  # it was heard before, and is refused from some moment on
                await cp.link.call("Heartbeat", {})
    await refused(cp, "StatusNotification", STATUS)
    assert [line["registration"] for line in logs.named("charger_booted")] == ["Accepted"]
