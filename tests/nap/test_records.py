import pytest

from cascade.roaming.cdrs import DeliveryStatus
from nap.records import CdrState, Mode, StoredCdr
from tests.nap.actors import NOW, cdr, operator


def test_modes_are_those_of_the_agreement_in_the_order_of_the_papers_scenarios() -> None:
    assert list(Mode) == ["whitelist", "hub", "peer", "redirect"]


@pytest.mark.parametrize("state", [state for state in CdrState if state is not CdrState.QUEUED])
def test_each_state_that_home_decides_can_be_told(state: CdrState) -> None:
    assert DeliveryStatus(state.value) == state.value


def test_an_operator_is_enabled_when_it_is_entered() -> None:
    assert operator("C1").enabled


def test_a_cdr_waits_from_the_start_and_is_not_settled() -> None:
    message = cdr()
    stored = StoredCdr(
        cdr=message,
        body=message.wire(),
        digest=message.digest(),
        visited="C2",
        home="C1",
        received_at=NOW,
        authorized=True,
    )
    assert (stored.state, stored.reason, stored.settled_at) == (CdrState.QUEUED, None, None)
