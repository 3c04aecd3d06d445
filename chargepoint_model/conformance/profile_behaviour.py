"""What a charge point must do: the optional profiles (OCPP 1.6, section 5) and the security extension."""

from datetime import UTC, datetime, timedelta

from cascade.frames import Payload
from cascade.roaming.model import utc_text
from chargepoint_model.conformance.bench import CONNECTOR, Behaviour, Bench, Deviation
from chargepoint_model.conformance.certificates import certificate
from chargepoint_model.conformance.core_behaviour import NO_SUCH_CONNECTOR

NOWHERE = "ftp://127.0.0.1:9/nothing"
"""A location where nothing is: what matters is what the charge point says about it."""

HOLDER = "HOLDS-RESERVATION"
RESERVATION_ID = 77
PROFILE_ID = 77
LIMIT_W = 4300


def _at(seconds: int) -> str:
    return utc_text(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds))


# --- Local Auth List Management -----------------------------------------------------------------------------


async def _list_versions(bench: Bench) -> None:
    entry = {"idTag": bench.id_tag, "idTagInfo": {"status": "Accepted"}}
    full = {"listVersion": 7, "updateType": "Full", "localAuthorizationList": [entry]}
    await bench.asks("SendLocalList", full, "Accepted")
    await _has_version(bench, 7)
    change = {"listVersion": 8, "updateType": "Differential", "localAuthorizationList": [{"idTag": HOLDER}]}
    await bench.asks("SendLocalList", change, "Accepted")
    await _has_version(bench, 8)
    await bench.asks("SendLocalList", change, "VersionMismatch", "Failed")
    await _has_version(bench, 8)
    await bench.asks("SendLocalList", {"listVersion": 9, "updateType": "Full"}, "Accepted")


async def _has_version(bench: Bench, version: int) -> None:
    result = await bench.ask("GetLocalListVersion", {})
    if result["listVersion"] != version:
        raise Deviation(f"list version {version}", f"{result}")


# --- Reservation --------------------------------------------------------------------------------------------


async def _reservation(bench: Bench) -> None:
    reservation = {
        "connectorId": CONNECTOR,
        "idTag": HOLDER,
        "reservationId": RESERVATION_ID,
        "expiryDate": _at(3600),
    }
    await bench.asks("ReserveNow", reservation, "Accepted")
    await bench.sees("StatusNotification", connectorId=CONNECTOR, status="Reserved")
    await bench.asks("RemoteStartTransaction", {"idTag": bench.id_tag, "connectorId": CONNECTOR}, "Rejected")
    await bench.asks("CancelReservation", {"reservationId": RESERVATION_ID}, "Accepted")
    await bench.is_free()


async def _reserved_start(bench: Bench) -> None:
    reservation = {
        "connectorId": CONNECTOR,
        "idTag": bench.id_tag,
        "reservationId": RESERVATION_ID,
        "expiryDate": _at(3600),
    }
    await bench.asks("ReserveNow", reservation, "Accepted")
    transaction_id = await bench.start()
    started = bench.central.open_transactions[transaction_id]
    await bench.stop(transaction_id)
    if started.get("reservationId") != RESERVATION_ID:
        raise Deviation(f"a StartTransaction with reservationId {RESERVATION_ID}", f"{started}")


async def _occupied(bench: Bench) -> None:
    transaction_id = await bench.start()
    reservation = {
        "connectorId": CONNECTOR,
        "idTag": HOLDER,
        "reservationId": RESERVATION_ID,
        "expiryDate": _at(3600),
    }
    await bench.asks("ReserveNow", reservation, "Occupied")
    await bench.stop(transaction_id)


async def _no_reservation(bench: Bench) -> None:
    await bench.asks("CancelReservation", {"reservationId": 2**31 - 1}, "Rejected")


# --- Smart Charging -----------------------------------------------------------------------------------------


def _profile() -> Payload:
    return {
        "chargingProfileId": PROFILE_ID,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "startSchedule": _at(-60),
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": LIMIT_W}],
        },
    }


async def _composite_schedule(bench: Bench) -> None:
    profile = {"connectorId": CONNECTOR, "csChargingProfiles": _profile()}
    await bench.asks("SetChargingProfile", profile, "Accepted")
    asked = {"connectorId": CONNECTOR, "duration": 600, "chargingRateUnit": "W"}
    result = await bench.asks("GetCompositeSchedule", asked, "Accepted")
    periods = result.get("chargingSchedule", {}).get("chargingSchedulePeriod", [])
    await bench.asks("ClearChargingProfile", {"id": PROFILE_ID}, "Accepted")
    await bench.asks("ClearChargingProfile", {"id": PROFILE_ID}, "Unknown")
    if not periods or any(period["limit"] > LIMIT_W for period in periods):
        raise Deviation(f"a schedule of at most {LIMIT_W} W", f"{result}")


async def _tx_profile_without_transaction(bench: Bench) -> None:
    """Section 5.16.2: a TxProfile belongs to a transaction that goes on."""
    profile = {**_profile(), "chargingProfilePurpose": "TxProfile"}
    await bench.asks(
        "SetChargingProfile", {"connectorId": CONNECTOR, "csChargingProfiles": profile}, "Rejected"
    )


async def _schedule_of_nothing(bench: Bench) -> None:
    await bench.asks("GetCompositeSchedule", {"connectorId": NO_SUCH_CONNECTOR, "duration": 60}, "Rejected")


# --- Remote Trigger and its extension -----------------------------------------------------------------------


def _triggered(action: str, wanted: str, message: str, profile: str, connector: int | None = None) -> Behaviour:
    payload: Payload = {"requestedMessage": wanted}
    if connector is not None:
        payload["connectorId"] = connector

    async def run(bench: Bench) -> None:
        result = await bench.asks(action, payload, "Accepted", "NotImplemented")
        if result["status"] == "Accepted":
            await bench.sees(message, **({} if connector is None else {"connectorId": connector}))

    return Behaviour(action, f"{wanted} leads to {message}", run, profile)


async def _trigger_of_nothing(bench: Bench) -> None:
    payload = {"requestedMessage": "StatusNotification", "connectorId": NO_SUCH_CONNECTOR}
    await bench.asks("TriggerMessage", payload, "Rejected")


# --- Security -----------------------------------------------------------------------------------------------


async def _certificates(bench: Bench) -> None:
    kind = {"certificateType": "CentralSystemRootCertificate"}
    before = await _installed(bench, kind)
    installing = {**kind, "certificate": certificate("Conformance root")}
    await bench.asks("InstallCertificate", installing, "Accepted")
    new = [one for one in await _installed(bench, kind) if one not in before]
    if len(new) != 1:
        raise Deviation("one certificate more than before", f"{new}")
    await bench.asks("DeleteCertificate", {"certificateHashData": new[0]}, "Accepted")
    await bench.asks("DeleteCertificate", {"certificateHashData": new[0]}, "NotFound")


async def _installed(bench: Bench, kind: Payload) -> list[Payload]:
    result = await bench.asks("GetInstalledCertificateIds", kind, "Accepted", "NotFound")
    installed: list[Payload] = result.get("certificateHashData", [])
    return installed


async def _no_certificate(bench: Bench) -> None:
    payload = {"certificateType": "CentralSystemRootCertificate", "certificate": "no certificate"}
    await bench.asks("InstallCertificate", payload, "Rejected", "Failed")


async def _no_chain(bench: Bench) -> None:
    await bench.asks("CertificateSigned", {"certificateChain": "no certificate"}, "Rejected")


async def _log(bench: Bench) -> None:
    payload = {"logType": "SecurityLog", "requestId": 5, "log": {"remoteLocation": NOWHERE}}
    await bench.asks("GetLog", payload, "Accepted")
    await bench.sees("LogStatusNotification", requestId=5)


# --- Firmware Management ------------------------------------------------------------------------------------


async def _diagnostics(bench: Bench) -> None:
    result = await bench.ask("GetDiagnostics", {"location": NOWHERE})
    if "fileName" in result:
        await bench.sees("DiagnosticsStatusNotification")


async def _firmware(bench: Bench) -> None:
    await bench.ask("UpdateFirmware", {"location": NOWHERE, "retrieveDate": _at(0)})
    await bench.sees_the_end("FirmwareStatusNotification")


LISTS, RESERVATION, SMART = "Local Auth List Management", "Reservation", "Smart Charging"
TRIGGER, SECURITY, FIRMWARE = "Remote Trigger", "Security", "Firmware Management"

PROFILES = (
    Behaviour("SendLocalList", "versions are kept, and an old one does not fit", _list_versions, LISTS),
    Behaviour("ReserveNow", "a reserved connector waits for its driver", _reservation, RESERVATION),
    Behaviour("ReserveNow", "its driver's transaction names the reservation", _reserved_start, RESERVATION),
    Behaviour("ReserveNow", "a connector in use is occupied", _occupied, RESERVATION),
    Behaviour("CancelReservation", "an unknown reservation is rejected", _no_reservation, RESERVATION),
    Behaviour("SetChargingProfile", "it limits the composite schedule", _composite_schedule, SMART),
    Behaviour(
        "SetChargingProfile", "a TxProfile without a transaction", _tx_profile_without_transaction, SMART
    ),
    Behaviour("GetCompositeSchedule", "an unknown connector is rejected", _schedule_of_nothing, SMART),
    _triggered("TriggerMessage", "BootNotification", "BootNotification", TRIGGER),
    _triggered("TriggerMessage", "Heartbeat", "Heartbeat", TRIGGER),
    _triggered("TriggerMessage", "StatusNotification", "StatusNotification", TRIGGER, CONNECTOR),
    _triggered("TriggerMessage", "MeterValues", "MeterValues", TRIGGER, CONNECTOR),
    _triggered("TriggerMessage", "DiagnosticsStatusNotification", "DiagnosticsStatusNotification", TRIGGER),
    _triggered("TriggerMessage", "FirmwareStatusNotification", "FirmwareStatusNotification", TRIGGER),
    Behaviour("TriggerMessage", "an unknown connector is rejected", _trigger_of_nothing, TRIGGER),
    _triggered("ExtendedTriggerMessage", "Heartbeat", "Heartbeat", SECURITY),
    _triggered("ExtendedTriggerMessage", "StatusNotification", "StatusNotification", SECURITY, CONNECTOR),
    _triggered("ExtendedTriggerMessage", "LogStatusNotification", "LogStatusNotification", SECURITY),
    _triggered(
        "ExtendedTriggerMessage", "FirmwareStatusNotification", "SignedFirmwareStatusNotification", SECURITY
    ),
    _triggered("ExtendedTriggerMessage", "SignChargePointCertificate", "SignCertificate", SECURITY),
    Behaviour("InstallCertificate", "it is listed, and can be deleted", _certificates, SECURITY),
    Behaviour("InstallCertificate", "what is no certificate is not taken", _no_certificate, SECURITY),
    Behaviour("CertificateSigned", "what is no certificate is rejected", _no_chain, SECURITY),
    Behaviour("GetLog", "its upload is reported", _log, SECURITY),
    Behaviour("GetDiagnostics", "their upload is reported", _diagnostics, FIRMWARE),
    Behaviour("UpdateFirmware", "its progress is reported to the end", _firmware, FIRMWARE),
)
"""Firmware last: the charge point may reboot."""
