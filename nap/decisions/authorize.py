"""Authorize: may this driver charge at this operator, the paper's scenarios 2 and 4.

1. A token is its holder's, else the longest prefix's, else nobody's. Nobody else is ever asked.
2. The visited operator's order of modes decides, among those that the home operator consents to.
3. `hub` answers from the token held, `redirect` asks home, if home is linked.
4. Every refusal looks the same from outside: Invalid. Whose a token is must not show.
"""

from datetime import datetime
from typing import Any, NamedTuple

from cascade.roaming.tokens import TokenStatus, id_tag_info
from nap.decisions.outcome import Answer, Forward
from nap.records import HeldToken, Mode, Operator

INVALID: dict[str, Any] = {"status": TokenStatus.INVALID.value}


class AuthorizeFacts(NamedTuple):
    """What an Authorize is judged by."""

    visited: Operator
    held: HeldToken | None
    home: Operator | None
    home_linked: bool


def authorize(facts: AuthorizeFacts, now: datetime) -> Answer[dict[str, Any]] | Forward:
    """Decide; an `Answer` holds OCPP's IdTagInfo."""
    home = facts.home
    if home is None:
        return _refused("unknown token")
    if home.operator_id == facts.visited.operator_id:
        return _refused("the visited operator's own token")
    if not home.enabled:
        return _refused("home operator disabled")
    reason = "no agreement"
    for mode in facts.visited.wants:
        if mode not in home.consents:
            continue
        if mode is Mode.HUB and facts.held is not None:
            info = id_tag_info(facts.held.standing, now)
            return Answer(info, reason="" if info["status"] == TokenStatus.ACCEPTED else "token state")
        if mode is Mode.REDIRECT:
            if facts.home_linked:
                return Forward(home.operator_id)
            reason = "home operator offline"
    return _refused(reason)


def _refused(reason: str) -> Answer[dict[str, Any]]:
    return Answer(INVALID, decided_by="none", reason=reason)
