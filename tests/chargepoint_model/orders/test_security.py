from cryptography import x509

from cascade.frames import Payload
from tests.chargepoint_model.conftest import Central, ChargerOf
from tests.chargepoint_model.test_certificates import EC_KEY, EC_ROOT, ROOT, pem, signed

ACCEPTED = {"status": "Accepted"}


async def test_roots_come_and_go(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    asked = {"certificateType": ROOT}
    assert await central.ask("GetInstalledCertificateIds", asked) == {"status": "NotFound"}
    assert await central.ask("InstallCertificate", {**asked, "certificate": pem(EC_ROOT)}) == ACCEPTED
    assert await central.ask("InstallCertificate", {**asked, "certificate": "x"}) == {"status": "Rejected"}
    listed: list[Payload] = (await central.ask("GetInstalledCertificateIds", asked))["certificateHashData"]
    assert await central.ask("DeleteCertificate", {"certificateHashData": listed[0]}) == ACCEPTED
    assert await central.ask("DeleteCertificate", {"certificateHashData": listed[0]}) == {"status": "NotFound"}


async def test_a_certificate_is_signed_and_taken(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    await central.ask("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    csr = (await central.hears("SignCertificate"))["csr"]
    own = signed("CP-1", x509.load_pem_x509_csr(csr.encode()).public_key(), "root", EC_KEY)
    assert await central.ask("CertificateSigned", {"certificateChain": pem(own)}) == ACCEPTED
    assert charger.station.certificates.own == [own]
    other = {"certificateChain": pem(EC_ROOT)}
    assert await central.ask("CertificateSigned", other) == {"status": "Rejected"}
    await central.hears("SecurityEventNotification", type="InvalidChargePointCertificate")
