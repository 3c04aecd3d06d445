"""Scenario 1: the visited operator's whitelist, received from the hub, decides (paper, section 3.4.1)."""

from scenarios import drivers
from scenarios.model import HUB, Block, Central, DecidedBy, Route, Scenario, Start, Stop, Variant

SCENARIO = Scenario(
    number=1,
    title="whitelist at C2",
    centrals=(
        Central("C1", consents=("whitelist",), tokens=drivers.OF_C1),
        Central("C2", wants=("whitelist",), modes=("whitelist",)),
        Central("C3", consents=("hub",), tokens=drivers.OF_C3),
    ),
    variants=(
        Variant("accepted", drivers.ACCEPTED, "Accepted", DecidedBy.WHITELIST, cdr=Route.HUB),
        Variant("blocked", drivers.BLOCKED, "Blocked", DecidedBy.WHITELIST),
        Variant("expired", drivers.EXPIRED, "Expired", DecidedBy.WHITELIST),
        Variant("unknown", drivers.UNKNOWN, "Invalid", DecidedBy.NONE),
        Variant("no agreement", drivers.NO_CONSENT, "Invalid", DecidedBy.NONE),
        Variant(
            "blocked now",
            drivers.BLOCKED_NOW,
            "Blocked",
            DecidedBy.WHITELIST,
            before=(Block("C1", drivers.BLOCKED_NOW, seen_by="C2"),),
            about="known as soon as the hub has pushed the change to C2",
        ),
        Variant(
            "hub offline",
            drivers.ACCEPTED,
            "Accepted",
            DecidedBy.WHITELIST,
            before=(Stop(HUB),),
            about="the replica needs nobody",
        ),
        Variant(
            "home offline",
            drivers.ACCEPTED,
            "Accepted",
            DecidedBy.WHITELIST,
            before=(Start(HUB), Stop("C1")),
        ),
        Variant(
            "blocked while offline",
            drivers.BLOCKED_OFFLINE,
            "Accepted",
            DecidedBy.WHITELIST,
            before=(Block("C1", drivers.BLOCKED_OFFLINE, seen_by=None),),
            about="stale: C2 knows only when C1 is linked again",
        ),
    ),
    paper_ms=(2.6, 3.0, 2.6),
)
