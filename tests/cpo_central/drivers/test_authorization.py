from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.tokens import Token, TokenStatus
from cpo_central.drivers.authorization import AskHub, AskPeer, DecidedBy, Decision, Facts, Mode, next_step

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LISTED = Token(id_tag="HOME0001", parent_id_tag="GROUP")
ORDERS = [order for n in range(4) for order in permutations(Mode, n)]


def facts(
    *,
    id_tag: str = "HOME0001",
    own: Token | None = None,
    listed: Token | None = None,
    modes: tuple[Mode, ...] = (Mode.WHITELIST, Mode.HUB, Mode.PEER),
    hub_linked: bool = True,
) -> Facts:
    return Facts(
        id_tag=id_tag,
        own=own.standing if own else None,
        listed=listed.standing if listed else None,
        modes=modes,
        hub_linked=hub_linked,
        now=NOW,
    )


@pytest.mark.parametrize("status", list(TokenStatus))
@pytest.mark.parametrize("modes", ORDERS)
def test_our_own_tokens_are_decided_here(status: TokenStatus, modes: tuple[Mode, ...]) -> None:
    own = Token(id_tag="HOME0001", status=status)
    decision = next_step(facts(own=own, listed=LISTED, modes=modes), {})
    assert decision == Decision({"status": status.value}, DecidedBy.OWN)


def test_the_whitelist_answers_for_what_it_holds() -> None:
    decision = next_step(facts(listed=LISTED), {})
    assert decision == Decision({"status": "Accepted", "parentIdTag": "GROUP"}, DecidedBy.WHITELIST)
    assert isinstance(decision, Decision)
    assert decision.accepted


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (Token(id_tag="HOME0001", status=TokenStatus.BLOCKED), "Blocked"),
        (Token(id_tag="HOME0001", expiry_date=NOW), "Expired"),
        (Token(id_tag="HOME0001", expiry_date=NOW + timedelta(seconds=1)), "Accepted"),
    ],
)
def test_what_the_whitelist_says_is_final(token: Token, status: str) -> None:
    decision = next_step(facts(listed=token), {})
    assert isinstance(decision, Decision)
    assert decision.info["status"] == status
    assert decision.accepted == (status == "Accepted")


def test_modes_are_asked_in_their_order_until_none_is_left() -> None:
    known = facts()
    assert next_step(known, {}) == AskHub()
    assert next_step(known, {Mode.HUB: "no answer in time"}) == AskPeer()
    assert next_step(known, {Mode.HUB: "no answer in time", Mode.PEER: "NoReferral"}) == Decision(
        {"status": "Invalid"},
        DecidedBy.NONE,
        reason="whitelist: not listed; hub: no answer in time; peer: NoReferral",
    )
    assert next_step(facts(modes=(Mode.PEER, Mode.HUB)), {}) == AskPeer()


def test_a_hub_that_is_not_linked_is_not_asked() -> None:
    assert next_step(facts(hub_linked=False), {}) == AskPeer()
    decision = next_step(facts(hub_linked=False, modes=(Mode.HUB,)), {})
    assert decision == Decision({"status": "Invalid"}, DecidedBy.NONE, reason="hub: not linked")


def test_the_whitelist_counts_only_if_it_is_a_mode() -> None:
    assert next_step(facts(listed=LISTED, modes=(Mode.HUB,)), {}) == AskHub()


def test_without_modes_nobody_decides() -> None:
    decision = next_step(facts(modes=()), {})
    assert decision == Decision({"status": "Invalid"}, DecidedBy.NONE, reason="no mode is configured")


@given(st.text(max_size=25))
def test_nobody_is_asked_about_what_is_no_id_tag(text: str) -> None:
    step = next_step(facts(id_tag=text, modes=(Mode.HUB,)), {})
    is_id_tag = 1 <= len(text) <= 20 and all(" " <= char <= "~" for char in text)
    assert (step == AskHub()) == is_id_tag
    if not is_id_tag:
        assert isinstance(step, Decision)
        assert step.decided_by is DecidedBy.NONE
        assert step.reason is not None


@given(
    modes=st.sampled_from(ORDERS),
    listed=st.sampled_from([None, LISTED]),
    hub_linked=st.booleans(),
    failing=st.sets(st.sampled_from([Mode.HUB, Mode.PEER])),
)
def test_every_authorization_ends_and_asks_nobody_twice(
    modes: tuple[Mode, ...],
    listed: Token | None,
    hub_linked: bool,  # noqa: FBT001 - it is drawn
    failing: set[Mode],
) -> None:
    known = facts(listed=listed, modes=modes, hub_linked=hub_linked)
    failures: dict[Mode, str] = {}
    while not isinstance(step := next_step(known, failures), Decision):
        mode = Mode.HUB if isinstance(step, AskHub) else Mode.PEER
        assert mode in modes
        assert mode not in failures
        if mode not in failing:
            return
        failures[mode] = "no answer"
    assert step.decided_by in {DecidedBy.WHITELIST, DecidedBy.NONE}
    assert (step.decided_by is DecidedBy.WHITELIST) == (listed is not None and Mode.WHITELIST in modes)
