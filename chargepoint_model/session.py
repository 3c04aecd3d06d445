"""One charging session as its charge point knows it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cascade.frames import Payload
from cascade.roaming.model import utc_text
from chargepoint_model.behaviour import Driver

MAX_SAMPLES = 100
"""Meter values that a StopTransaction carries; the latest are kept, for a message has 64 KiB at most."""


@dataclass(slots=True)
class Session:
    """A transaction: begun with its StartTransaction, over with its StopTransaction.

    The energy is in Wh, the times are of the model's clock. What the central system answers comes later
    than what it answers to, after a lost link perhaps much later.
    """

    connector_id: int
    driver: Driver
    started_at: datetime
    meter_start_wh: int
    stopped_at: datetime | None = None
    meter_stop_wh: int | None = None
    transaction_id: int | None = None
    start_status: str | None = None
    """The idTagInfo status of StartTransaction's answer; `Error` if the central system would not take it."""
    reservation_id: int | None = None
    """The reservation that it used up."""
    samples: deque[Payload] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))
    """The MeterValues for the transactionData of StopTransaction."""

    def document(self) -> dict[str, Any]:
        """A session that is over, as JSON has it."""
        assert self.stopped_at is not None, "only a session that is over is reported"
        return {
            "transactionId": self.transaction_id,
            "idTag": self.driver.id_tag,
            "connectorId": self.connector_id,
            "sessionStart": utc_text(self.started_at),
            "sessionEnd": utc_text(self.stopped_at),
            "meterStart": self.meter_start_wh,
            "meterStop": self.meter_stop_wh,
            "startStatus": self.start_status,
        }
