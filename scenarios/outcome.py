"""What came of a variant, beside what was expected."""

import statistics
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scenarios.frames import Message
from scenarios.model import DecidedBy, Route, Scenario, Variant


@dataclass(frozen=True, slots=True)
class CdrOutcome:
    """What became of the CDR of the session that followed."""

    sent: bool = False
    delivered: bool = False
    route: Route = Route.NONE
    matches_session: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "sent": self.sent,
            "delivered": self.delivered,
            "route": self.route,
            "matches_session": self.matches_session,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a variant."""

    scenario: Scenario
    variant: Variant
    decisions: tuple[str, ...]
    """The status of each timed authorization."""
    milliseconds: tuple[float, ...]
    """Of each timed authorization: from its request to its response, at the charge point."""
    decided_by: frozenset[DecidedBy]
    cdr: CdrOutcome
    silent: bool = True
    """Whether nothing left the visited operator, where nothing may (scenario 5)."""
    frames: tuple[Message, ...] = field(default=(), repr=False)

    @property
    def as_expected(self) -> bool:
        """Whether all of it is what the variant expects."""
        expects_cdr = self.variant.cdr is not Route.NONE
        cdr = self.cdr
        return (
            set(self.decisions) == {self.variant.status}
            and self.decided_by == {self.variant.decided_by}
            and cdr.route is self.variant.cdr
            and cdr.sent is cdr.delivered is cdr.matches_session is expects_cdr
            and self.silent
        )

    def times(self) -> dict[str, float]:
        """The median, mean and maximum in milliseconds."""
        return {
            "p50": round(statistics.median(self.milliseconds), 3),
            "mean": round(statistics.fmean(self.milliseconds), 3),
            "max": round(max(self.milliseconds), 3),
        }

    def as_json(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "scenario": self.scenario.number,
            "variant": self.variant.name,
            "expected": {
                "status": self.variant.status,
                "decided_by": self.variant.decided_by,
                "cdr_route": self.variant.cdr,
            },
            "decisions": list(self.decisions),
            "as_expected": self.as_expected,
            "decided_by": "/".join(sorted(self.decided_by)),
            "authorization_ms": self.times(),
            "cdr": self.cdr.as_json(),
            "frames": [message.as_json() for message in self.frames],
        }


def cdr_matches(cdr: dict[str, Any], session: dict[str, Any], *, visited: str, charge_point: str) -> bool:
    """Whether a CDR at home says what the charge point itself measured (the paper's fields, table 6)."""

    def same_moment(first: str, second: str) -> bool:
        return datetime.fromisoformat(first) == datetime.fromisoformat(second)

    return (
        cdr["operatorId"] == visited
        and cdr["chargePointId"] == charge_point
        and all(
            cdr[name] == session[name]
            for name in ("idTag", "transactionId", "connectorId", "meterStart", "meterStop")
        )
        and all(same_moment(cdr[name], session[name]) for name in ("sessionStart", "sessionEnd"))
    )
