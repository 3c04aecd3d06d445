"""Scenario 5: C2 is not linked to the hub: the driver is denied, nothing leaves C2 (paper, section 3.4.5)."""

from scenarios import drivers
from scenarios.model import Central, DecidedBy, Scenario, Variant

SCENARIO = Scenario(
    number=5,
    title="C2 is not linked",
    centrals=(
        Central("C1", consents=("whitelist", "hub", "peer", "redirect"), tokens=drivers.OF_C1),
        Central("C2", modes=("whitelist", "hub"), linked=False),
    ),
    variants=(Variant("denied", drivers.ACCEPTED, "Invalid", DecidedBy.NONE),),
    paper_ms=None,
)
