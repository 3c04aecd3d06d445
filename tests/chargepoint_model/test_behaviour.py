import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cascade.ocpp16 import ChargePointStatus, Reason
from chargepoint_model.behaviour import (
    IN_TRANSACTION,
    STATUS,
    TABLE,
    Driver,
    Effect,
    Event,
    EventRefusedError,
    State,
    Stop,
    reading,
    seconds_for,
    step,
)

tags = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)


class ConnectorUnderAnyEvents(RuleBasedStateMachine):
    """Whatever happens, in whatever order: what is started is stopped once, and the meter runs forward."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.AVAILABLE
        self.started = 0
        self.stopped = 0
        self.shown = STATUS[State.AVAILABLE]
        self.locked = False

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        if event not in TABLE[self.state]:
            with pytest.raises(EventRefusedError, match=event.name):
                step(self.state, event)
            return
        following = step(self.state, event)
        for effect in following.effects:
            self.take(effect, following.state)
        self.state = following.state

    def take(self, effect: Effect | Stop, following: State) -> None:
        match effect:
            case Effect.START:
                self.started += 1
            case Stop():
                self.stopped += 1
            case Effect.NOTIFY:
                self.shown = STATUS[following]
            case Effect.METER:
                assert self.started == self.stopped + 1
            case Effect.LOCK:
                self.locked = True
            case Effect.UNLOCK:
                self.locked = False
            case _:
                assert effect is Effect.AUTHORIZE

    @invariant()
    def one_transaction_from_start_to_stop(self) -> None:
        assert self.started - self.stopped == (1 if self.state in IN_TRANSACTION else 0)

    @invariant()
    def the_cable_is_held_as_long_as_the_transaction(self) -> None:
        assert self.locked == (self.state in IN_TRANSACTION)

    @invariant()
    def the_central_system_knows_the_status(self) -> None:
        assert self.shown == STATUS[self.state]


TestAnyEvents = ConnectorUnderAnyEvents.TestCase
TestAnyEvents.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_path_of_a_session() -> None:
    state, path = State.AVAILABLE, []
    for event in (
        Event.PLUGGED_IN,
        Event.TAG_PRESENTED,
        Event.TAG_ACCEPTED,
        Event.START_CONFIRMED,
        Event.METER_TICK,
        Event.OWNER_RETURNED,
        Event.UNPLUGGED,
    ):
        state, effects = step(state, event)
        path.append((STATUS[state], effects))
    assert path == [
        (ChargePointStatus.preparing, (Effect.NOTIFY,)),
        (ChargePointStatus.preparing, (Effect.AUTHORIZE,)),
        (ChargePointStatus.preparing, (Effect.LOCK, Effect.START)),
        (ChargePointStatus.charging, (Effect.NOTIFY,)),
        (ChargePointStatus.charging, (Effect.METER,)),
        (ChargePointStatus.finishing, (Stop(Reason.local), Effect.UNLOCK, Effect.NOTIFY)),
        (ChargePointStatus.available, (Effect.NOTIFY,)),
    ]


def test_a_start_that_is_refused_ends_as_deauthorized() -> None:
    state, effects = step(State.STARTING, Event.START_REFUSED)
    assert state is State.FINISHING
    assert Stop(Reason.de_authorized) in effects


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Event.OWNER_RETURNED, Reason.local),
        (Event.REMOTE_STOP, Reason.remote),
        (Event.UNPLUGGED, Reason.ev_disconnected),
        (Event.UNLOCK_REQUESTED, Reason.unlock_command),
        (Event.SOFT_RESET, Reason.soft_reset),
        (Event.HARD_RESET, Reason.hard_reset),
        (Event.SWITCHED_OFF, Reason.reboot),
        (Event.START_REFUSED, Reason.de_authorized),
        (Event.FAULT, Reason.other),
    ],
)
@pytest.mark.parametrize("state", [state for state in State if state in IN_TRANSACTION])
def test_every_transaction_may_end_in_every_way(state: State, event: Event, reason: Reason) -> None:
    following, effects = step(state, event)
    assert effects[:2] == (Stop(reason), Effect.UNLOCK)
    assert following not in IN_TRANSACTION


def test_a_refused_event_says_what_could_have_happened() -> None:
    with pytest.raises(EventRefusedError) as refused:
        step(State.FAULTED, Event.TAG_ACCEPTED)
    assert str(refused.value) == (
        "TAG_ACCEPTED cannot happen while FAULTED: only FAULT_CLEARED, PLUGGED_IN, UNLOCK_REQUESTED"
    )
    assert (refused.value.state, refused.value.event) == (State.FAULTED, Event.TAG_ACCEPTED)


def test_every_state_has_a_row_and_every_event_a_place() -> None:
    assert set(TABLE) == set(STATUS) == set(State)
    assert {event for row in TABLE.values() for event in row} == set(Event)


def test_every_state_can_be_reached_and_left() -> None:
    reached, edge = {State.AVAILABLE}, [State.AVAILABLE]
    while edge:
        following = {one.state for one in TABLE[edge.pop()].values()} - reached
        reached |= following
        edge += following
    assert reached == set(State)
    assert all(any(one.state is not state for one in TABLE[state].values()) for state in State)


@given(tags)
def test_the_same_tag_owns_whatever_its_case(tag: str) -> None:
    assert Driver(tag.lower()).owns(Driver(tag.upper()))


@given(tags, tags, tags)
def test_another_tag_owns_only_by_its_parent(parent: str, one: str, other: str) -> None:
    assert Driver(one, parent.lower()).owns(Driver(other, parent.upper()))
    if one.upper() != other.upper():
        assert not Driver(one).owns(Driver(other))
        assert not Driver(one, parent).owns(Driver(other))
        assert not Driver(one).owns(Driver(other, parent))
        assert not Driver(one, parent).owns(Driver(other, parent + "x"))


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_the_seconds_for_an_amount_suffice_and_one_less_does_not(amount: int, power_w: int) -> None:
    seconds = seconds_for(amount, power_w)
    assert power_w * seconds >= amount
    assert amount == 0 or power_w * (seconds - 1) < amount


def test_what_has_flowed_already_takes_no_time() -> None:
    assert seconds_for(-1, 22_000) == 0


def test_an_hour_at_22_kw_is_22_kwh() -> None:
    assert reading(22_000 * 3600) == 22_000
    assert reading(3599) == 0, "a watt-hour is shown when all of it has flowed"
