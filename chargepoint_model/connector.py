"""A connector: the state table of `behaviour`, run in the model's time."""

import asyncio
from collections.abc import Collection
from typing import assert_never

import structlog

from cascade.frames import Payload
from cascade.logs import masked
from cascade.ocpp16 import AuthorizationStatus, ChargePointStatus, Reason
from chargepoint_model import behaviour, messages
from chargepoint_model.behaviour import IN_TRANSACTION, STATUS, TABLE, Driver, Effect, Event, State, Stop
from chargepoint_model.charging_profiles import ChargingProfiles
from chargepoint_model.configuration import Configuration
from chargepoint_model.measurands import Reading, meter_value
from chargepoint_model.model_time import Alarm, ModelTime
from chargepoint_model.outbox import Outbox
from chargepoint_model.session import Session
from chargepoint_model.supply import Supply

log = structlog.get_logger()


class Connector:
    """One connector of a charge point.

    Args:
        number: its connectorId, 1 or more.
        time: the model's time.
        outbox: takes what it has to say.
        configuration: the charge point's keys.
        profiles: the charge point's charging profiles.
        power_w: what a vehicle draws while it charges and nothing limits it, in W.
    """

    def __init__(
        self,
        number: int,
        *,
        time: ModelTime,
        outbox: Outbox,
        configuration: Configuration,
        profiles: ChargingProfiles,
        power_w: int,
    ) -> None:
        self.number = number
        self.state = State.AVAILABLE
        self.session: Session | None = None
        self.supply = Supply(number, time=time, profiles=profiles, power_w=power_w)
        self.operative = True
        self.reserved = False
        """Whether it is held for somebody as soon as its state allows."""
        self.claimed: int | None = None
        """The reservationId that the driver who was accepted last has used up."""
        self.locked = False
        self.changed = asyncio.Event()
        """Set at the next event; every event brings a new one."""
        self._time = time
        self._outbox = outbox
        self._configuration = configuration
        self._profiles = profiles
        self._accepted: Driver | None = None
        self._held = False
        """Whether it is suspended because no energy may be drawn now."""
        self._plug_in = Alarm(time, lambda: self.happen(Event.CONNECTION_TIMED_OUT))
        self._sampling = Alarm(time, self._sample)
        self._limiting = Alarm(time, self._adapt)

    # --- what can be seen -----------------------------------------------------------------------------------

    @property
    def status(self) -> ChargePointStatus:
        """The state as the central system sees it."""
        return STATUS[self.state]

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is under way."""
        return self.state in IN_TRANSACTION

    @property
    def owner(self) -> Driver | None:
        """Who has been accepted here."""
        return self.session.driver if self.session else self._accepted

    def seconds_until(self, meter_wh: int) -> int | None:
        """Model seconds until the register shows `meter_wh`; None if that is not to be foreseen."""
        self._let_flow()
        return self.supply.seconds_until(meter_wh) if self._draws else None

    async def leave(self, states: Collection[State]) -> None:
        """Wait until the connector is in none of these states."""
        while self.state in states:
            await self.changed.wait()

    # --- what happens ---------------------------------------------------------------------------------------

    def happen(self, event: Event, driver: Driver | None = None) -> None:
        """Let an event happen.

        Args:
            event: what happens.
            driver: who was accepted or came back, for the events that are about a driver.

        Raises:
            EventRefusedError: the state does not know the event; nothing has changed.
        """
        before, following = self.state, behaviour.step(self.state, event)
        self._let_flow()
        log.debug("event", connector=self.number, state=before.name, happened=event.name)
        if event is Event.TAG_ACCEPTED:
            self._accepted = driver
        self.state = following.state
        for effect in following.effects:
            self._carry_out(effect, driver)
        if self.state is not before:
            self._await_plug()
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
        self._go_on()

    def _go_on(self) -> None:
        """Let happen what follows from what the connector has been told before."""
        if self.state is State.STARTING and not self._outbox.is_open:
            self.happen(Event.START_CONFIRMED)
        elif not self.operative and Event.MADE_INOPERATIVE in TABLE[self.state]:
            self.happen(Event.MADE_INOPERATIVE)
        elif self.reserved and Event.RESERVED in TABLE[self.state]:
            self.happen(Event.RESERVED)
        elif self.session is not None:
            self._adapt()

    def go_on_alone(self) -> None:
        """The link is lost: who waits for an answer to a start waits no longer."""
        if self.state is State.STARTING:
            self.happen(Event.START_CONFIRMED)

    def unplug(self) -> None:
        """Take the cable out at the vehicle (StopTransactionOnEVSideDisconnect, section 9.1.25).

        Raises:
            EventRefusedError: there is no cable in it.
        """
        goes_on = not self._configuration.flag("StopTransactionOnEVSideDisconnect")
        pulled = goes_on and Event.CABLE_PULLED in TABLE[self.state]
        self.happen(Event.CABLE_PULLED if pulled else Event.UNPLUGGED)

    def reserve(self, *, reserved: bool) -> None:
        """Be held for somebody from now on, or no longer."""
        self.reserved = reserved
        event = Event.RESERVED if reserved else Event.RESERVATION_ENDED
        if event in TABLE[self.state]:
            self.happen(event)

    def adapt(self) -> None:
        """The configuration or the charging profiles have changed: go by them from now on."""
        self._let_flow()
        self._await_sample()
        self._adapt()

    def close(self) -> None:
        """Leave no timer behind."""
        for alarm in (self._plug_in, self._sampling, self._limiting):
            alarm.cancel()

    # --- what it says ---------------------------------------------------------------------------------------

    def status_notification(self) -> Payload:
        """Its StatusNotification."""
        return messages.status_notification(self.number, self.status, self._time.utc())

    def notify(self) -> None:
        """Say the status."""
        self._outbox.say("StatusNotification", self.status_notification())

    def show_meter(self, context: str, sampled: str, in_stop: str | None = None) -> None:
        """Say what the meter shows.

        Args:
            context: why, a ReadingContext.
            sampled: the key that names what is said; nothing is said if it names nothing.
            in_stop: the key that names what is kept for the StopTransaction.
        """
        reading = self.reading()
        if self.session is not None and in_stop and (names := self._configuration.names(in_stop)):
            self.session.samples.append(meter_value(reading, names, context))
        if not self._configuration.names(sampled):
            return
        payload = self.meter_values(context, sampled)
        if self.session is None:
            self._outbox.say("MeterValues", payload)
        else:
            self._outbox.keep(self.session, "MeterValues", payload)

    def meter_values(self, context: str, sampled: str) -> Payload:
        """A MeterValues of what the key names; of the energy alone if it names nothing."""
        value = meter_value(self.reading(), self._configuration.names(sampled), context)
        return {"connectorId": self.number, "meterValue": [value]}

    def reading(self) -> Reading:
        """What the meter shows now."""
        self._let_flow()
        at = self.supply.at if self.session else self._time.utc()
        offered_w = self.supply.offer().power_w
        return Reading(at, self.supply.meter_wh, offered_w if self._draws else 0, offered_w)

    def _carry_out(self, effect: Effect | Stop, driver: Driver | None) -> None:
        match effect:
            case Effect.NOTIFY:
                self.notify()
            case Effect.AUTHORIZE:
                pass  # whoever presented the tag asks, and brings the answer as the next event
            case Effect.START:
                self._start()
            case Effect.METER:
                self.show_meter("Sample.Periodic", "MeterValuesSampledData", "StopTxnSampledData")
            case Effect.LOCK:
                self.locked = True
            case Effect.UNLOCK:
                self.locked = False
            case Stop(reason):
                self._stop(reason, driver)
            case _:
                assert_never(effect)

    # --- a session ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        assert self._accepted is not None, "the table starts nothing before a driver is accepted"
        self.supply.begin()
        self.session = Session(
            *(self.number, self._accepted, self.supply.began_at, self.supply.meter_wh),
            reservation_id=self.claimed,
        )
        self.claimed, self._held = None, False
        self._mark("Transaction.Begin")
        self._outbox.start(self.session, self._start_answered)
        self._await_sample()

    def _start_answered(self, session: Session) -> None:
        if session is not self.session:  # it ended before it was answered
            return
        accepted = session.start_status == AuthorizationStatus.accepted
        if not accepted and self._configuration.flag("StopTransactionOnInvalidId"):
            self.happen(Event.START_REFUSED)
            return
        self._let_flow()
        self.supply.barred = not accepted
        if self.state is State.STARTING:
            self.happen(Event.START_CONFIRMED)
        else:
            self._adapt()

    def _stop(self, reason: Reason, driver: Driver | None) -> None:
        assert self.session is not None, "the table stops what it has started"
        self._mark("Transaction.End")
        session, self.session, self._accepted = self.session, None, None
        session.stopped_at, session.meter_stop_wh = self.supply.at, self.supply.meter_wh
        self._sampling.cancel()
        self._limiting.cancel()
        self._profiles.of_transaction_over(self.number)
        stop = messages.stop_transaction(
            session.meter_stop_wh, reason, session.stopped_at, driver.id_tag if driver else None
        )
        if session.samples:
            stop["transactionData"] = list(session.samples)
        self._outbox.keep(session, "StopTransaction", stop)
        log.info(
            "session_stopped",
            connector=self.number,
            id_tag=masked(session.driver.id_tag),
            energy_wh=session.meter_stop_wh - session.meter_start_wh,
            reason=str(reason),
        )

    def _mark(self, context: str) -> None:
        """Keep what the meter shows for the StopTransaction, where that carries samples."""
        assert self.session is not None, "a session begins or ends"
        names = self._configuration.names("StopTxnSampledData")
        if names:
            self.session.samples.append(meter_value(self.reading(), names, context))

    def _await_sample(self) -> None:
        interval_s = self._configuration.number("MeterValueSampleInterval")
        if self.session is None or interval_s == 0:
            self._sampling.cancel()
        else:
            self._sampling.set(interval_s)

    def _sample(self) -> None:
        if Event.METER_TICK in TABLE[self.state]:
            self.happen(Event.METER_TICK)
        self._await_sample()

    def _await_plug(self) -> None:
        self._plug_in.cancel()
        if self.state is State.AUTHORIZED:
            self._plug_in.set(self._configuration.number("ConnectionTimeOut"))
        elif not self.in_transaction:
            self._accepted = None

    # --- the supply -----------------------------------------------------------------------------------------

    @property
    def _draws(self) -> bool:
        """Whether a vehicle draws what it may: while it is held back that is nothing, until it is let go."""
        return self.state in behaviour.FLOWING or (self._held and self.state is State.SUSPENDED_EVSE)

    def _let_flow(self) -> None:
        self.supply.flow(drawn=self._draws)

    def _adapt(self) -> None:
        """Go by what is offered now, and look again when that may change."""
        if self.session is None:
            return
        self._let_flow()
        offer = self.supply.offer()
        if offer.change_s is None:
            self._limiting.cancel()
        else:
            self._limiting.set(offer.change_s)
        if self.state is State.CHARGING:
            self._held = offer.power_w == 0
            if self._held:
                self.happen(Event.EVSE_PAUSED)
        elif offer.power_w and self._held and self.state is State.SUSPENDED_EVSE:
            self.happen(Event.EVSE_RESUMED)
