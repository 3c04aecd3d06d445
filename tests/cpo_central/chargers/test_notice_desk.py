from collections.abc import Awaitable, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cascade.errors import PeerError
from cascade.frames import Payload
from cpo_central.chargers.notices import NoticeStore
from tests.conftest import LogLines
from tests.cpo_central.actors import Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


def signing_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP-1")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


async def test_how_far_things_are(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)
    for action, payload in (
        ("DiagnosticsStatusNotification", {"status": "Uploading"}),
        ("FirmwareStatusNotification", {"status": "Downloading"}),
        ("LogStatusNotification", {"status": "Uploaded", "requestId": 7}),
    ):
        assert await cp.link.call(action, payload) == {}
    known = central.charge_points.get("CP-1")
    assert known is not None
    assert known.firmware_status is not None
    assert known.firmware_status["status"] == "Downloading"
    assert known.firmware_status["reportedAt"].endswith("Z")
    assert known.diagnostics_status is not None
    assert known.diagnostics_status["status"] == "Uploading"
    assert known.log_status is not None
    assert known.log_status["requestId"] == 7
    await cp.link.call("SignedFirmwareStatusNotification", {"status": "InvalidSignature", "requestId": 8})
    known = central.charge_points.get("CP-1")
    assert known is not None
    assert known.firmware_status is not None
    assert known.firmware_status["status"] == "InvalidSignature"


async def test_security_events_are_kept_once_and_the_newest_shown_first(
    start: Start, charger: Connect, logs: LogLines
) -> None:
    central = await start()
    cp = await charger(central)
    reset: Payload = {"type": "ResetOrReboot", "timestamp": "2026-01-01T10:00:00+01:00"}
    tamper = {"type": "TamperDetectionActivated", "timestamp": "2026-01-01T10:00:00Z", "techInfo": "door"}
    for event in (reset, reset, tamper):
        assert await cp.link.call("SecurityEventNotification", event) == {}
    found = NoticeStore(central._database).security_events("CP-1", 10)
    assert [(event.type, event.happened_at, event.tech_info) for event in found] == [
        ("TamperDetectionActivated", "2026-01-01T10:00:00Z", "door"),
        ("ResetOrReboot", "2026-01-01T09:00:00Z", ""),
    ]
    assert len(NoticeStore(central._database).security_events("CP-1", 1)) == 1
    assert NoticeStore(central._database).security_events("CP-2", 10) == []
    assert len(logs.named("security_event")) == 3
    with pytest.raises(PeerError) as caught:
        await cp.link.call("SecurityEventNotification", {**reset, "timestamp": "2016-12-31T23:59:60Z"})
    assert caught.value.code == "PropertyConstraintViolation"


async def test_certificates_are_asked_for(start: Start, charger: Connect) -> None:
    central = await start()
    cp = await charger(central)
    good = signing_request()
    lines = good.splitlines()
    lines[2] = lines[2].swapcase()
    for csr, status in (
        (good, "Accepted"),
        (good, "Accepted"),
        ("\n".join(lines), "Rejected"),
        ("no request", "Rejected"),
        ("", "Rejected"),
        ("ä" * 5500, "Rejected"),
    ):
        assert await cp.link.call("SignCertificate", {"csr": csr}) == {"status": status}
    (request,) = NoticeStore(central._database).certificate_requests("CP-1")
    assert request.csr == good
