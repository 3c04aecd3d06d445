"""The paper's 38 cases and what it published: Priyasta et al., doi 10.18280/jesa.560116, section 3 and Table 2.

The paper names the scenarios; the payloads are ours. Each violates what its scenario says, and nothing else.
"""

from cascade.frames import Payload
from chargepoint_model.conformance.model import (
    TRANSACTION,
    Case,
    Conforms,
    Expectation,
    Part,
    Refused,
    Scenario,
)

UNKNOWN_ID_TAG = "NO-SUCH-TAG"
"""An idTag that no central system should know."""

ACCEPTED = frozenset({"Accepted"})
NOT_ACCEPTED = frozenset({"Invalid", "Blocked", "Expired"})
"""What an unknown idTag may be answered (OCPP 1.6, section 7.2: Invalid)."""

STEVE: dict[tuple[str, Scenario], bool] = {
    (action, scenario): passed
    for action, results in {
        "BootNotification": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.REQUIRED_INCOMPLETE: False,
            Scenario.OPTIONAL_ONLY: False,
            Scenario.NO_FIELDS: False,
        },
        "Authorize": {Scenario.COMPLETE: True, Scenario.UNRECOGNIZED: True, Scenario.NO_FIELDS: False},
        "StartTransaction": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.REQUIRED_INCOMPLETE: False,
            Scenario.OPTIONAL_ONLY: True,
            Scenario.UNRECOGNIZED: True,
            Scenario.WRONG_TYPES: False,
            Scenario.NO_FIELDS: True,
        },
        "MeterValues": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.REQUIRED_INCOMPLETE: False,
            Scenario.OPTIONAL_ONLY: False,
            Scenario.NO_FIELDS: False,
        },
        "StopTransaction": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.REQUIRED_INCOMPLETE: False,
            Scenario.OPTIONAL_ONLY: False,
            Scenario.UNRECOGNIZED: True,
            Scenario.WRONG_TYPES: False,
            Scenario.NO_FIELDS: False,
        },
        "Heartbeat": {Scenario.NO_FIELDS: True, Scenario.WRONG_FIELDS: True},
        "StatusNotification": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.REQUIRED_INCOMPLETE: False,
            Scenario.OPTIONAL_ONLY: True,
            Scenario.NO_FIELDS: True,
        },
        "DataTransfer": {
            Scenario.COMPLETE: True,
            Scenario.REQUIRED_ONLY: True,
            Scenario.OPTIONAL_ONLY: False,
            Scenario.NO_FIELDS: False,
        },
    }.items()
    for scenario, passed in results.items()
}
"""Table 2: whether SteVe passed, in the table's order."""


def positive(action: str, scenario: Scenario) -> bool:
    """Whether a conforming response is asked for: no fields are right for Heartbeat alone (section 3)."""
    if scenario is Scenario.NO_FIELDS:
        return action == "Heartbeat"
    return scenario in {Scenario.COMPLETE, Scenario.REQUIRED_ONLY}


def cases(id_tag: str, now: str) -> list[Case]:
    """The 38 cases, in the order of Table 2.

    Args:
        id_tag: one that the central system accepts.
        now: a moment, as OCPP writes it.
    """
    payloads = _payloads(id_tag, now)
    return [
        Case(
            part=Part.PAPER,
            subject=action,
            name=scenario.value,
            scenario=scenario,
            payload=payloads[action].get(scenario, {}),
            expects=_expected(action, scenario),
        )
        for action, scenario in STEVE
    ]


def _expected(action: str, scenario: Scenario) -> Expectation:
    match scenario:
        case Scenario.COMPLETE | Scenario.REQUIRED_ONLY:
            # a charge point must hear Accepted where an idTag that is known is asked about
            asks = action in {"Authorize", "StartTransaction", "StopTransaction"}
            return Conforms(action, ACCEPTED if asks else frozenset())
        case Scenario.UNRECOGNIZED:
            return Conforms(action, NOT_ACCEPTED)
        case Scenario.NO_FIELDS if action == "Heartbeat":
            return Conforms(action)
        case Scenario.REQUIRED_INCOMPLETE | Scenario.OPTIONAL_ONLY | Scenario.NO_FIELDS:
            return Refused("ProtocolError")
        case Scenario.WRONG_TYPES:
            return Refused("TypeConstraintViolation")
        case Scenario.WRONG_FIELDS:
            return Refused("FormationViolation")


def _payloads(id_tag: str, now: str) -> dict[str, dict[Scenario, Payload]]:
    """By action and scenario; what is not here is empty."""
    meter_value = [_meter_value(now)]
    boot = {"chargePointVendor": "NAP cascade", "chargePointModel": "Message testing tool"}
    boot_options = {
        "chargePointSerialNumber": "SN-1",
        "chargeBoxSerialNumber": "SN-2",
        "firmwareVersion": "1.0",
        "iccid": "8931086114115000000",
        "imsi": "204080000000000",
        "meterType": "Model",
        "meterSerialNumber": "SN-3",
    }
    # the times of two starts may be the same, their meters not: that would be a retry of the first
    start = {"connectorId": 1, "idTag": id_tag, "timestamp": now}
    values = {"connectorId": 1, "meterValue": meter_value}
    stop = {"transactionId": TRANSACTION, "meterStop": 2000, "timestamp": now}
    stop_options = {"idTag": id_tag, "reason": "Local", "transactionData": meter_value}
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    status_options = {"info": "test", "timestamp": now, "vendorId": "org.example", "vendorErrorCode": "0"}
    transfer_options = {"messageId": "test", "data": "test"}
    return {
        "BootNotification": {
            Scenario.COMPLETE: {**boot, **boot_options},
            Scenario.REQUIRED_ONLY: boot,
            Scenario.REQUIRED_INCOMPLETE: {"chargePointVendor": "NAP cascade"},
            Scenario.OPTIONAL_ONLY: boot_options,
        },
        "Authorize": {
            Scenario.COMPLETE: {"idTag": id_tag},
            Scenario.UNRECOGNIZED: {"idTag": UNKNOWN_ID_TAG},
        },
        "StartTransaction": {
            Scenario.COMPLETE: {**start, "meterStart": 1001, "reservationId": 1},
            Scenario.REQUIRED_ONLY: {**start, "meterStart": 1002},
            Scenario.REQUIRED_INCOMPLETE: {"connectorId": 1, "idTag": id_tag, "timestamp": now},
            Scenario.OPTIONAL_ONLY: {"reservationId": 1},
            Scenario.UNRECOGNIZED: {**start, "idTag": UNKNOWN_ID_TAG, "meterStart": 1003},
            Scenario.WRONG_TYPES: {**start, "connectorId": "1", "meterStart": "1004"},
        },
        "MeterValues": {
            Scenario.COMPLETE: {**values, "transactionId": TRANSACTION},
            Scenario.REQUIRED_ONLY: {"connectorId": 1, "meterValue": [_meter_value(now, complete=False)]},
            Scenario.REQUIRED_INCOMPLETE: {"meterValue": meter_value},
            Scenario.OPTIONAL_ONLY: {"transactionId": TRANSACTION},
        },
        "StopTransaction": {
            Scenario.COMPLETE: {**stop, **stop_options},
            Scenario.REQUIRED_ONLY: stop,
            Scenario.REQUIRED_INCOMPLETE: {"transactionId": TRANSACTION, "timestamp": now},
            Scenario.OPTIONAL_ONLY: stop_options,
            Scenario.UNRECOGNIZED: {**stop, "idTag": UNKNOWN_ID_TAG},
            Scenario.WRONG_TYPES: {**stop, "meterStop": "2000", "timestamp": 0},
        },
        "Heartbeat": {Scenario.WRONG_FIELDS: {"connectorId": 1}},
        "StatusNotification": {
            Scenario.COMPLETE: {**status, **status_options},
            Scenario.REQUIRED_ONLY: status,
            Scenario.REQUIRED_INCOMPLETE: {"connectorId": 1, "errorCode": "NoError"},
            Scenario.OPTIONAL_ONLY: status_options,
        },
        "DataTransfer": {
            Scenario.COMPLETE: {"vendorId": "org.example", **transfer_options},
            Scenario.REQUIRED_ONLY: {"vendorId": "org.example"},
            Scenario.OPTIONAL_ONLY: transfer_options,
        },
    }


def _meter_value(now: str, *, complete: bool = True) -> Payload:
    options = {
        "context": "Sample.Periodic",
        "format": "Raw",
        "measurand": "Energy.Active.Import.Register",
        "phase": "L1",
        "location": "Outlet",
        "unit": "Wh",
    }
    return {"timestamp": now, "sampledValue": [{"value": "1500", **(options if complete else {})}]}
