"""Charge points: what is known of them, and whether we want them."""

from fastapi import APIRouter

from cascade.frames import Payload
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.charge_points import ChargePoint
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import ChargePointIdPath, Document, Given, Limit, Parts, TimeText
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1/charge-points", tags=["charge points"])


class ConnectorDocument(Document):
    """What a connector has said last; connector 0 is the charge point as a whole."""

    connector_id: int
    status: str
    error_code: str
    notification: Payload
    """The whole StatusNotification."""
    reported_at: TimeText


class ChargePointDocument(Document):
    """A charge point."""

    charge_point_id: str
    connected: bool
    registration: Registration
    boot: Payload | None
    """Its last BootNotification."""
    booted_at: TimeText | None
    last_seen_at: TimeText | None
    """When its link last came up or went."""
    local_list_version: int
    firmware_status: Payload | None
    """The last that it said about its firmware: `status`, perhaps `requestId`, and `reportedAt`."""
    diagnostics_status: Payload | None
    log_status: Payload | None


class ChargePointWithConnectors(ChargePointDocument):
    """A charge point and its connectors."""

    connectors: list[ConnectorDocument]


class RegistrationChange(Document):
    """Whether we want a charge point (OCPP 1.6, section 4.2)."""

    registration: Registration


class SecurityEventDocument(Document):
    """A SecurityEventNotification."""

    id: int
    charge_point_id: str
    type: str
    happened_at: TimeText
    """By the charge point's clock."""
    tech_info: str
    received_at: TimeText


class CertificateRequestDocument(Document):
    """A SignCertificate request: sign it, and deliver the certificate with `certificate-signed`."""

    id: int
    charge_point_id: str
    csr: str
    """PEM"""
    received_at: TimeText


def _document(parts: Parts, charge_point: ChargePoint) -> ChargePointWithConnectors:
    charge_point_id = charge_point.charge_point_id
    return ChargePointWithConnectors(
        **charge_point._asdict(),
        connected=charge_point_id in parts.chargers.connected(),
        connectors=[
            ConnectorDocument(**connector._asdict())
            for connector in parts.charge_points.connectors(charge_point_id)
        ],
    )


def _find(parts: Parts, charge_point_id: str) -> ChargePoint:
    found = parts.charge_points.get(charge_point_id)
    if found is None:
        detail = f"{charge_point_id} has never come: PUT its registration to register it"
        raise ProblemError(Kind.UNKNOWN_CHARGE_POINT, detail)
    return found


@router.get("", summary="The charge points by id", **protected(Role.READ))
async def list_charge_points(parts: Given) -> list[ChargePointDocument]:
    """Those that are registered or have ever booted."""
    connected = set(parts.chargers.connected())
    return [
        ChargePointDocument(**found._asdict(), connected=found.charge_point_id in connected)
        for found in await parts.charge_points.all()
    ]


@router.get("/{charge_point_id}", summary="One charge point", **protected(Role.READ, Kind.UNKNOWN_CHARGE_POINT))
async def get_charge_point(parts: Given, charge_point_id: ChargePointIdPath) -> ChargePointWithConnectors:
    """With its connectors."""
    return _document(parts, _find(parts, charge_point_id))


@router.put(
    "/{charge_point_id}/registration",
    summary="Accept a charge point, keep it pending, or reject it",
    **protected(Role.OPERATE),
)
async def register(
    parts: Given, charge_point_id: ChargePointIdPath, change: RegistrationChange
) -> ChargePointWithConnectors:
    """It holds at once, on a link that is open too; a charge point that has never come can be registered."""
    return _document(parts, await parts.charge_points.register(charge_point_id, change.registration))


@router.get(
    "/{charge_point_id}/security-events",
    summary="What it has reported about its security, the newest first",
    **protected(Role.READ, Kind.UNKNOWN_CHARGE_POINT),
)
async def list_security_events(
    parts: Given, charge_point_id: ChargePointIdPath, limit: Limit = 100
) -> list[SecurityEventDocument]:
    """The last ones."""
    _find(parts, charge_point_id)
    found = parts.notices.security_events(charge_point_id, limit)
    return [SecurityEventDocument(**event._asdict()) for event in found]


@router.get(
    "/{charge_point_id}/certificate-requests",
    summary="The certificates that it has asked for, the newest first",
    **protected(Role.READ, Kind.UNKNOWN_CHARGE_POINT),
)
async def list_certificate_requests(
    parts: Given, charge_point_id: ChargePointIdPath
) -> list[CertificateRequestDocument]:
    """For staff to sign."""
    _find(parts, charge_point_id)
    found = parts.notices.certificate_requests(charge_point_id)
    return [CertificateRequestDocument(**request._asdict()) for request in found]
