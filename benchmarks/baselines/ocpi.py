"""Real-time authorization as OCPI 2.2.1 has it (section 12.2.2): its bodies, and nothing of HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks.baselines.roles import status

PATH = "/ocpi/emsp/2.2/tokens/{uid}/authorize"
CREDENTIAL = "Token YmFzZWxpbmU="
"""The Authorization header: one for all, compared as a string."""
SUCCESS = 1000

REQUEST = orjson.dumps({"location_id": "LOC1", "evse_uids": ["1"]})
"""LocationReferences: where the driver stands."""


def authorization(uid: str, now: datetime) -> bytes:
    """The home operator's answer about a token: AuthorizationInfo in the response's envelope."""
    at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    allowed = status(uid) == "Accepted"
    token = {
        "country_code": "NL",
        "party_id": "EXA",
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-EXA-{uid}",
        "issuer": "Example",
        "valid": allowed,
        "whitelist": "NEVER",
        "last_updated": at,
    }
    info = {"allowed": "ALLOWED" if allowed else "NOT_ALLOWED", "token": token}
    return orjson.dumps({"data": info, "status_code": SUCCESS, "timestamp": at})


def ocpp_status(body: bytes) -> str:
    """What a charge point is told."""
    answer: Mapping[str, Any] = orjson.loads(body)
    allowed = answer["status_code"] == SUCCESS and answer["data"]["allowed"] == "ALLOWED"
    return "Accepted" if allowed else "Invalid"
