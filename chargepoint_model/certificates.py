"""The certificates of a charge point: the roots it trusts, and its own (security whitepaper, section 4)."""

from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from cascade.frames import Payload
from chargepoint_model.keys import MAX_CERTIFICATES

ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}

KEYS = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)
"""What roots have (whitepaper, section 3.3)."""


class Root(NamedTuple):
    """A root certificate and what it is trusted for."""

    kind: str
    """CentralSystemRootCertificate or ManufacturerRootCertificate."""
    certificate: x509.Certificate


class Certificates:
    """The certificates of one charge point; they are held as long as its process lives."""

    def __init__(self) -> None:
        self.own: list[x509.Certificate] = []
        """The chain that the central system has had signed for us, our own first."""
        self._roots: list[Root] = []
        self._key: ec.EllipticCurvePrivateKey | None = None

    # --- roots ----------------------------------------------------------------------------------------------

    def install(self, kind: str, pem: str) -> str:
        """The status that answers InstallCertificate: only a self-issued certificate is a root."""
        chain = read_chain(pem)
        if len(chain) != 1 or chain[0].issuer != chain[0].subject:
            return "Rejected"
        if not isinstance(chain[0].public_key(), KEYS):
            return "Rejected"
        root = Root(kind, chain[0])
        if root not in self._roots:
            if len(self._roots) >= MAX_CERTIFICATES:
                return "Failed"
            self._roots.append(root)
        return "Accepted"

    def installed(self, kind: str) -> list[Payload]:
        """The CertificateHashData of the roots of a kind."""
        return [hash_data(root.certificate, "SHA256") for root in self._roots if root.kind == kind]

    def delete(self, wanted: Payload) -> str:
        """The status that answers DeleteCertificate."""
        alike = _comparable(wanted)
        rest = [
            root
            for root in self._roots
            if _comparable(hash_data(root.certificate, wanted["hashAlgorithm"])) != alike
        ]
        found, self._roots = len(rest) < len(self._roots), rest
        return "Accepted" if found else "NotFound"

    # --- our own --------------------------------------------------------------------------------------------

    def request(self, identity: str, organization: str) -> str:
        """A certificate signing request for a new key, in PEM.

        Args:
            identity: the common name: the charge point's.
            organization: the operator's name (CpoName); left out if it is empty.
        """
        self._key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, identity[:64])]
        if organization:
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
        return request.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def take(self, pem: str) -> bool:
        """Take a signed chain; False if it is none, or not of the key of our last request."""
        chain = read_chain(pem)
        if not chain or self._key is None or chain[0].public_key() != self._key.public_key():
            return False
        self.own = chain
        return True


def read_chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a text in PEM; none if it is not PEM."""
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
        for certificate in chain:
            certificate.public_key()  # read late, and may be of no kind that is known
    except (ValueError, UnsupportedAlgorithm):
        return []
    return chain


def hash_data(root: x509.Certificate, algorithm: str) -> Payload:
    """The CertificateHashData of a root, which is its own issuer (whitepaper, section 5.2).

    Args:
        root: the certificate.
        algorithm: SHA256, SHA384 or SHA512.
    """
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _hash(root.issuer.public_bytes(), algorithm),
        "issuerKeyHash": _hash(_key_bits(root), algorithm),
        "serialNumber": f"{root.serial_number:x}",
    }


def _comparable(data: Payload) -> tuple[str, ...]:
    """Hexadecimal digits are the same in both cases, and leading zeros say nothing."""
    return (
        data["hashAlgorithm"],
        data["issuerNameHash"].lower(),
        data["issuerKeyHash"].lower(),
        data["serialNumber"].lower().lstrip("0"),
    )


def _hash(content: bytes, algorithm: str) -> str:
    digest = hashes.Hash(ALGORITHMS[algorithm])
    digest.update(content)
    return digest.finalize().hex()


def _key_bits(root: x509.Certificate) -> bytes:
    """The public key without the algorithm's name: the BIT STRING's content (RFC 5280, section 4.2.1.2)."""
    key = root.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert isinstance(key, rsa.RSAPublicKey), "no other root is installed"
    return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
