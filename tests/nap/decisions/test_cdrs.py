from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.cdrs import SESSION_MAX_WH, Cdr
from nap.decisions.cdrs import intake
from nap.decisions.outcome import Answer, Refuse
from nap.records import CdrFacts, CdrState, StoredCdr
from tests.nap.actors import NOW, cdr


def judged(
    message: Cdr,
    *,
    visited: str = "C2",
    known_digest: str | None = None,
    home: str | None = "C1",
    authorized: bool = True,
) -> Answer[StoredCdr | None] | Refuse:
    return intake(visited, message, message.wire(), CdrFacts(known_digest, home, authorized), NOW)


@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize("named_home", [None, "C1"])
def test_a_cdr_is_taken_and_marked(authorized: bool, named_home: str | None) -> None:  # noqa: FBT001 - drawn
    message = cdr(home_operator_id=named_home)
    assert judged(message, authorized=authorized) == Answer(
        StoredCdr(
            cdr=message,
            body=message.wire(),
            digest=message.digest(),
            visited="C2",
            home="C1",
            received_at=NOW,
            authorized=authorized,
            state=CdrState.QUEUED,
        )
    )


def test_the_same_again_is_in_custody_already_whatever_else_has_changed() -> None:
    message = cdr()
    assert judged(message, known_digest=message.digest(), home=None) == Answer(None)


@pytest.mark.parametrize(
    ("fields", "facts", "code"),
    [
        ({"operator_id": "C3"}, {}, "OperatorMismatch"),
        ({}, {"known_digest": "0" * 64}, "CdrConflict"),
        ({}, {"home": None}, "UnknownToken"),
        ({}, {"home": "C2"}, "OwnToken"),
        ({"home_operator_id": "C3"}, {}, "HomeMismatch"),
        ({"meter_stop": 999}, {}, "ImplausibleCdr"),
        ({"meter_stop": 1001 + SESSION_MAX_WH}, {}, "ImplausibleCdr"),
        ({"session_end": NOW - timedelta(hours=2)}, {}, "ImplausibleCdr"),
    ],
)
def test_refusals(fields: dict[str, Any], facts: dict[str, Any], code: str) -> None:
    outcome = judged(cdr(**fields), **facts)
    assert isinstance(outcome, Refuse)
    assert outcome.code == code
    assert outcome.detail


def test_a_session_without_energy_or_time_is_a_session() -> None:
    outcome = judged(cdr(meter_stop=1000, session_end=NOW - timedelta(hours=1)))
    assert isinstance(outcome, Answer)


ids = st.sampled_from(["C1", "C2", "C3"])


@given(
    ids,
    ids,
    st.none() | ids,
    st.none() | ids,
    st.integers(-5, 5),
    st.sampled_from([None, "0" * 64]),
    st.booleans(),
)
def test_what_is_taken_can_be_billed(
    visited: str,
    sender: str,
    named_home: str | None,
    home: str | None,
    wh: int,
    known: str | None,
    authorized: bool,  # noqa: FBT001 - drawn
) -> None:
    message = cdr(sender, home_operator_id=named_home, meter_stop=1000 + wh)
    outcome = judged(message, visited=visited, known_digest=known, home=home, authorized=authorized)
    if isinstance(outcome, Answer):
        stored = outcome.value
        assert stored is not None
        assert known is None
        assert stored.visited == visited == sender != stored.home == home
        assert named_home in {None, home}
        assert wh >= 0
        assert stored.body == message.wire()


# --- credits ------------------------------------------------------------------------------------------------


def credited(original: StoredCdr | None, message: Cdr, *, home: str | None = "C1") -> object:
    facts = CdrFacts(None, home, authorized=False, original=original)
    return intake("C2", message, message.wire(), facts, NOW)


def custody(message: Cdr) -> StoredCdr:
    outcome = judged(message)
    assert isinstance(outcome, Answer)
    assert outcome.value is not None
    return outcome.value


@pytest.mark.parametrize("owner", ["C1", None, "C2", "C3"])
def test_a_credit_goes_where_the_original_went_whosever_the_token_is_now(owner: str | None) -> None:
    original = custody(cdr())
    message = original.cdr.credited_by(UUID(int=5))
    outcome = credited(original, message, home=owner)
    assert isinstance(outcome, Answer)
    assert (outcome.value.home, outcome.value.authorized, outcome.value.cdr) == ("C1", True, message)


def test_a_credit_of_what_is_not_here_is_refused() -> None:
    assert credited(None, cdr().credited_by(UUID(int=5))) == Refuse(
        "UnknownOriginal", "creditReferenceId is not the cdrId of a CDR of yours taken here"
    )


def test_a_second_credit_is_refused() -> None:
    original = custody(cdr())
    message = original.cdr.credited_by(UUID(int=5))
    facts = CdrFacts(None, "C1", authorized=True, original=original, cancelled_by=UUID(int=4))
    outcome = intake("C2", message, message.wire(), facts, NOW)
    assert isinstance(outcome, Refuse)
    assert outcome.code == "AlreadyCredited"
