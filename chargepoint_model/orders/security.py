"""The certificates of the security extension (security whitepaper, sections 4.1, 4.2, 4.4, 4.7 and 4.11)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model.station import Station


class SecurityOrders:
    """Answers the calls about certificates.

    Args:
        station: the charge point that obeys.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {
            "CertificateSigned": self.certificate_signed,
            "DeleteCertificate": self.delete,
            "GetInstalledCertificateIds": self.installed,
            "InstallCertificate": self.install,
        }

    async def certificate_signed(self, call: Call) -> Payload:
        """Whitepaper, section 4.1: the chain must be of the key that the last SignCertificate was about."""
        if self._station.certificates.take(call.payload["certificateChain"]):
            return {"status": "Accepted"}
        self._station.report("InvalidChargePointCertificate")
        return {"status": "Rejected"}

    async def install(self, call: Call) -> Payload:
        """Whitepaper, section 4.7."""
        kind, pem = call.payload["certificateType"], call.payload["certificate"]
        return {"status": self._station.certificates.install(kind, pem)}

    async def installed(self, call: Call) -> Payload:
        """Whitepaper, section 4.4."""
        found = self._station.certificates.installed(call.payload["certificateType"])
        return {"status": "Accepted", "certificateHashData": found} if found else {"status": "NotFound"}

    async def delete(self, call: Call) -> Payload:
        """Whitepaper, section 4.2."""
        return {"status": self._station.certificates.delete(call.payload["certificateHashData"])}


def say_sign_certificate(station: Station) -> None:
    """Ask for a certificate of a new key (whitepaper, section 4.11)."""
    csr = station.certificates.request(station.settings.identity, station.configuration.text("CpoName"))
    station.say_asked("SignCertificate", {"csr": csr})
