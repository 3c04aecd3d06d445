"""Cases made from the standard's schemas: every omission, wrong type, enumeration, length and format."""

from collections.abc import Iterable

from cascade.ocpp16 import request_schema
from chargepoint_model.conformance import schemas
from chargepoint_model.conformance.model import Case, Conforms, Part, Refused, Values

CORE_FROM_CHARGE_POINT = (
    *("BootNotification", "Authorize", "StartTransaction", "MeterValues"),
    *("StopTransaction", "Heartbeat", "StatusNotification", "DataTransfer"),
)
"""What a charge point asks in the Core profile, in the order of the paper's Table 2."""

CORE_FROM_CENTRAL_SYSTEM = (
    *("ChangeAvailability", "ChangeConfiguration", "ClearCache", "GetConfiguration"),
    *("RemoteStartTransaction", "RemoteStopTransaction", "UnlockConnector", "Reset"),
)
"""What a central system asks in the Core profile; Reset last, for what comes after it comes on a new link."""

PROFILES_FROM_CHARGE_POINT = {
    "Firmware Management": ("DiagnosticsStatusNotification", "FirmwareStatusNotification"),
    "Security": (
        *("LogStatusNotification", "SecurityEventNotification"),
        *("SignCertificate", "SignedFirmwareStatusNotification"),
    ),
}
"""The optional profiles and the security extension: what a charge point asks."""

PROFILES_FROM_CENTRAL_SYSTEM = {
    "Local Auth List Management": ("GetLocalListVersion", "SendLocalList"),
    "Reservation": ("ReserveNow", "CancelReservation"),
    "Smart Charging": ("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"),
    "Remote Trigger": ("TriggerMessage",),
    "Security": (
        *("ExtendedTriggerMessage", "GetInstalledCertificateIds", "InstallCertificate"),
        *("DeleteCertificate", "CertificateSigned", "GetLog", "SignedUpdateFirmware"),
    ),
    "Firmware Management": ("GetDiagnostics", "UpdateFirmware"),
}
"""What a central system asks; firmware last, for it may make the charge point reboot."""


def cases(part: Part, actions: Iterable[str], values: Values) -> list[Case]:
    """All cases of some actions.

    Args:
        part: what they are reported under.
        actions: whose requests are made.
        values: for fields by name, where a right payload needs a certain one.
    """
    return [case for action in actions for case in _of(part, action, values)]


def _of(part: Part, action: str, values: Values) -> list[Case]:
    schema = request_schema(action)
    full = schemas.complete(schema, values)
    least = schemas.required_only(schema, values)
    good = [schemas.Variant("complete fields", full, None)]
    if least != full:
        good.append(schemas.Variant("required fields only", least, None))
    return [
        Case(
            part=part,
            subject=action,
            name=variant.name,
            payload=variant.payload,
            expects=Conforms(action) if variant.violates is None else Refused(schemas.CODES[variant.violates]),
        )
        for variant in (*good, *schemas.variants(schema, values))
    ]
