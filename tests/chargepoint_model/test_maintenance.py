"""The sequences themselves are tested with the orders that begin them."""

import pytest

from cascade.trace import FrameTrace
from chargepoint_model.charger import Charger
from chargepoint_model.maintenance import reachable
from chargepoint_model.station import ChargerSettings


@pytest.mark.parametrize(
    ("location", "reached"),
    [
        ("ftp://user:secret@example.org/logs", True),
        ("https://example.org", True),
        ("file:///var/log", True),
        ("gopher://example.org", False),
        ("https://", False),
        ("https://[broken", False),
        ("somewhere", False),
        ("", False),
    ],
)
def test_what_can_be_reached(location: str, *, reached: bool) -> None:
    assert reachable(location) == reached


async def test_what_was_never_done_is_idle() -> None:
    maintenance = Charger(
        ChargerSettings(url="ws://localhost", identity="CP-1"), FrameTrace("CP-1")
    ).maintenance
    assert maintenance.status("FirmwareStatusNotification") == {"status": "Idle"}
    maintenance.rebooted()
