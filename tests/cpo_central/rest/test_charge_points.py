import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cascade.errors import PeerError
from tests.cpo_central.rest.conftest import Chargers, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHARGE_POINTS = "/api/v1/charge-points"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


async def test_a_charge_point_is_shown_with_what_it_has_said(api: httpx.AsyncClient, charger: Chargers) -> None:
    made = await charger("CP/1")
    await made.link.call("StatusNotification", STATUS)
    await made.link.call("FirmwareStatusNotification", {"status": "Installed"})
    shown = (await api.get(f"{CHARGE_POINTS}/CP%2F1")).json()
    assert (shown["chargePointId"], shown["connected"], shown["registration"]) == ("CP/1", True, "Accepted")
    assert shown["boot"]["chargePointVendor"] == "Acme"
    assert shown["firmwareStatus"]["status"] == "Installed"
    assert shown["diagnosticsStatus"] is None
    (connector,) = shown["connectors"]
    assert (connector["connectorId"], connector["status"], connector["notification"]) == (
        1,
        "Available",
        STATUS,
    )
    del shown["connectors"]
    assert shown in (await api.get(CHARGE_POINTS)).json()


async def test_a_registration_holds_at_once(api: httpx.AsyncClient, charger: Chargers) -> None:
    made = await charger("CP-2")
    registration = f"{CHARGE_POINTS}/CP-2/registration"
    changed = (await api.put(registration, json={"registration": "Rejected"})).json()
    assert (changed["registration"], changed["connected"]) == ("Rejected", True)
    with pytest.raises(PeerError, match="SecurityError"):
        await made.link.call("StatusNotification", STATUS)
    await api.put(registration, json={"registration": "Accepted"})
    await made.link.call("StatusNotification", STATUS)


async def test_a_charge_point_can_be_registered_before_it_comes(api: httpx.AsyncClient) -> None:
    shown = (await api.put(f"{CHARGE_POINTS}/CP-3/registration", json={"registration": "Pending"})).json()
    assert (shown["connected"], shown["boot"], shown["bootedAt"]) == (False, None, None)
    bad = await api.put(f"{CHARGE_POINTS}/CP-3/registration", json={"registration": "Perhaps"})
    assert is_problem(bad, 422, "invalid")


async def test_what_it_reports_about_its_security_is_shown(api: httpx.AsyncClient, charger: Chargers) -> None:
    made = await charger("CP-4")
    for kind in ("StartupOfTheDevice", "TamperDetectionActivated"):
        event = {"type": kind, "timestamp": "2026-01-01T00:00:00Z"}
        await made.link.call("SecurityEventNotification", event)
    await made.link.call("SignCertificate", {"csr": csr()})
    events = (await api.get(f"{CHARGE_POINTS}/CP-4/security-events", params={"limit": 1})).json()
    assert [event["type"] for event in events] == ["TamperDetectionActivated"]
    (request,) = (await api.get(f"{CHARGE_POINTS}/CP-4/certificate-requests")).json()
    assert request["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")


@pytest.mark.parametrize("path", ["", "/security-events", "/certificate-requests"])
async def test_an_unknown_charge_point(api: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await api.get(f"{CHARGE_POINTS}/NOBODY{path}"), 404, "unknown-charge-point")


def csr() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP-4")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
