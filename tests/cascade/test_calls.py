from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cascade.calls import REMEMBERED, CallLedger, DuplicateIdError, Entry, Stray
from cascade.frames import Call


def a_call(message_id: str) -> Call:
    return Call(message_id, "Heartbeat", {})


def ids(entries: list[Entry[str]]) -> list[str]:
    return [entry.call.message_id for entry in entries]


class LedgerAgainstModel(RuleBasedStateMachine):
    """The ledger beside two plain lists: what is in flight and what waits, as (id, deadline)."""

    @initialize(window=st.integers(1, 4))
    def open(self, window: int) -> None:
        self.window = window
        self.ledger: CallLedger[str] = CallLedger(window)
        self.in_flight: list[tuple[str, float]] = []
        self.waiting: list[tuple[str, float]] = []
        self.begun = 0
        self.left: list[str] = []
        self.unanswered: set[str] = set()
        self.now = 0.0

    @rule(lifetime=st.integers(0, 20))
    def begin(self, lifetime: int) -> None:
        message_id = str(self.begun)
        self.begun += 1
        deadline = self.now + lifetime
        has_place = not self.waiting and len(self.in_flight) < self.window
        assert self.ledger.begin(a_call(message_id), f"waiter of {message_id}", deadline) is has_place
        (self.in_flight if has_place else self.waiting).append((message_id, deadline))

    @precondition(lambda self: self.in_flight or self.waiting)
    @rule(data=st.data())
    def begin_with_the_id_of_one_that_has_not_ended(self, data: st.DataObject) -> None:
        message_id, _ = data.draw(st.sampled_from(self.in_flight + self.waiting))
        with pytest.raises(DuplicateIdError):
            self.ledger.begin(a_call(message_id), "another", self.now)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.in_flight))
        self.in_flight.remove(call)
        self.left.append(call[0])
        entry = self.ledger.settle(call[0])
        assert isinstance(entry, Entry)
        assert (entry.call.message_id, entry.deadline, entry.in_flight) == (*call, True)
        assert entry.waiter == f"waiter of {call[0]}"

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def settle_one_that_has_left(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(self.left))
        expected = Stray.LATE if message_id in self.unanswered else Stray.UNKNOWN
        assert self.ledger.settle(message_id) is expected

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def settle_one_that_was_not_sent(self, data: st.DataObject) -> None:
        message_id, _ = data.draw(st.sampled_from(self.waiting))
        assert self.ledger.settle(message_id) is Stray.UNKNOWN

    @rule(number=st.integers(0, 40))
    def forget(self, number: int) -> None:
        message_id = str(number)
        self.ledger.forget(message_id)
        self._take_out(lambda call: call[0] == message_id)

    @rule(seconds=st.integers(0, 8))
    def expire(self, seconds: int) -> None:
        self.now += seconds
        expired = self.ledger.expire(self.now)
        sent = {call[0] for call in self.in_flight}
        assert ids(expired) == self._take_out(lambda call: call[1] <= self.now)
        assert [entry.in_flight for entry in expired] == [message_id in sent for message_id in ids(expired)]

    @rule()
    def promote(self) -> None:
        free = self.window - len(self.in_flight)
        promoted, self.waiting = self.waiting[:free], self.waiting[free:]
        entries = self.ledger.promote()
        assert ids(entries) == [message_id for message_id, _ in promoted]
        assert all(entry.in_flight for entry in entries)
        self.in_flight += promoted

    @rule()
    def lose(self) -> None:
        lost = [message_id for message_id, _ in self.in_flight + self.waiting]
        assert ids(self.ledger.lose()) == lost
        self.left += lost
        self.in_flight, self.waiting = [], []

    def _take_out(self, is_meant: Callable[[tuple[str, float]], bool]) -> list[str]:
        sent = [call[0] for call in self.in_flight if is_meant(call)]
        unsent = [call[0] for call in self.waiting if is_meant(call)]
        self.unanswered |= set(sent)
        self.left += sent + unsent
        self.in_flight = [call for call in self.in_flight if call[0] not in sent]
        self.waiting = [call for call in self.waiting if call[0] not in unsent]
        return sent + unsent

    @invariant()
    def the_window_holds(self) -> None:
        assert len(self.ledger) == len(self.in_flight) + len(self.waiting)
        assert len(self.in_flight) <= self.window
        assert len(self.left) == len(set(self.left))

    @invariant()
    def the_next_deadline_is_the_earliest(self) -> None:
        deadlines = [deadline for _, deadline in self.in_flight + self.waiting]
        assert self.ledger.next_deadline() == min(deadlines, default=None)


TestLedgerAgainstModel = LedgerAgainstModel.TestCase
TestLedgerAgainstModel.settings = settings(max_examples=40, stateful_step_count=40)


def test_a_window_holds_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CallLedger(0)


def test_a_newcomer_does_not_overtake_those_that_wait() -> None:
    ledger: CallLedger[None] = CallLedger(1)
    assert ledger.begin(a_call("first"), None, 1.0)
    assert not ledger.begin(a_call("second"), None, 1.0)
    ledger.settle("first")
    assert not ledger.begin(a_call("third"), None, 1.0)
    assert [entry.call.message_id for entry in ledger.promote()] == ["second"]


def test_an_id_may_be_used_again_once_its_call_has_ended() -> None:
    ledger: CallLedger[None] = CallLedger(1)
    ledger.begin(a_call("1"), None, 1.0)
    ledger.settle("1")
    assert ledger.begin(a_call("1"), None, 1.0)


def test_calls_that_ended_unanswered_are_remembered_for_a_while_only() -> None:
    ledger: CallLedger[None] = CallLedger(1)
    for number in range(REMEMBERED + 1):
        ledger.begin(a_call(str(number)), None, 1.0)
        ledger.forget(str(number))
    assert ledger.settle("0") is Stray.UNKNOWN
    assert ledger.settle("1") is Stray.LATE
