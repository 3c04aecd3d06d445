import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.model import id_key
from nap.decisions.endpoints import (
    NO_REFERRAL,
    PrefixFacts,
    ReferralFacts,
    ReferralGrant,
    grant_prefixes,
    refer,
)
from nap.decisions.outcome import Answer, Refuse
from nap.records import Endpoint, Mode
from tests.nap.actors import operator

ENDPOINT = Endpoint("wss://c1.example/roam", ("AB",))


def facts(taken: dict[str, str] | None = None, foreign: set[str] | None = None) -> PrefixFacts:
    return PrefixFacts(taken=taken or {}, foreign_tokens=frozenset(foreign or ()))


def test_a_free_prefix_is_granted_as_it_was_written() -> None:
    grant = grant_prefixes("C1", ["ab", "CD1"], facts({"XY": "C2"}))
    assert grant.accepted == ("ab", "CD1")
    assert grant.rejected == ()


def test_ones_own_prefixes_may_overlap_and_be_named_again() -> None:
    assert grant_prefixes("C1", ["AB", "AB1", "ab"], facts({"AB": "C1"})).accepted == ("ab", "AB1")


@pytest.mark.parametrize("wished", ["ab", "AB", "AB12", "a"])
def test_an_overlap_with_anothers_prefix_is_rejected(wished: str) -> None:
    grant = grant_prefixes("C1", [wished, "ZZ"], facts({"AB": "C2"}))
    assert grant.accepted == ("ZZ",)
    assert [(prefix.id_tag_prefix, prefix.code) for prefix in grant.rejected] == [(wished, "PrefixTaken")]


def test_a_prefix_of_anothers_tokens_is_rejected() -> None:
    grant = grant_prefixes("C1", ["ab", "ZZ"], facts(foreign={"AB"}))
    assert grant.accepted == ("ZZ",)
    assert [(prefix.id_tag_prefix, prefix.code) for prefix in grant.rejected] == [("ab", "TokensTaken")]


prefixes = st.text("abAB", min_size=2, max_size=4)


@given(st.lists(prefixes), st.dictionaries(prefixes.map(id_key), st.sampled_from(["C1", "C2"])))
def test_nobodys_tokens_ever_belong_to_two(wished: list[str], taken: dict[str, str]) -> None:
    grant = grant_prefixes("C1", wished, facts(taken))
    others = [prefix for prefix, owner in taken.items() if owner == "C2"]
    for accepted in map(id_key, grant.accepted):
        assert not any(accepted.startswith(other) or other.startswith(accepted) for other in others)
    named = [*grant.accepted, *(rejected.id_tag_prefix for rejected in grant.rejected)]
    assert {id_key(prefix) for prefix in named} == {id_key(prefix) for prefix in wished}


def test_a_referral_names_home_and_its_endpoint() -> None:
    granted = refer(ReferralFacts(operator("C2"), operator("C1"), ENDPOINT))
    assert granted == Answer(ReferralGrant("C1", ENDPOINT))


@pytest.mark.parametrize(
    "given_facts",
    [
        pytest.param(ReferralFacts(operator("C2"), None, None), id="nobody's token"),
        pytest.param(ReferralFacts(operator("C2"), operator("C1"), None), id="no endpoint"),
        pytest.param(ReferralFacts(operator("C2"), operator("C1", enabled=False), ENDPOINT), id="disabled"),
        pytest.param(ReferralFacts(operator("C2"), operator("C2"), ENDPOINT), id="own token"),
        pytest.param(
            ReferralFacts(operator("C2"), operator("C1", consents=[Mode.HUB]), ENDPOINT), id="no consent"
        ),
    ],
)
def test_whatever_is_missing_the_refusal_is_the_same(given_facts: ReferralFacts) -> None:
    assert refer(given_facts) == NO_REFERRAL


@pytest.mark.parametrize("home", [None, operator("C1")])
def test_who_does_not_want_peers_is_told_so_whatever_the_token(home: None) -> None:
    outcome = refer(ReferralFacts(operator("C2", wants=[Mode.HUB]), home, ENDPOINT))
    assert isinstance(outcome, Refuse)
    assert outcome.code == "NotAgreed"
