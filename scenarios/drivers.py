"""The drivers of all scenarios: the tokens that they present, by what has become of them."""

from scenarios.model import SeedToken

ACCEPTED = "C1-ACCEPTED"
BLOCKED = "C1-BLOCKED"
EXPIRED = "C1-EXPIRED"
BLOCKED_NOW = "C1-BLOCKED-NOW"
BLOCKED_OFFLINE = "C1-BLOCKED-OFFLINE"
UNKNOWN = "NOBODY-KNOWS-ME"
NO_CONSENT = "C3-ACCEPTED"

OF_C1 = (
    SeedToken(ACCEPTED),
    SeedToken(BLOCKED, status="Blocked"),
    SeedToken(EXPIRED, expiry_date="2020-01-01T00:00:00Z"),
    SeedToken(BLOCKED_NOW),
    SeedToken(BLOCKED_OFFLINE),
)
"""Registered with C1, the home operator."""

OF_C3 = (SeedToken(NO_CONSENT),)
"""Registered with C3, whose agreement does not consent to the scenario's mode."""
