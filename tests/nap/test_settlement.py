from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from nap.records import CdrState, LedgerRow
from nap.settlement import Balance, balances


def row(
    state: CdrState = CdrState.ACCEPTED, energy_wh: int = 1000, visited: str = "C2", home: str = "C1"
) -> LedgerRow:
    return LedgerRow(uuid4(), "0" * 64, visited, home, energy_wh, energy_wh < 0, state)


def test_each_pair_of_operators_has_a_balance() -> None:
    rows = [
        row(),
        row(CdrState.DELIVERED, 500),
        row(CdrState.DELIVERED, -500),
        row(CdrState.DELIVERED, 600),
        row(CdrState.QUEUED, 9),
        row(CdrState.REJECTED, 8),
        row(visited="C1", home="C2"),
    ]
    assert balances(rows) == [
        Balance("C1", "C2", sessions=1, credits=0, energy_wh=1000, queued=0, rejected=0),
        Balance("C2", "C1", sessions=2, credits=1, energy_wh=1600, queued=1, rejected=1),
    ]
    assert balances([]) == []


@given(st.lists(st.builds(row, st.sampled_from(CdrState), st.integers(1, 9), st.sampled_from(["C2", "C3"]))))
def test_a_session_and_its_credit_weigh_nothing_together(rows: list[LedgerRow]) -> None:
    cancelled = [one._replace(energy_wh=-one.energy_wh, is_credit=True) for one in rows]
    for balance in balances([*rows, *cancelled]):
        assert (balance.sessions, balance.energy_wh) == (0, 0)
