"""Everything that a charge point answers on one link."""

from cascade.errors import SecurityFaultError
from cascade.frames import Call, Payload
from cascade.link import Handler
from chargepoint_model.authorizer import Authorizer
from chargepoint_model.maintenance import Maintenance
from chargepoint_model.orders.core import CoreOrders
from chargepoint_model.orders.firmware import FirmwareOrders
from chargepoint_model.orders.local_list import LocalListOrders
from chargepoint_model.orders.reservation import ReservationOrders
from chargepoint_model.orders.security import SecurityOrders
from chargepoint_model.orders.smart_charging import SmartChargingOrders
from chargepoint_model.orders.trigger import TriggerOrders
from chargepoint_model.station import Station


def handlers(station: Station, authorizer: Authorizer, maintenance: Maintenance) -> dict[str, Handler]:
    """By action; while the central system rejects us nothing of it is answered (OCPP 1.6, section 4.2)."""
    desks = (
        CoreOrders(station, authorizer),
        FirmwareOrders(station, maintenance),
        LocalListOrders(station),
        ReservationOrders(station),
        SecurityOrders(station),
        SmartChargingOrders(station),
        TriggerOrders(station, maintenance),
    )
    orders = {action: obey for desk in desks for action, obey in desk.handlers().items()}
    return {action: _unless_rejected(station, obey) for action, obey in orders.items()}


def _unless_rejected(station: Station, obey: Handler) -> Handler:
    async def handle(call: Call) -> Payload:
        if station.registration == "Rejected":
            raise SecurityFaultError("the charge point has been rejected: it obeys when it is accepted")
        return await obey(call)

    return handle
