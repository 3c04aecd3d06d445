"""What a charge point answers to its central system (OCPP 1.6, section 5)."""

import asyncio

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model import visit
from chargepoint_model.behaviour import Driver, Event, State
from chargepoint_model.connector import Connector
from chargepoint_model.station import Station

STARTABLE = (State.AVAILABLE, State.PLUGGED)
"""Where a RemoteStartTransaction may find its driver."""


class Orders:
    """Answers the calls of a central system.

    What an order makes the charge point say waits in the outbox, and so comes after the answer to the order.

    Args:
        station: the charge point that obeys.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self.resets: asyncio.Queue[str] = asyncio.Queue()
        """The resets asked for, `Soft` or `Hard`; who holds the link carries them out."""

    def handlers(self) -> dict[str, Handler]:
        """By action."""
        return {
            "ChangeAvailability": self.change_availability,
            "ChangeConfiguration": self.change_configuration,
            "ClearCache": self.clear_cache,
            "DataTransfer": self.data_transfer,
            "GetConfiguration": self.get_configuration,
            "RemoteStartTransaction": self.remote_start,
            "RemoteStopTransaction": self.remote_stop,
            "Reset": self.reset,
            "TriggerMessage": self.trigger_message,
            "UnlockConnector": self.unlock_connector,
        }

    def _connector(self, payload: Payload) -> Connector | None:
        return self._station.connectors.get(payload["connectorId"])

    async def change_availability(self, call: Call) -> Payload:
        """Section 5.2: connector 0 means all; what charges changes after its transaction."""
        number, operative = call.payload["connectorId"], call.payload["type"] == "Operative"
        connectors = (
            list(self._station.connectors.values())
            if number == 0
            else [connector for connector in [self._connector(call.payload)] if connector]
        )
        if not connectors:
            return {"status": "Rejected"}
        if number == 0 and self._station.operative != operative:
            self._station.operative = operative
            self._station.notify()
        done = [self._station.make(connector, operative=operative) for connector in connectors]
        return {"status": "Accepted" if all(done) else "Scheduled"}

    async def change_configuration(self, call: Call) -> Payload:
        """Section 5.3."""
        status = self._station.configuration.change(call.payload["key"], call.payload["value"])
        return {"status": status}

    async def clear_cache(self, _: Call) -> Payload:
        """Section 5.4: there is no authorization cache to clear."""
        return {"status": "Rejected"}

    async def data_transfer(self, _: Call) -> Payload:
        """Section 5.6: no vendor's messages are known."""
        return {"status": "UnknownVendorId"}

    async def get_configuration(self, call: Call) -> Payload:
        """Section 5.8."""
        return self._station.configuration.read(call.payload.get("key", []))

    async def remote_start(self, call: Call) -> Payload:
        """Section 5.11: on the connector named, else on the first that is free."""
        named = call.payload.get("connectorId")
        free = [
            connector
            for connector in self._station.connectors.values()
            if connector.state in STARTABLE and named in {None, connector.number}
        ]
        if not free:
            return {"status": "Rejected"}
        visit.begin(free[0], Driver(call.payload["idTag"]))
        self._station.spawn(visit.to_the_end(self._station, free[0], self._station.settings.energy_wh))
        return {"status": "Accepted"}

    async def remote_stop(self, call: Call) -> Payload:
        """Section 5.12."""
        wanted = call.payload["transactionId"]
        for connector in self._station.connectors.values():
            if connector.session is not None and connector.session.transaction_id == wanted:
                connector.happen(Event.REMOTE_STOP)
                return {"status": "Accepted"}
        return {"status": "Rejected"}

    async def reset(self, call: Call) -> Payload:
        """Section 5.14: sessions stop in order, then the charge point comes back with a new link."""
        self.resets.put_nowait(call.payload["type"])
        return {"status": "Accepted"}

    async def trigger_message(self, call: Call) -> Payload:
        """Section 5.17."""
        wanted, number = call.payload["requestedMessage"], call.payload.get("connectorId")
        station = self._station
        if number is not None and number != 0 and number not in station.connectors:
            return {"status": "Rejected"}
        connectors = [
            connector
            for connector in station.connectors.values()
            if number is None or number == connector.number
        ]
        match wanted:
            case "BootNotification":
                station.outbox.say("BootNotification", station.boot_notification())
            case "Heartbeat":
                station.outbox.say("Heartbeat", {})
            case "StatusNotification":
                if not number:
                    station.notify()
                for connector in connectors:
                    connector.notify()
            case "MeterValues":
                for connector in connectors:
                    connector.show_meter()
            case _:
                return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    async def unlock_connector(self, call: Call) -> Payload:
        """Section 5.18: a transaction ends first."""
        connector = self._connector(call.payload)
        if connector is None:
            return {"status": "NotSupported"}
        connector.happen(Event.UNLOCK_REQUESTED)
        return {"status": "Unlocked"}
