"""What a central system asks of a charge point (OCPP 1.6, section 5), and how the interface names it."""

from functools import cache
from typing import Any, NamedTuple

from cascade import ocpp16
from cascade.frames import Payload
from cpo_central.rest.api_keys import Role

READ, OPERATE, ADMIN = Role


class Operation(NamedTuple):
    """One operation: `POST /api/v1/central-system/clients/{id}/<path>`."""

    path: str
    """The action in kebab-case, or the name that the paper gives it (Tables 9 to 17)."""
    action: str
    role: Role
    """read: nothing changes; admin: what it runs, whom it trusts, and what only its vendor knows."""
    summary: str
    example: Payload


def _profile(purpose: str) -> Payload:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }


_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n"
_HASHES = {"hashAlgorithm": "SHA256", "issuerNameHash": "00aa", "issuerKeyHash": "11bb", "serialNumber": "7"}
_FIRMWARE = {
    "location": "https://files.example/firmware.bin",
    "retrieveDateTime": "2030-01-01T03:00:00Z",
    "signingCertificate": _CERTIFICATE,
    "signature": "c2lnbmF0dXJl",
}

OPERATIONS = (
    # Core
    Operation(
        *("change-availability", "ChangeAvailability", OPERATE),
        "Take a connector, or with connector 0 all of them, into or out of service",
        {"connectorId": 1, "type": "Inoperative"},
    ),
    Operation(
        *("change-configuration", "ChangeConfiguration", OPERATE),
        "Set a configuration key",
        {"key": "HeartbeatInterval", "value": "300"},
    ),
    Operation(*("clear-cache", "ClearCache", OPERATE), "Empty the authorization cache", {}),
    Operation(
        *("data-transfer", "DataTransfer", ADMIN),
        "Send a message of a vendor's own",
        {"vendorId": "com.example", "messageId": "hello", "data": "world"},
    ),
    Operation(
        *("get-configuration", "GetConfiguration", READ),
        "Read configuration keys: all of them, if none is named",
        {"key": ["HeartbeatInterval"]},
    ),
    Operation(
        *("start-transaction", "RemoteStartTransaction", OPERATE),
        "Start a transaction for a driver",
        {"idTag": "ANNA-CARD-1", "connectorId": 1},
    ),
    Operation(
        *("stop-transaction", "RemoteStopTransaction", OPERATE),
        "Stop a transaction",
        {"transactionId": 1},
    ),
    Operation(*("reset", "Reset", OPERATE), "Restart the charge point", {"type": "Soft"}),
    Operation(
        *("unlock-connector", "UnlockConnector", OPERATE),
        "Unlock a connector; its transaction ends first",
        {"connectorId": 1},
    ),
    # Local Auth List Management
    Operation(
        *("get-local-list-version", "GetLocalListVersion", READ), "Ask which local list it holds; 0: none", {}
    ),
    Operation(
        *("send-local-list", "SendLocalList", OPERATE),
        "Send a local list as it is; `local-list` sends our own tokens and keeps count of versions",
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []},
    ),
    # Reservation
    Operation(
        *("cancel-reservation", "CancelReservation", OPERATE), "Cancel a reservation", {"reservationId": 1}
    ),
    Operation(
        *("reserve-now", "ReserveNow", OPERATE),
        "Reserve a connector, or with connector 0 any, for a driver",
        {"connectorId": 1, "expiryDate": "2030-01-01T00:00:00Z", "idTag": "ANNA-CARD-1", "reservationId": 1},
    ),
    # Smart Charging
    Operation(
        *("clear-charging-profile", "ClearChargingProfile", OPERATE),
        "Clear charging profiles: those that fit all that is given",
        {"connectorId": 1},
    ),
    Operation(
        *("get-composite-schedule", "GetCompositeSchedule", READ),
        "Ask what a connector may take in the next seconds",
        {"connectorId": 1, "duration": 3600},
    ),
    Operation(
        *("set-charging-profile", "SetChargingProfile", OPERATE),
        "Limit what a connector may take",
        {"connectorId": 1, "csChargingProfiles": _profile("TxDefaultProfile")},
    ),
    # Remote Trigger
    Operation(
        *("trigger-message", "TriggerMessage", OPERATE),
        "Ask for a message now",
        {"requestedMessage": "StatusNotification", "connectorId": 1},
    ),
    # Firmware Management
    Operation(
        *("get-diagnostics", "GetDiagnostics", OPERATE),
        "Have diagnostics uploaded",
        {"location": "ftp://files.example/diagnostics/"},
    ),
    Operation(
        *("update-firmware", "UpdateFirmware", ADMIN),
        "Have firmware installed",
        {"location": "https://files.example/firmware.bin", "retrieveDate": "2030-01-01T03:00:00Z"},
    ),
    # the security extension (OCA white paper, edition 2)
    Operation(
        *("certificate-signed", "CertificateSigned", ADMIN),
        "Deliver the certificate that it has asked to have signed",
        {"certificateChain": _CERTIFICATE},
    ),
    Operation(
        *("delete-certificate", "DeleteCertificate", ADMIN),
        "Delete an installed certificate",
        {"certificateHashData": _HASHES},
    ),
    Operation(
        *("extended-trigger-message", "ExtendedTriggerMessage", OPERATE),
        "Ask for a message of the security extension now",
        {"requestedMessage": "LogStatusNotification"},
    ),
    Operation(
        *("get-installed-certificate-ids", "GetInstalledCertificateIds", READ),
        "Ask which certificates are installed",
        {"certificateType": "CentralSystemRootCertificate"},
    ),
    Operation(
        *("get-log", "GetLog", OPERATE),
        "Have a log uploaded",
        {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://files.example/logs/"}},
    ),
    Operation(
        *("install-certificate", "InstallCertificate", ADMIN),
        "Install a root certificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": _CERTIFICATE},
    ),
    Operation(
        *("signed-update-firmware", "SignedUpdateFirmware", ADMIN),
        "Have signed firmware installed",
        {"requestId": 1, "firmware": _FIRMWARE},
    ),
)


def request_schema(action: str) -> Payload:
    """The standard's schema of a request, to stand in an OpenAPI description."""
    return _standing_alone(ocpp16.request_schema(action))


def result_schema(action: str) -> Payload:
    """The standard's schema of a result, to stand in an OpenAPI description."""
    return _standing_alone(ocpp16.result_schema(action))


INTEGER = {"minimum": -(2**63), "maximum": 2**63 - 1}
"""What JSON's numbers without a fraction are here; the standard does not say."""

_OF_A_FILE = frozenset({"$schema", "$id", "id", "title", "definitions", "javaType"})


def _standing_alone(schema: Payload) -> Payload:
    """A schema without what only a file of its own has; what it refers to stands where it does."""
    definitions = schema.get("definitions", {})

    @cache
    def definition(name: str) -> Any:  # noqa: ANN401 - any part of a schema
        return place(definitions[name], is_schema=True)

    def place(part: Any, *, is_schema: bool) -> Any:  # noqa: ANN401 - any part of a schema
        match part:
            case {"$ref": str(reference)} if is_schema:
                return definition(reference.removeprefix("#/definitions/"))
            case {"type": "integer"} if is_schema:
                return {**INTEGER, **part}
            case dict():
                return {
                    name: place(value, is_schema=not (is_schema and name == "properties"))
                    for name, value in part.items()
                    if not (is_schema and name in _OF_A_FILE)
                }
            case list():
                return [place(value, is_schema=is_schema) for value in part]
            case _:
                return part

    placed: Payload = place(schema, is_schema=True)
    return placed
