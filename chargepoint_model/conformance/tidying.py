"""Puts a charge point right again after a case that it has taken; what comes of it is no finding."""

import contextlib
from collections.abc import Awaitable

from cascade.frames import Payload
from chargepoint_model.conformance.bench import CONNECTOR, Bench, Deviation, Unsupported
from chargepoint_model.conformance.certificates import hash_data


async def tidy(bench: Bench, subject: str, request: Payload, result: Payload) -> None:
    """Undo what a message has done.

    Args:
        bench: the charge point; it was marked before the message.
        subject: the action.
        request: what was asked.
        result: how it was answered.

    Raises:
        LinkLostError: the charge point is gone.
    """
    accepted = result.get("status") == "Accepted"
    match subject:
        case "RemoteStartTransaction" if accepted:
            await _quietly(bench.sees("StartTransaction"))
            await _stop_all(bench)
        case "ChangeAvailability":
            await _quietly(bench.ask(subject, {"connectorId": CONNECTOR, "type": "Operative"}))
        case "Reset" if accepted:
            await _quietly(bench.returns())
        case "ReserveNow" if accepted:
            mine = {"reservationId": request["reservationId"]}
            await _quietly(bench.ask("CancelReservation", mine))
        case "SetChargingProfile" if accepted:
            await _quietly(bench.ask("ClearChargingProfile", {}))
        case "SendLocalList" if accepted:
            await _quietly(bench.ask(subject, {"listVersion": 1, "updateType": "Full"}))
        case "UpdateFirmware":
            await _quietly(bench.sees_the_end("FirmwareStatusNotification"))
        case "SignedUpdateFirmware" if accepted:
            await _quietly(bench.sees_the_end("SignedFirmwareStatusNotification"))
        case "InstallCertificate" if accepted:
            mine = {"certificateHashData": hash_data(request["certificate"])}
            await _quietly(bench.ask("DeleteCertificate", mine))


async def tidy_all(bench: Bench) -> None:
    """Undo whatever a test of behaviour may have left when it broke off.

    Raises:
        LinkLostError: the charge point is gone.
    """
    await _quietly(bench.ask("CancelReservation", {"reservationId": 77}))
    await _quietly(bench.ask("ClearChargingProfile", {}))
    await _quietly(bench.ask("ChangeAvailability", {"connectorId": CONNECTOR, "type": "Operative"}))
    await _stop_all(bench)


async def _stop_all(bench: Bench) -> None:
    for transaction_id in list(bench.central.open_transactions):
        await _quietly(bench.stop(transaction_id))
        bench.central.open_transactions.pop(transaction_id, None)


async def _quietly(work: Awaitable[object]) -> None:
    with contextlib.suppress(Deviation, Unsupported):
        await work
