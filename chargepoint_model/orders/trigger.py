"""The Remote Trigger profile (OCPP 1.6, section 5.17; security whitepaper, section 4.3)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model.connector import Connector
from chargepoint_model.maintenance import Maintenance
from chargepoint_model.orders.security import say_sign_certificate
from chargepoint_model.station import Station

SAMPLED = "MeterValuesSampledData"


class TriggerOrders:
    """Answers the calls of the Remote Trigger profile, which may come before we have been accepted.

    Args:
        station: the charge point that obeys.
        maintenance: whose statuses may be asked for.
    """

    def __init__(self, station: Station, maintenance: Maintenance) -> None:
        self._station = station
        self._maintenance = maintenance

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {"ExtendedTriggerMessage": self.extended, "TriggerMessage": self.plain}

    async def plain(self, call: Call) -> Payload:
        """Section 5.17."""
        return self._trigger(call.payload, "FirmwareStatusNotification")

    async def extended(self, call: Call) -> Payload:
        """Whitepaper, section 4.3: the firmware it asks about is the signed one."""
        return self._trigger(call.payload, "SignedFirmwareStatusNotification")

    def _trigger(self, payload: Payload, firmware: str) -> Payload:
        wanted, number = payload["requestedMessage"], payload.get("connectorId")
        if number is not None and number not in {0, *self._station.connectors}:
            return {"status": "Rejected"}
        everywhere = list(self._station.connectors.values())
        connectors = [one for one in everywhere if number in {None, one.number}]
        match wanted:
            case "BootNotification":
                self._boot()
            case "Heartbeat":
                self._station.say_asked("Heartbeat", {})
            case "StatusNotification":
                self._show_statuses(connectors, whole=not number)
            case "MeterValues":
                self._show_meters(connectors or everywhere)
            case "FirmwareStatusNotification":
                self._station.say_asked(firmware, self._maintenance.status(firmware))
            case "SignChargePointCertificate":
                say_sign_certificate(self._station)
            case _:  # DiagnosticsStatusNotification or LogStatusNotification: the schemas know no others
                self._station.say_asked(wanted, self._maintenance.status(wanted))
        return {"status": "Accepted"}

    def _boot(self) -> None:
        if self._station.registration == "Accepted":
            self._station.outbox.say("BootNotification", self._station.boot_notification())
        else:
            self._station.boot_asked.set()

    def _show_meters(self, connectors: list[Connector]) -> None:
        """What is of a transaction keeps its place among the transaction's messages."""
        for connector in connectors:
            if connector.session is not None:
                connector.show_meter("Trigger", SAMPLED)
            else:
                self._station.say_asked("MeterValues", connector.meter_values("Trigger", SAMPLED))

    def _show_statuses(self, connectors: list[Connector], *, whole: bool) -> None:
        """Connector 0 is the charge point as a whole; with it come all the others if no number was named."""
        if whole:
            self._station.say_asked("StatusNotification", self._station.status_notification())
        for connector in connectors:
            self._station.say_asked("StatusNotification", connector.status_notification())
