import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cascade.frames import Payload
from cascade.ocpp16 import check_request, check_result
from chargepoint_model import certificates
from chargepoint_model.certificates import Certificates, hash_data

ROOT = "CentralSystemRootCertificate"


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def signed(subject: str, public_key: Any, issuer: str, key: Any, serial: int = 0x0ABC) -> x509.Certificate:  # noqa: ANN401 - keys of several kinds
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        named(issuer), named(subject), public_key, serial, now, now + timedelta(days=1)
    )
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_ROOT = signed("root", EC_KEY.public_key(), "root", EC_KEY)
RSA_KEY = rsa.generate_private_key(65_537, 2048)
RSA_ROOT = signed("rsa", RSA_KEY.public_key(), "rsa", RSA_KEY)
ED_KEY = ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def store() -> Certificates:
    return Certificates()


@pytest.mark.parametrize("root", [EC_ROOT, RSA_ROOT], ids=["ec", "rsa"])
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_the_hashes_are_those_of_name_and_key(root: x509.Certificate, algorithm: str) -> None:
    data = hash_data(root, algorithm)
    assert data["issuerNameHash"] == hashlib.new(algorithm, root.subject.public_bytes()).hexdigest()
    assert data["serialNumber"] == "abc"
    # a subject key identifier is the SHA-1 of just these bits (RFC 5280, section 4.2.1.2)
    identifier = x509.SubjectKeyIdentifier.from_public_key(root.public_key()).digest
    assert hashlib.sha1(certificates._key_bits(root), usedforsecurity=False).digest() == identifier


def test_roots_are_installed_listed_and_deleted(store: Certificates) -> None:
    for _ in range(2):
        assert store.install(ROOT, pem(EC_ROOT)) == "Accepted"
    assert store.install("ManufacturerRootCertificate", pem(RSA_ROOT)) == "Accepted"
    listed = store.installed(ROOT)
    assert listed == [hash_data(EC_ROOT, "SHA256")]
    check_result("GetInstalledCertificateIds", {"status": "Accepted", "certificateHashData": listed})
    assert store.delete(hash_data(EC_ROOT, "SHA512")) == "Accepted"
    assert store.delete(hash_data(EC_ROOT, "SHA512")) == "NotFound"
    assert store.installed(ROOT) == []
    assert len(store.installed("ManufacturerRootCertificate")) == 1


def test_hexadecimal_digits_are_the_same_in_both_cases(store: Certificates) -> None:
    store.install(ROOT, pem(EC_ROOT))
    upper: Payload = {
        name: value if name == "hashAlgorithm" else value.upper()
        for name, value in hash_data(EC_ROOT, "SHA256").items()
    }
    assert store.delete({**upper, "serialNumber": "0ABC"}) == "Accepted"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        pem(EC_ROOT).replace("M", "N"),
        pem(EC_ROOT) + pem(RSA_ROOT),
        pem(signed("leaf", RSA_KEY.public_key(), "root", EC_KEY)),
        pem(signed("ed", ED_KEY.public_key(), "ed", ED_KEY)),
    ],
)
def test_what_is_no_root_is_rejected(store: Certificates, text: str) -> None:
    assert store.install(ROOT, text) == "Rejected"


def test_there_is_an_end_to_the_store(store: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "MAX_CERTIFICATES", 1)
    store.install(ROOT, pem(EC_ROOT))
    assert store.install(ROOT, pem(RSA_ROOT)) == "Failed"
    assert store.install(ROOT, pem(EC_ROOT)) == "Accepted", "it is there already"


def test_a_request_is_signed_and_taken(store: Certificates) -> None:
    text = store.request("CP-1", "Operator")
    check_request("SignCertificate", {"csr": text})
    request = x509.load_pem_x509_csr(text.encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "O=Operator,CN=CP-1"
    own = signed("CP-1", request.public_key(), "root", EC_KEY)
    assert store.take(pem(own) + pem(EC_ROOT))
    assert store.own == [own, EC_ROOT]
    assert not store.take(pem(EC_ROOT)), "of another key"
    assert not store.take("nothing")
    assert store.own == [own, EC_ROOT]


def test_nothing_is_taken_that_was_not_requested(store: Certificates) -> None:
    assert not store.take(pem(EC_ROOT))
    assert "O=" not in x509.load_pem_x509_csr(store.request("CP-1", "").encode()).subject.rfc4514_string()
