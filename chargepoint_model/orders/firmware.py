"""The Firmware Management profile (OCPP 1.6, sections 5.9 and 5.19; security whitepaper, 4.5 and 4.14)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model.certificates import read_chain
from chargepoint_model.maintenance import Maintenance, reachable
from chargepoint_model.moments import read_moment
from chargepoint_model.station import Station


class FirmwareOrders:
    """Answers the calls of the Firmware Management profile, with those of the security extension.

    Args:
        station: the charge point that obeys.
        maintenance: does what takes time.
    """

    def __init__(self, station: Station, maintenance: Maintenance) -> None:
        self._station = station
        self._maintenance = maintenance

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {
            "GetDiagnostics": self.get_diagnostics,
            "GetLog": self.get_log,
            "SignedUpdateFirmware": self.signed_update,
            "UpdateFirmware": self.update,
        }

    async def update(self, call: Call) -> Payload:
        """Section 5.19."""
        self._maintenance.update(call.payload["location"], read_moment(call.payload["retrieveDate"]))
        return {}

    async def signed_update(self, call: Call) -> Payload:
        """Whitepaper, section 4.14: the certificate must be one; the signature is of what nobody fetches."""
        firmware = call.payload["firmware"]
        retrieve_at = read_moment(firmware["retrieveDateTime"])
        if not read_chain(firmware["signingCertificate"]):
            self._station.report("InvalidFirmwareSigningCertificate")
            return {"status": "InvalidCertificate"}
        cancels = self._maintenance.update_signed(firmware["location"], retrieve_at, call.payload["requestId"])
        return {"status": "AcceptedCanceled" if cancels else "Accepted"}

    async def get_diagnostics(self, call: Call) -> Payload:
        """Section 5.9."""
        self._maintenance.upload_diagnostics(call.payload["location"])
        return {"fileName": self._file_name("diagnostics")}

    async def get_log(self, call: Call) -> Payload:
        """Whitepaper, section 4.5."""
        location, kind = call.payload["log"]["remoteLocation"], call.payload["logType"]
        if not reachable(location):
            return {"status": "Rejected"}
        cancels = self._maintenance.upload_log(location, call.payload["requestId"])
        return {"status": "AcceptedCanceled" if cancels else "Accepted", "filename": self._file_name(kind)}

    def _file_name(self, kind: str) -> str:
        """A name of at most 255 characters (CiString255Type)."""
        now = self._station.time.utc()
        return f"{self._station.settings.identity[:100]}-{kind}-{now:%Y%m%dT%H%M%S}.log"
