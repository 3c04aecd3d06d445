"""The Core profile (OCPP 1.6, sections 5.2 to 5.4, 5.6, 5.8, 5.11, 5.12, 5.14 and 5.18)."""

from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model import visit
from chargepoint_model.authorizer import Authorizer
from chargepoint_model.behaviour import Driver, Event, EventRefusedError, State
from chargepoint_model.charging_profiles import Profile, Purpose, read_profile
from chargepoint_model.connector import Connector
from chargepoint_model.station import FREE, Station

STARTABLE = (*FREE, State.RESERVED, State.RESERVED_PLUGGED)
"""Where a RemoteStartTransaction may find its driver."""


class CoreOrders:
    """Answers the calls of the Core profile.

    What an order makes the charge point say waits in the outbox, and so comes after the answer to the order.

    Args:
        station: the charge point that obeys.
        authorizer: decides about the drivers of remote starts, where that is asked for.
    """

    def __init__(self, station: Station, authorizer: Authorizer) -> None:
        self._station = station
        self._authorizer = authorizer

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
            "UnlockConnector": self.unlock_connector,
        }

    async def change_availability(self, call: Call) -> Payload:
        """Section 5.2: connector 0 means all; what charges changes after its transaction."""
        number, operative = call.payload["connectorId"], call.payload["type"] == "Operative"
        connectors = [one for one in self._station.connectors.values() if number in {0, one.number}]
        if not connectors:
            return {"status": "Rejected"}
        if number == 0 and self._station.operative != operative:
            self._station.operative = operative
            self._station.notify()
        done = [self._station.make(connector, operative=operative) for connector in connectors]
        return {"status": "Accepted" if all(done) else "Scheduled"}

    async def change_configuration(self, call: Call) -> Payload:
        """Section 5.3."""
        key = call.payload["key"]
        with self._station.changing():
            status = self._station.configuration.change(key, call.payload["value"])
        if status != "Rejected" and key.lower() in {"authorizationkey", "securityprofile"}:
            self._station.report("ReconfigurationOfSecurityParameters")
        return {"status": status}

    async def clear_cache(self, _: Call) -> Payload:
        """Section 5.4."""
        if not self._station.configuration.flag("AuthorizationCacheEnabled"):
            return {"status": "Rejected"}
        self._station.tags.clear_cache()
        return {"status": "Accepted"}

    async def data_transfer(self, _: Call) -> Payload:
        """Section 5.6: no vendor's messages are known."""
        return {"status": "UnknownVendorId"}

    async def get_configuration(self, call: Call) -> Payload:
        """Section 5.8."""
        return self._station.configuration.read(call.payload.get("key", []))

    async def remote_start(self, call: Call) -> Payload:
        """Section 5.11: on the connector named, else on the first that is free for this driver."""
        id_tag, named = call.payload["idTag"], call.payload.get("connectorId")
        known = self._station.known(id_tag)
        driver = Driver(id_tag, known.parent_id_tag if known else None)
        connector = next((one for one in self._startable(driver) if named in {None, one.number}), None)
        if self._station.registration != "Accepted" or connector is None:
            return {"status": "Rejected"}
        if not self._take_profile(connector, call.payload.get("chargingProfile")):
            return {"status": "Rejected"}
        if self._station.configuration.flag("AuthorizeRemoteTxRequests"):
            self._station.spawn(self._start_if_authorized(connector, id_tag))
        else:
            visit.arrive(connector)
            self._station.accept(connector, driver)
            self._station.spawn(self._charge(connector))
        return {"status": "Accepted"}

    def _startable(self, driver: Driver) -> list[Connector]:
        return [
            connector
            for connector in self._station.connectors.values()
            if connector.state in STARTABLE and self._station.admits(connector, driver)
        ]

    def _take_profile(self, connector: Connector, payload: Payload | None) -> bool:
        """Install the profile that comes with a remote start: it is one of the transaction (section 5.16.2)."""
        if payload is None:
            return True
        profile: Profile | None = read_profile(connector.number, payload, self._station.time.utc())
        if profile is None or profile.purpose is not Purpose.TRANSACTION or profile.transaction_id is not None:
            return False
        return self._station.profiles.install(profile)

    async def _start_if_authorized(self, connector: Connector, id_tag: str) -> None:
        """The driver plugs in and is asked about, as if the tag were presented."""
        try:
            visit.arrive(connector)
            await self._authorizer.present(connector, id_tag)
        except EventRefusedError:
            return
        if connector.session is not None:
            await self._charge(connector)

    async def _charge(self, connector: Connector) -> None:
        await visit.to_the_end(self._station, connector, self._station.settings.energy_wh)

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
        self._station.resets.put_nowait(call.payload["type"])
        return {"status": "Accepted"}

    async def unlock_connector(self, call: Call) -> Payload:
        """Section 5.18: a transaction ends first."""
        connector = self._station.connectors.get(call.payload["connectorId"])
        if connector is None:
            return {"status": "NotSupported"}
        connector.happen(Event.UNLOCK_REQUESTED)
        return {"status": "Unlocked"}
