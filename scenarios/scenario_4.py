"""Scenario 4: the hub redirects the Authorize to C1 and relays its answer (paper, section 3.4.4)."""

from scenarios import drivers
from scenarios.model import HUB, Block, Central, DecidedBy, Route, Scenario, Start, Stop, Variant

SCENARIO = Scenario(
    number=4,
    title="hub redirects to C1",
    centrals=(
        Central("C1", consents=("redirect",), tokens=drivers.OF_C1, id_tag_prefixes=("C1-",)),
        Central("C2", wants=("redirect",), modes=("hub",)),
        Central("C3", consents=("whitelist",), tokens=drivers.OF_C3, id_tag_prefixes=("C3-",)),
    ),
    variants=(
        Variant("accepted", drivers.ACCEPTED, "Accepted", DecidedBy.HOME, cdr=Route.HUB),
        Variant("blocked", drivers.BLOCKED, "Blocked", DecidedBy.HOME),
        Variant("expired", drivers.EXPIRED, "Expired", DecidedBy.HOME),
        Variant("unknown", drivers.UNKNOWN, "Invalid", DecidedBy.NONE),
        Variant("no agreement", drivers.NO_CONSENT, "Invalid", DecidedBy.NONE),
        Variant(
            "blocked now",
            drivers.BLOCKED_NOW,
            "Blocked",
            DecidedBy.HOME,
            before=(Block("C1", drivers.BLOCKED_NOW, seen_by=None),),
            about="known at once: C1 itself is asked",
        ),
        Variant("hub offline", drivers.ACCEPTED, "Invalid", DecidedBy.NONE, before=(Stop(HUB),)),
        Variant(
            "home offline",
            drivers.ACCEPTED,
            "Invalid",
            DecidedBy.NONE,
            before=(Start(HUB), Stop("C1")),
            about="the hub knows at once and does not wait for a timeout",
        ),
        Variant(
            "blocked while offline",
            drivers.BLOCKED_OFFLINE,
            "Invalid",
            DecidedBy.NONE,
            before=(Block("C1", drivers.BLOCKED_OFFLINE, seen_by=None),),
        ),
    ),
    paper_ms=(2032.8, 2186.8, 2049.4),
)
