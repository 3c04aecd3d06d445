import pytest

from cascade.errors import PeerError
from cascade.ocpp16 import FROM_CENTRAL_SYSTEM
from cascade.trace import FrameTrace
from chargepoint_model.charger import Charger
from chargepoint_model.orders import desk
from chargepoint_model.station import ChargerSettings
from tests.chargepoint_model.conftest import NOW, Central, ChargerOf
from tests.conftest import LogLines


async def test_everything_that_a_central_system_may_ask_is_answered() -> None:
    charger = Charger(ChargerSettings(url="ws://localhost", identity="CP-1"), FrameTrace("CP-1"))
    handlers = desk.handlers(charger.station, charger.authorizer, charger.maintenance)
    assert set(handlers) == FROM_CENTRAL_SYSTEM


async def test_while_it_is_pending_it_obeys_but_starts_nothing(central: Central, charger_of: ChargerOf) -> None:
    central.script["BootNotification"] = [{"status": "Pending", "currentTime": NOW, "interval": 3600}]
    await charger_of(wait=False)
    await central.hears("BootNotification")
    change = {"key": "HeartbeatInterval", "value": "7"}
    assert await central.ask("ChangeConfiguration", change) == {"status": "Accepted"}
    assert await central.ask("RemoteStartTransaction", {"idTag": "T-1"}) == {"status": "Rejected"}


async def test_rejected_it_obeys_nobody(central: Central, charger_of: ChargerOf, logs: LogLines) -> None:
    central.script["BootNotification"] = [{"status": "Rejected", "currentTime": NOW, "interval": 3600}]
    await charger_of(wait=False)
    await logs.event("boot_not_accepted")
    with pytest.raises(PeerError, match="SecurityError"):
        await central.ask("GetConfiguration")
    assert [action for action, _ in central.calls] == ["BootNotification"]
