"""What a charge point says: the payloads of its requests (OCPP 1.6, section 6)."""

from datetime import datetime

from cascade.frames import Payload
from cascade.ocpp16 import ChargePointErrorCode, ChargePointStatus, Reason
from cascade.roaming.model import utc_text
from chargepoint_model.session import Session

VENDOR = "NAP cascade"
MODEL = "Charge point model"


def boot_notification(identity: str) -> Payload:
    """The serial number has at most 25 characters (CiString25Type)."""
    return {
        "chargePointVendor": VENDOR,
        "chargePointModel": MODEL,
        "chargePointSerialNumber": identity[:25],
    }


def status_notification(connector_id: int, status: ChargePointStatus, at: datetime) -> Payload:
    """Connector 0 is the charge point as a whole."""
    faulted = status == ChargePointStatus.faulted
    return {
        "connectorId": connector_id,
        "errorCode": ChargePointErrorCode.other_error if faulted else ChargePointErrorCode.no_error,
        "status": status,
        "timestamp": utc_text(at),
    }


def start_transaction(session: Session) -> Payload:
    """Its answer holds the transactionId that the session's further messages carry."""
    start = {
        "connectorId": session.connector_id,
        "idTag": session.driver.id_tag,
        "meterStart": session.meter_start_wh,
        "timestamp": utc_text(session.started_at),
    }
    return start if session.reservation_id is None else {**start, "reservationId": session.reservation_id}


def stop_transaction(meter_wh: int, reason: Reason, at: datetime, id_tag: str | None) -> Payload:
    """`id_tag` is the one presented to stop, if one was."""
    stop = {"meterStop": meter_wh, "timestamp": utc_text(at), "reason": reason}
    return stop if id_tag is None else {**stop, "idTag": id_tag}


def security_event(kind: str, at: datetime) -> Payload:
    """`kind` is one of the security whitepaper's list of events."""
    return {"type": kind, "timestamp": utc_text(at)}
