"""Scenario 3: the hub refers C2 to C1, and C2 asks C1 directly (paper, section 3.4.3).

C2 keeps its peer link, so that only its first contact with C1 goes by way of the hub. C4 keeps none: each of
its authorizations is a first contact, which is what the paper measured.
"""

from scenarios import drivers
from scenarios.model import HUB, Block, Central, DecidedBy, Route, Scenario, Start, Stop, Variant

SCENARIO = Scenario(
    number=3,
    title="referral, C2 asks C1",
    centrals=(
        Central("C1", consents=("peer",), tokens=drivers.OF_C1, id_tag_prefixes=("C1-",), peers=True),
        Central("C2", wants=("peer",), modes=("peer",)),
        Central("C3", consents=("hub",), tokens=drivers.OF_C3, id_tag_prefixes=("C3-",), peers=True),
        Central("C4", wants=("peer",), modes=("peer",), keeps_peer_links=False),
    ),
    variants=(
        Variant("accepted, cold", drivers.ACCEPTED, "Accepted", DecidedBy.PEER, visited="C4"),
        Variant("accepted", drivers.ACCEPTED, "Accepted", DecidedBy.PEER, cdr=Route.PEER),
        Variant("blocked", drivers.BLOCKED, "Blocked", DecidedBy.PEER),
        Variant("expired", drivers.EXPIRED, "Expired", DecidedBy.PEER),
        Variant("unknown", drivers.UNKNOWN, "Invalid", DecidedBy.NONE),
        Variant("no agreement", drivers.NO_CONSENT, "Invalid", DecidedBy.NONE),
        Variant(
            "blocked now",
            drivers.BLOCKED_NOW,
            "Blocked",
            DecidedBy.PEER,
            before=(Block("C1", drivers.BLOCKED_NOW, seen_by=None),),
            about="known at once: C1 itself is asked",
        ),
        Variant(
            "hub offline",
            drivers.ACCEPTED,
            "Accepted",
            DecidedBy.PEER,
            before=(Stop(HUB),),
            about="the kept peer link needs no hub while the referral holds",
        ),
        Variant(
            "hub offline, cold",
            drivers.ACCEPTED,
            "Invalid",
            DecidedBy.NONE,
            visited="C4",
            about="nobody refers C4 to C1",
        ),
        Variant(
            "home offline",
            drivers.ACCEPTED,
            "Invalid",
            DecidedBy.NONE,
            before=(Start(HUB), Stop("C1")),
        ),
        Variant(
            "blocked while offline",
            drivers.BLOCKED_OFFLINE,
            "Invalid",
            DecidedBy.NONE,
            before=(Block("C1", drivers.BLOCKED_OFFLINE, seen_by=None),),
        ),
    ),
    paper_ms=(2032.2, 2181.2, 2091.2),
)
