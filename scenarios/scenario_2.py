"""Scenario 2: the hub decides from tokens that it holds and does not distribute (paper, section 3.4.2)."""

from scenarios import drivers
from scenarios.model import HUB, Block, Central, DecidedBy, Route, Scenario, Start, Stop, Variant

SCENARIO = Scenario(
    number=2,
    title="hub decides",
    centrals=(
        Central("C1", consents=("hub",), tokens=drivers.OF_C1),
        Central("C2", wants=("hub",), modes=("hub",)),
        Central("C3", consents=("whitelist",), tokens=drivers.OF_C3),
    ),
    variants=(
        Variant("accepted", drivers.ACCEPTED, "Accepted", DecidedBy.HUB, cdr=Route.HUB),
        Variant("blocked", drivers.BLOCKED, "Blocked", DecidedBy.HUB),
        Variant("expired", drivers.EXPIRED, "Expired", DecidedBy.HUB),
        Variant("unknown", drivers.UNKNOWN, "Invalid", DecidedBy.NONE),
        Variant("no agreement", drivers.NO_CONSENT, "Invalid", DecidedBy.NONE),
        Variant(
            "blocked now",
            drivers.BLOCKED_NOW,
            "Blocked",
            DecidedBy.HUB,
            before=(Block("C1", drivers.BLOCKED_NOW, seen_by=HUB),),
            about="known as soon as C1 has published the change",
        ),
        Variant("hub offline", drivers.ACCEPTED, "Invalid", DecidedBy.NONE, before=(Stop(HUB),)),
        Variant(
            "home offline",
            drivers.ACCEPTED,
            "Accepted",
            DecidedBy.HUB,
            before=(Start(HUB), Stop("C1")),
            about="the hub holds the tokens",
        ),
        Variant(
            "blocked while offline",
            drivers.BLOCKED_OFFLINE,
            "Accepted",
            DecidedBy.HUB,
            before=(Block("C1", drivers.BLOCKED_OFFLINE, seen_by=None),),
            about="stale: the hub knows only when C1 is linked again",
        ),
    ),
    paper_ms=(1021.0, 1022.6, 1020.8),
)
