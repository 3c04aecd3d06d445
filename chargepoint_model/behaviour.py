"""The life of a connector: a table of states, events and effects, without a socket or a clock.

The rules:

1. A connector is in one `State`. Several states show the central system the same ChargePointStatus
   (OCPP 1.6, sections 4.9 and 7.7); what tells them apart is the cable and the driver.
2. The table says for each state which events it knows, which state follows, and which effects the event
   has, in their order. An event that the state does not know is refused and changes nothing.
3. Whenever the status shown changes, `Effect.NOTIFY` comes after the effects of the table.
4. A transaction begins with `Effect.START` and ends with one `Stop`: exactly the states of
   `IN_TRANSACTION` lie between the two. Its meter runs in the states of `FLOWING` only.
5. A tag that is read changes nothing until it has been answered. In a transaction only its owner may end
   it: whoever presents the same idTag, without case, or one of the same parent (OCPP 1.6, section 4.1).
6. Whether the central system confirms a start is known only when it has answered: until then the vehicle
   waits, unless nobody can be asked. A start that it does not accept, however late, ends as DeAuthorized.
7. A reservation holds a connector, with or without a cable in it, until a driver is accepted there.

A row with another state, event or effect extends the table: nothing else knows what a state is followed by.
"""

from enum import Enum, auto
from typing import NamedTuple

from cascade.errors import CascadeError
from cascade.ocpp16 import ChargePointStatus, Reason
from cascade.roaming.model import id_key


class State(Enum):
    """What a connector is doing."""

    AVAILABLE = auto()
    PLUGGED = auto()
    """The cable is in, no driver has been accepted."""
    AUTHORIZED = auto()
    """A driver has been accepted, the cable is not in."""
    STARTING = auto()
    """StartTransaction has been sent and not yet answered."""
    CHARGING = auto()
    SUSPENDED_EV = auto()
    """The vehicle takes no energy."""
    SUSPENDED_EVSE = auto()
    """The connector offers no energy."""
    INTERRUPTED = auto()
    """The cable was pulled at the vehicle, and the transaction goes on (StopTransactionOnEVSideDisconnect)."""
    FINISHING = auto()
    """The transaction has ended, the cable is still in."""
    RESERVED = auto()
    RESERVED_PLUGGED = auto()
    UNAVAILABLE = auto()
    UNAVAILABLE_PLUGGED = auto()
    FAULTED = auto()
    FAULTED_PLUGGED = auto()


class Event(Enum):
    """What happens to a connector."""

    PLUGGED_IN = auto()
    UNPLUGGED = auto()
    CABLE_PULLED = auto()
    """Unplugged at the vehicle where that ends no transaction."""
    TAG_PRESENTED = auto()
    """A tag was read, and must be asked about."""
    TAG_ACCEPTED = auto()
    """A driver may charge: the tag was accepted, or a RemoteStartTransaction named it."""
    TAG_REFUSED = auto()
    OWNER_RETURNED = auto()
    """The driver who was accepted here, or one with the same parent, presented the tag again."""
    CONNECTION_TIMED_OUT = auto()
    """An accepted driver has not plugged in (ConnectionTimeOut)."""
    START_CONFIRMED = auto()
    """The central system has accepted it, or cannot be asked now."""
    START_REFUSED = auto()
    METER_TICK = auto()
    """It is time for a meter value."""
    EV_PAUSED = auto()
    EV_RESUMED = auto()
    EVSE_PAUSED = auto()
    EVSE_RESUMED = auto()
    REMOTE_STOP = auto()
    UNLOCK_REQUESTED = auto()
    SOFT_RESET = auto()
    HARD_RESET = auto()
    SWITCHED_OFF = auto()
    FAULT = auto()
    FAULT_CLEARED = auto()
    RESERVED = auto()
    RESERVATION_ENDED = auto()
    """It was cancelled, or its time is over."""
    MADE_INOPERATIVE = auto()
    """By ChangeAvailability; a connector in a transaction changes after it."""
    MADE_OPERATIVE = auto()


class Effect(Enum):
    """What a connector does about an event."""

    NOTIFY = auto()
    """Send a StatusNotification."""
    AUTHORIZE = auto()
    """Send an Authorize for the tag presented; the answer is the next event."""
    START = auto()
    """Send a StartTransaction."""
    METER = auto()
    """Send MeterValues."""
    LOCK = auto()
    UNLOCK = auto()


class Stop(NamedTuple):
    """Send a StopTransaction."""

    reason: Reason


class Step(NamedTuple):
    """Where an event leads."""

    state: State
    effects: tuple[Effect | Stop, ...] = ()


class EventRefusedError(CascadeError):
    """The state does not know the event: nothing has changed."""

    def __init__(self, state: State, event: Event) -> None:
        known = ", ".join(sorted(other.name for other in TABLE[state]))
        super().__init__(f"{event.name} cannot happen while {state.name}: only {known}")
        self.state = state
        self.event = event


class Driver(NamedTuple):
    """Who was accepted at a connector."""

    id_tag: str
    parent_id_tag: str | None = None

    def owns(self, presented: "Driver") -> bool:
        """Whether the tag presented may end what this driver began."""
        if id_key(self.id_tag) == id_key(presented.id_tag):
            return True
        if self.parent_id_tag is None or presented.parent_id_tag is None:
            return False
        return id_key(self.parent_id_tag) == id_key(presented.parent_id_tag)


STATUS = {
    State.AVAILABLE: ChargePointStatus.available,
    State.PLUGGED: ChargePointStatus.preparing,
    State.AUTHORIZED: ChargePointStatus.preparing,
    State.STARTING: ChargePointStatus.preparing,
    State.CHARGING: ChargePointStatus.charging,
    State.SUSPENDED_EV: ChargePointStatus.suspended_ev,
    State.SUSPENDED_EVSE: ChargePointStatus.suspended_evse,
    State.INTERRUPTED: ChargePointStatus.suspended_ev,
    State.FINISHING: ChargePointStatus.finishing,
    State.RESERVED: ChargePointStatus.reserved,
    State.RESERVED_PLUGGED: ChargePointStatus.reserved,
    State.UNAVAILABLE: ChargePointStatus.unavailable,
    State.UNAVAILABLE_PLUGGED: ChargePointStatus.unavailable,
    State.FAULTED: ChargePointStatus.faulted,
    State.FAULTED_PLUGGED: ChargePointStatus.faulted,
}

IN_TRANSACTION = frozenset({
    *(State.STARTING, State.CHARGING, State.SUSPENDED_EV, State.SUSPENDED_EVSE, State.INTERRUPTED),
})  # fmt: skip
FLOWING = frozenset({State.CHARGING})

_START = (Effect.LOCK, Effect.START)

_REASONS: dict[Event, Reason] = {
    Event.OWNER_RETURNED: Reason.local,
    Event.REMOTE_STOP: Reason.remote,
    Event.UNLOCK_REQUESTED: Reason.unlock_command,
    Event.SOFT_RESET: Reason.soft_reset,
    Event.HARD_RESET: Reason.hard_reset,
    Event.SWITCHED_OFF: Reason.reboot,
    Event.START_REFUSED: Reason.de_authorized,
}

_ENDINGS: dict[Event, Step] = {
    Event.UNPLUGGED: Step(State.AVAILABLE, (Stop(Reason.ev_disconnected), Effect.UNLOCK)),
    Event.FAULT: Step(State.FAULTED_PLUGGED, (Stop(Reason.other), Effect.UNLOCK)),
    **{event: Step(State.FINISHING, (Stop(reason), Effect.UNLOCK)) for event, reason in _REASONS.items()},
}
"""How every transaction may end."""


def _tag_read(state: State) -> dict[Event, Step]:
    """A tag may be read here; it changes nothing until it has been answered, nor if it is refused."""
    return {Event.TAG_PRESENTED: Step(state, (Effect.AUTHORIZE,)), Event.TAG_REFUSED: Step(state)}


TABLE: dict[State, dict[Event, Step]] = {
    State.AVAILABLE: {
        **_tag_read(State.AVAILABLE),
        Event.PLUGGED_IN: Step(State.PLUGGED),
        Event.TAG_ACCEPTED: Step(State.AUTHORIZED),
        Event.UNLOCK_REQUESTED: Step(State.AVAILABLE, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED),
        Event.RESERVED: Step(State.RESERVED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE),
    },
    State.PLUGGED: {
        **_tag_read(State.PLUGGED),
        Event.UNPLUGGED: Step(State.AVAILABLE),
        Event.TAG_ACCEPTED: Step(State.STARTING, _START),
        Event.UNLOCK_REQUESTED: Step(State.PLUGGED, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED_PLUGGED),
        Event.RESERVED: Step(State.RESERVED_PLUGGED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE_PLUGGED),
    },
    State.AUTHORIZED: {
        **_tag_read(State.AUTHORIZED),
        Event.PLUGGED_IN: Step(State.STARTING, _START),
        Event.OWNER_RETURNED: Step(State.AVAILABLE),
        Event.CONNECTION_TIMED_OUT: Step(State.AVAILABLE),
        Event.UNLOCK_REQUESTED: Step(State.AUTHORIZED, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE),
    },
    State.STARTING: {
        **_tag_read(State.STARTING),
        **_ENDINGS,
        Event.START_CONFIRMED: Step(State.CHARGING),
    },
    State.CHARGING: {
        **_tag_read(State.CHARGING),
        **_ENDINGS,
        Event.METER_TICK: Step(State.CHARGING, (Effect.METER,)),
        Event.CABLE_PULLED: Step(State.INTERRUPTED),
        Event.EV_PAUSED: Step(State.SUSPENDED_EV),
        Event.EVSE_PAUSED: Step(State.SUSPENDED_EVSE),
    },
    State.SUSPENDED_EV: {
        **_tag_read(State.SUSPENDED_EV),
        **_ENDINGS,
        Event.METER_TICK: Step(State.SUSPENDED_EV, (Effect.METER,)),
        Event.CABLE_PULLED: Step(State.INTERRUPTED),
        Event.EV_RESUMED: Step(State.CHARGING),
        Event.EVSE_PAUSED: Step(State.SUSPENDED_EVSE),
    },
    State.SUSPENDED_EVSE: {
        **_tag_read(State.SUSPENDED_EVSE),
        **_ENDINGS,
        Event.METER_TICK: Step(State.SUSPENDED_EVSE, (Effect.METER,)),
        Event.CABLE_PULLED: Step(State.INTERRUPTED),
        Event.EVSE_RESUMED: Step(State.CHARGING),
    },
    State.INTERRUPTED: {
        **_tag_read(State.INTERRUPTED),
        **_ENDINGS,
        Event.METER_TICK: Step(State.INTERRUPTED, (Effect.METER,)),
        Event.PLUGGED_IN: Step(State.CHARGING),
    },
    State.FINISHING: {
        **_tag_read(State.FINISHING),
        Event.UNPLUGGED: Step(State.AVAILABLE),
        Event.TAG_ACCEPTED: Step(State.STARTING, _START),
        Event.UNLOCK_REQUESTED: Step(State.FINISHING, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED_PLUGGED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE_PLUGGED),
    },
    State.RESERVED: {
        **_tag_read(State.RESERVED),
        Event.PLUGGED_IN: Step(State.RESERVED_PLUGGED),
        Event.TAG_ACCEPTED: Step(State.AUTHORIZED),
        Event.UNLOCK_REQUESTED: Step(State.RESERVED, (Effect.UNLOCK,)),
        Event.RESERVATION_ENDED: Step(State.AVAILABLE),
        Event.FAULT: Step(State.FAULTED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE),
    },
    State.RESERVED_PLUGGED: {
        **_tag_read(State.RESERVED_PLUGGED),
        Event.UNPLUGGED: Step(State.RESERVED),
        Event.TAG_ACCEPTED: Step(State.STARTING, _START),
        Event.UNLOCK_REQUESTED: Step(State.RESERVED_PLUGGED, (Effect.UNLOCK,)),
        Event.RESERVATION_ENDED: Step(State.PLUGGED),
        Event.FAULT: Step(State.FAULTED_PLUGGED),
        Event.MADE_INOPERATIVE: Step(State.UNAVAILABLE_PLUGGED),
    },
    State.UNAVAILABLE: {
        Event.PLUGGED_IN: Step(State.UNAVAILABLE_PLUGGED),
        Event.UNLOCK_REQUESTED: Step(State.UNAVAILABLE, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED),
        Event.MADE_OPERATIVE: Step(State.AVAILABLE),
    },
    State.UNAVAILABLE_PLUGGED: {
        Event.UNPLUGGED: Step(State.UNAVAILABLE),
        Event.UNLOCK_REQUESTED: Step(State.UNAVAILABLE_PLUGGED, (Effect.UNLOCK,)),
        Event.FAULT: Step(State.FAULTED_PLUGGED),
        Event.MADE_OPERATIVE: Step(State.PLUGGED),
    },
    State.FAULTED: {
        Event.PLUGGED_IN: Step(State.FAULTED_PLUGGED),
        Event.UNLOCK_REQUESTED: Step(State.FAULTED, (Effect.UNLOCK,)),
        Event.FAULT_CLEARED: Step(State.AVAILABLE),
    },
    State.FAULTED_PLUGGED: {
        Event.UNPLUGGED: Step(State.FAULTED),
        Event.UNLOCK_REQUESTED: Step(State.FAULTED_PLUGGED, (Effect.UNLOCK,)),
        Event.FAULT_CLEARED: Step(State.PLUGGED),
    },
}


def step(state: State, event: Event) -> Step:
    """What follows when `event` happens in `state`.

    Raises:
        EventRefusedError: the state does not know the event.
    """
    following = TABLE[state].get(event)
    if following is None:
        raise EventRefusedError(state, event)
    if STATUS[following.state] == STATUS[state]:
        return following
    return Step(following.state, (*following.effects, Effect.NOTIFY))


# --- the meter: whole watt-seconds, so that nothing is lost between two readings in Wh ----------------------

WATT_SECONDS_PER_WH = 3600


def reading(watt_seconds: int) -> int:
    """What the meter shows, in Wh: it shows a watt-hour when all of it has flowed."""
    return watt_seconds // WATT_SECONDS_PER_WH


def seconds_for(watt_seconds: int, power_w: int) -> int:
    """The whole seconds, 0 or more, until `watt_seconds` have flowed at `power_w`, 1 or more."""
    return max(-(-watt_seconds // power_w), 0)
