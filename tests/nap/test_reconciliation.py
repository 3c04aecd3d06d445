from itertools import product
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.ledgers import Entry, Ledger, Period
from nap.reconciliation import HUB, reconcile
from nap.records import CdrState, LedgerRow

PERIOD = Period.read("2026-01-01", "2026-02-01")
CDR_ID = UUID(int=1)
DIGEST = "a" * 64


def ledger(operator_id: str, *entries: Entry, period: Period = PERIOD) -> Ledger:
    return Ledger(
        operator_id=operator_id, period_start=period.start, period_end=period.end, entries=tuple(entries)
    )


def entry(direction: str, state: str, route: str = "hub", digest: str = DIGEST, cdr_id: UUID = CDR_ID) -> Entry:
    home = None if (direction, route) == ("sent", "hub") else "C1"
    return Entry.model_validate(
        {
            "cdr_id": cdr_id,
            "digest": digest,
            "visited": "C2",
            "home": home,
            "energy_wh": 1000,
            "direction": direction,
            "route": route,
            "state": state,
        }
    )


def row(state: str, home: str = "C1", cdr_id: UUID = CDR_ID) -> LedgerRow:
    return LedgerRow(cdr_id, DIGEST, "C2", home, 1000, is_credit=False, state=CdrState(state))


def found(hub: list[LedgerRow], *ledgers: Ledger) -> list[tuple[str, str, str]]:
    return [(one.kind, *one.between) for one in reconcile(hub, ledgers).differences]


WAYS = [
    ("Queued", None, None),
    ("Parked", None, None),
    ("Received", "Queued", None),
    ("Delivered", "Delivered", "Received"),
    ("Accepted", "Accepted", "Accepted"),
    ("Rejected", "Rejected", None),
]
"""What the visited operator, the hub and home say of one CDR when they agree."""


@pytest.mark.parametrize(
    ("visited", "hub", "home"),
    list(product(*(dict.fromkeys(states) for states in zip(*WAYS, strict=True)))),
)
def test_three_ledgers_agree_or_do_not(visited: str, hub: str | None, home: str | None) -> None:
    rows = [] if hub is None else [row(hub)]
    at_home = [] if home is None else [entry("received", home)]
    differences = found(rows, ledger("C1", *at_home), ledger("C2", entry("sent", visited)))
    assert (differences == []) is ((visited, hub, home) in WAYS)


def test_what_is_not_where_it_should_be_is_missing_there() -> None:
    assert found([row("Accepted")], ledger("C2")) == [("missing", "C2", HUB)]
    assert found([row("Accepted")], ledger("C1")) == [("missing", HUB, "C1")]
    assert found([], ledger("C2", entry("sent", "Received"))) == [("missing", "C2", HUB)]
    assert found([], ledger("C1", entry("received", "Received"))) == [("missing", HUB, "C1")]
    elsewhere = [row("Accepted", home="C3")]
    assert found(elsewhere, ledger("C1", entry("received", "Accepted"))) == [("missing", HUB, "C1")]


def test_another_body_is_found_by_its_digest() -> None:
    changed = ledger("C2", entry("sent", "Accepted", digest="b" * 64))
    (difference,) = reconcile([row("Accepted")], [changed]).differences
    assert (difference.kind, difference.between) == ("digest", ("C2", HUB))
    assert "a" * 64 in difference.detail


@pytest.mark.parametrize(
    ("sent", "received", "kind"),
    [
        ("Delivered", "Received", None),
        ("Accepted", "Accepted", None),
        ("Queued", None, None),
        ("Parked", None, None),
        ("Accepted", None, "missing"),
        (None, "Accepted", "missing"),
        ("Parked", "Received", "state"),
    ],
)
def test_what_went_from_peer_to_peer_is_compared_between_them(
    sent: str | None, received: str | None, kind: str | None
) -> None:
    home = ledger("C1", *([] if received is None else [entry("received", received, "peer")]))
    visited = ledger("C2", *([] if sent is None else [entry("sent", sent, "peer")]))
    assert found([], home, visited) == ([] if kind is None else [(kind, "C2", "C1")])
    assert found([], visited) == [], "nothing is known of the other's"


def test_what_is_not_settled_is_counted_once() -> None:
    ids = [uuid4() for _ in range(3)]
    hub = [row("Rejected", cdr_id=ids[0]), row("Queued", cdr_id=ids[1])]
    visited = ledger(
        "C2",
        entry("sent", "Rejected", cdr_id=ids[0]),
        entry("sent", "Received", cdr_id=ids[1]),
        entry("sent", "Parked", cdr_id=ids[2]),
    )
    result = reconcile(hub, [visited])
    assert result.differences == []
    assert (result.unsettled, result.counts) == (3, {HUB: 2, "C2": 3})


def test_ledgers_that_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same operator"):
        reconcile([], [ledger("C1"), ledger("C1")])
    with pytest.raises(ValueError, match="different periods"):
        reconcile([], [ledger("C1"), ledger("C2", period=Period())])


@given(st.lists(st.sampled_from(WAYS)), st.data())
def test_one_change_in_one_ledger_is_found(
    ways: list[tuple[str, str | None, str | None]], data: st.DataObject
) -> None:
    numbered = [(UUID(int=number), *way) for number, way in enumerate([*ways, WAYS[3]], 1)]
    hub = [row(state, cdr_id=one) for one, _, state, _ in numbered if state is not None]
    sent = [entry("sent", state, cdr_id=one) for one, state, _, _ in numbered]
    received = [entry("received", state, cdr_id=one) for one, _, _, state in numbered if state is not None]
    assert found(hub, ledger("C2", *sent), ledger("C1", *received)) == []
    gone = data.draw(st.sampled_from(received))
    received.remove(gone)
    (difference,) = reconcile(hub, [ledger("C2", *sent), ledger("C1", *received)]).differences
    assert (difference.cdr_id, difference.kind) == (gone.cdr_id, "missing")
