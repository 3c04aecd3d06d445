"""The tool's own certificates."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.ocsp import OCSPRequestBuilder

from chargepoint_model.conformance.certificates import certificate, hash_data, signing_request


def test_a_signing_request_is_one() -> None:
    request = x509.load_pem_x509_csr(signing_request("CP-1").encode())
    assert request.is_signature_valid
    assert "CN=CP-1" in request.subject.rfc4514_string()


def test_the_hashes_are_those_of_ocsp() -> None:
    pem = certificate("root")
    found = x509.load_pem_x509_certificate(pem.encode())
    asked = OCSPRequestBuilder().add_certificate(found, found, hashes.SHA256()).build()
    assert hash_data(pem) == {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": asked.issuer_name_hash.hex(),
        "issuerKeyHash": asked.issuer_key_hash.hex(),
        "serialNumber": f"{asked.serial_number:x}",
    }
