"""Answers chargers: what the optional profiles and the security extension let a charge point initiate.

(OCPP 1.6, sections 4.4 and 4.5; security whitepaper, edition 2, section 4.)
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from cascade.frames import Payload
from cpo_central.chargers.charge_points import ChargePointStore, Progress
from cpo_central.chargers.notices import NoticeStore
from cpo_central.chargers.requests import moment
from cpo_central.chargers.server import Operation

log = structlog.get_logger()


class NoticeDesk:
    """Answers chargers, and keeps what they say for staff.

    Args:
        charge_points: who chargers are.
        notices: where it is kept.
    """

    def __init__(self, *, charge_points: ChargePointStore, notices: NoticeStore) -> None:
        self._charge_points = charge_points
        self._notices = notices

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What is answered, by action."""
        return {
            "DiagnosticsStatusNotification": self._progress(Progress.DIAGNOSTICS),
            "FirmwareStatusNotification": self._progress(Progress.FIRMWARE),
            "SignedFirmwareStatusNotification": self._progress(Progress.FIRMWARE),
            "LogStatusNotification": self._progress(Progress.LOG),
            "SecurityEventNotification": self._security_event,
            "SignCertificate": self._sign_certificate,
        }

    def _progress(self, progress: Progress) -> Operation:
        async def note(charge_point_id: str, request: Payload) -> Payload:
            await self._charge_points.record_progress(charge_point_id, progress, request, datetime.now(UTC))
            log.info(progress.value, charge_point=charge_point_id, status=request["status"])
            return {}

        return note

    async def _security_event(self, charge_point_id: str, request: Payload) -> Payload:
        kind, happened_at = request["type"], moment(request, "timestamp")
        log.warning("security_event", charge_point=charge_point_id, type=kind)
        await self._notices.record_security_event(
            charge_point_id, kind, happened_at, request.get("techInfo", ""), datetime.now(UTC)
        )
        return {}

    async def _sign_certificate(self, charge_point_id: str, request: Payload) -> Payload:
        """Accepted means that it will be signed, by staff; the certificate goes out with CertificateSigned."""
        accepted = _is_request(request["csr"])
        log.info("certificate_requested", charge_point=charge_point_id, accepted=accepted)
        if accepted:
            await self._notices.record_certificate_request(charge_point_id, request["csr"], datetime.now(UTC))
        return {"status": "Accepted" if accepted else "Rejected"}


def _is_request(csr: str) -> bool:
    """Whether it is a PKCS#10 request in PEM, signed with the key that it is for."""
    try:
        return x509.load_pem_x509_csr(csr.encode()).is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        return False
