"""The Local Auth List Management profile (OCPP 1.6, sections 5.10 and 5.15)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model.station import Station


class LocalListOrders:
    """Answers the calls of the Local Auth List Management profile.

    Args:
        station: the charge point that obeys.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {"GetLocalListVersion": self.version, "SendLocalList": self.update}

    @property
    def _enabled(self) -> bool:
        return self._station.configuration.flag("LocalAuthListEnabled")

    async def version(self, _: Call) -> Payload:
        """Section 5.10: -1 while no list is supported."""
        return {"listVersion": self._station.tags.version if self._enabled else -1}

    async def update(self, call: Call) -> Payload:
        """Section 5.15."""
        if not self._enabled:
            return {"status": "NotSupported"}
        status = self._station.tags.update(
            call.payload["listVersion"],
            call.payload.get("localAuthorizationList", []),
            full=call.payload["updateType"] == "Full",
        )
        return {"status": status}
