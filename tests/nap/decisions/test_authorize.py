from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.tokens import Token, TokenStatus
from nap.decisions.authorize import INVALID, AuthorizeFacts, authorize
from nap.decisions.outcome import Answer, Forward
from nap.records import HeldToken, Mode, Operator
from tests.nap.actors import NOW, operator

LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
VISITED = operator("C2", wants=[Mode.HUB, Mode.REDIRECT])
HOME = operator("C1")


def facts(
    *,
    visited: Operator = VISITED,
    token: Token | None = None,
    home: Operator | None = HOME,
    linked: bool = True,
) -> AuthorizeFacts:
    held = HeldToken(token.standing, home.operator_id) if token and home else None
    return AuthorizeFacts(visited=visited, held=held, home=home, home_linked=linked)


def refused(reason: str) -> Answer[dict[str, Any]]:
    return Answer({"status": "Invalid"}, decided_by="none", reason=reason)


LIVE = Token(id_tag="AB1", expiry_date=LATER, parent_id_tag="FLEET")
ACCEPTED = {"status": "Accepted", "expiryDate": "2026-05-04T12:00:01Z", "parentIdTag": "FLEET"}
BLOCKED = Token(id_tag="AB1", status=TokenStatus.BLOCKED)
WANTS_HUB = operator("C2", wants=[Mode.HUB])
WANTS_REDIRECT = operator("C2", wants=[Mode.REDIRECT])
REDIRECT_FIRST = operator("C2", wants=[Mode.REDIRECT, Mode.HUB])


@pytest.mark.parametrize(
    ("given_facts", "expected"),
    [
        pytest.param(facts(token=LIVE), Answer(ACCEPTED), id="held"),
        pytest.param(
            facts(token=BLOCKED), Answer({"status": "Blocked"}, reason="token state"), id="held and blocked"
        ),
        pytest.param(
            facts(token=Token(id_tag="AB1", expiry_date=NOW)),
            Answer({"status": "Expired", "expiryDate": "2026-05-04T12:00:00Z"}, reason="token state"),
            id="ends in this moment",
        ),
        pytest.param(
            facts(token=Token(id_tag="AB1", deleted=True)),
            Answer({"status": "Invalid"}, reason="token state"),
            id="deleted",
        ),
        pytest.param(facts(token=LIVE, linked=False), Answer(ACCEPTED), id="held, home is offline"),
        pytest.param(facts(), Forward("C1"), id="of a prefix: nothing held, so home is asked"),
        pytest.param(facts(visited=REDIRECT_FIRST, token=LIVE), Forward("C1"), id="redirect comes first"),
        pytest.param(
            facts(visited=REDIRECT_FIRST, token=LIVE, linked=False), Answer(ACCEPTED), id="then the hub"
        ),
        pytest.param(facts(visited=WANTS_HUB), refused("no agreement"), id="nothing held, no redirect"),
        pytest.param(
            facts(visited=WANTS_REDIRECT, linked=False), refused("home operator offline"), id="offline"
        ),
        pytest.param(facts(home=None), refused("unknown token"), id="nobody's"),
        pytest.param(
            facts(home=operator("C2"), token=LIVE), refused("the visited operator's own token"), id="own"
        ),
        pytest.param(
            facts(home=operator("C1", enabled=False), token=LIVE),
            refused("home operator disabled"),
            id="disabled",
        ),
        pytest.param(
            facts(home=operator("C1", consents=[]), token=LIVE), refused("no agreement"), id="no consent"
        ),
        pytest.param(
            facts(home=operator("C1", consents=[Mode.WHITELIST, Mode.PEER]), token=LIVE),
            refused("no agreement"),
            id="consent to other modes",
        ),
        pytest.param(
            facts(visited=operator("C2", wants=[Mode.WHITELIST, Mode.PEER]), token=LIVE),
            refused("no agreement"),
            id="wish for other modes",
        ),
    ],
)
def test_cases(given_facts: AuthorizeFacts, expected: Answer[dict[str, Any]] | Forward) -> None:
    assert authorize(given_facts, NOW) == expected


modes = st.sampled_from(Mode)
operators = st.builds(
    operator,
    st.sampled_from(["C1", "C2", "C3"]),
    consents=st.frozensets(modes),
    wants=st.lists(modes, unique=True),
    enabled=st.booleans(),
)
tokens = st.builds(
    lambda status, expiry_date, deleted: Token(
        id_tag="AB1", status=status, expiry_date=expiry_date, deleted=deleted
    ),
    st.sampled_from(TokenStatus),
    st.sampled_from([None, EARLIER, NOW, LATER]),
    st.booleans(),
)
any_facts = st.builds(
    facts, visited=operators, token=st.none() | tokens, home=st.none() | operators, linked=st.booleans()
)


@given(any_facts)
def test_home_is_asked_only_by_agreement_and_only_if_it_is_there(given_facts: AuthorizeFacts) -> None:
    outcome = authorize(given_facts, NOW)
    if isinstance(outcome, Forward):
        home = given_facts.home
        assert home is not None
        assert outcome.operator_id == home.operator_id != given_facts.visited.operator_id
        assert home.enabled
        assert given_facts.home_linked
        assert Mode.REDIRECT in home.consents.intersection(given_facts.visited.wants)


@given(any_facts)
def test_the_hub_accepts_only_what_is_live_and_agreed(given_facts: AuthorizeFacts) -> None:
    outcome = authorize(given_facts, NOW)
    if isinstance(outcome, Answer) and outcome.value["status"] == "Accepted":
        held, home = given_facts.held, given_facts.home
        assert held is not None
        assert home is not None
        assert not held.standing.deleted
        assert held.standing.status is TokenStatus.ACCEPTED
        assert held.standing.expiry_date is None or held.standing.expiry_date > NOW
        assert home.enabled
        assert home.operator_id != given_facts.visited.operator_id
        assert Mode.HUB in home.consents.intersection(given_facts.visited.wants)


@given(any_facts)
def test_without_agreement_an_answer_is_that_to_an_unknown_token(given_facts: AuthorizeFacts) -> None:
    home = given_facts.home
    shared = home.consents.intersection(given_facts.visited.wants) if home else frozenset()
    if not shared & {Mode.HUB, Mode.REDIRECT}:
        outcome = authorize(given_facts, NOW)
        assert isinstance(outcome, Answer)
        assert outcome.value == INVALID
        assert outcome.decided_by == "none"
        assert outcome.reason
