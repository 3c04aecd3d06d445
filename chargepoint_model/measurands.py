"""What is metered, as the standard names it (OCPP 1.6, sections 7.31 and 7.33)."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from cascade.frames import Payload
from cascade.roaming.model import utc_text

VOLTS = 230
"""Between a phase and neutral."""

PHASES = 3


class Reading(NamedTuple):
    """What the meter shows at one moment."""

    at: datetime
    energy_wh: int
    power_w: int
    offered_w: int
    """What the vehicle might take."""


MEASURANDS: dict[str, tuple[Callable[[Reading], object], str]] = {
    "Energy.Active.Import.Register": (lambda reading: reading.energy_wh, "Wh"),
    "Power.Active.Import": (lambda reading: reading.power_w, "W"),
    "Power.Offered": (lambda reading: reading.offered_w, "W"),
    "Current.Import": (lambda reading: round(reading.power_w / (VOLTS * PHASES), 1), "A"),
    "Current.Offered": (lambda reading: round(reading.offered_w / (VOLTS * PHASES), 1), "A"),
    "Voltage": (lambda _: VOLTS, "V"),
}
"""Each measurand with how it is read, and its unit."""


def meter_value(reading: Reading, names: Iterable[str], context: str) -> Payload:
    """A MeterValue; `context` is a ReadingContext (OCPP 1.6, section 7.36).

    Args:
        reading: what the meter shows.
        names: of `MEASURANDS`; the energy alone if there are none, for a MeterValue may not be empty.
        context: why it was read.
    """
    return {
        "timestamp": utc_text(reading.at),
        "sampledValue": [
            {"value": str(read(reading)), "context": context, "measurand": name, "unit": unit}
            for name in list(names) or ["Energy.Active.Import.Register"]
            for read, unit in [MEASURANDS[name]]
        ],
    }
