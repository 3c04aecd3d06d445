"""A charge point that tells its central system what goes on, while others ask for authorizations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from benchmarks.load.charge_point import ChargePoint, call_tail
from benchmarks.load.plan import Report
from benchmarks.load.seats import Pending, Seat
from benchmarks.load.tally import CALL_RESULT

CONNECTOR = 1


@dataclass(slots=True)
class BackgroundTally:
    """What became of the background's calls."""

    asked: int = 0
    answers: int = 0
    errors: int = 0

    @property
    def lost(self) -> int:
        """Calls that got nothing."""
        return self.asked - self.answers - self.errors

    def report(self) -> dict[str, int]:
        """For the answer to a run's command."""
        return {"answers": self.answers, "errors": self.errors, "lost": self.lost}


class Station(Seat[Report]):
    """A charge point of the background.

    Args:
        charge_point: which it takes into its service.
        pending: told what comes and goes.
        tally: told what came of it.
    """

    def __init__(self, charge_point: ChargePoint, pending: Pending, tally: BackgroundTally) -> None:
        super().__init__(charge_point, pending)
        self._tally = tally
        self._transaction_id = 0

    def on_arrival(self, due: float, *, free: bool) -> None:  # noqa: ARG002 - nobody asks how late these are
        """See Seat."""
        self._tally.asked += 1

    def tail(self, item: Report) -> str:
        """See Seat."""
        return call_tail(item.action, payload(item, self._transaction_id, timestamp()))

    def on_answer(self, message: Sequence[Any], item: Report, due: float, now: float) -> None:  # noqa: ARG002 - the same
        """See Seat. The id that a session's later messages carry comes with the answer to its first."""
        if message[0] != CALL_RESULT:
            self._tally.errors += 1
            return
        self._tally.answers += 1
        if item.action == "StartTransaction":
            self._transaction_id = message[2]["transactionId"]


def timestamp() -> str:
    """The present, as OCPP writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload(report: Report, transaction_id: int, at: str) -> Mapping[str, Any]:
    """What a charge point says (OCPP 1.6, section 6)."""
    match report.action:
        case "Heartbeat":
            return {}
        case "StatusNotification":
            status = {"status": report.status, "errorCode": "NoError", "timestamp": at}
            return {"connectorId": CONNECTOR, **status}
        case "StartTransaction":
            return {"connectorId": CONNECTOR, "idTag": report.tag, "meterStart": 0, "timestamp": at}
        case "MeterValues":
            value = {"timestamp": at, "sampledValue": [{"value": str(report.meter_wh), "unit": "Wh"}]}
            return {"connectorId": CONNECTOR, "transactionId": transaction_id, "meterValue": [value]}
        case "StopTransaction":
            return {"transactionId": transaction_id, "meterStop": report.meter_wh, "timestamp": at}
        case _ as never:
            assert_never(never)
