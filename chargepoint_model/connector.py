"""A connector: the state table of `behaviour`, run in the model's time."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from cascade.frames import Payload
from cascade.logs import masked
from cascade.ocpp16 import AuthorizationStatus, ChargePointStatus, Reason
from chargepoint_model import behaviour, messages
from chargepoint_model.behaviour import IN_TRANSACTION, STATUS, TABLE, Driver, Effect, Event, State, Stop
from chargepoint_model.configuration import Configuration
from chargepoint_model.model_time import ModelTime
from chargepoint_model.outbox import Outbox
from chargepoint_model.session import Session

log = structlog.get_logger()


class Connector:
    """One connector of a charge point.

    Args:
        number: its connectorId, 1 or more.
        time: the model's time.
        outbox: takes what it has to say.
        configuration: the charge point's keys.
        power_w: what a vehicle draws while it charges, in W.
    """

    def __init__(
        self, number: int, *, time: ModelTime, outbox: Outbox, configuration: Configuration, power_w: int
    ) -> None:
        self.number = number
        self.state = State.AVAILABLE
        self.session: Session | None = None
        self.power_w = power_w
        self.operative = True
        self.locked = False
        self.changed = asyncio.Event()
        """Set at the next change of state; every change brings a new one."""
        self._time = time
        self._outbox = outbox
        self._configuration = configuration
        self._accepted: Driver | None = None
        self._plug_in_timer: asyncio.TimerHandle | None = None
        self._watt_seconds = 0
        self._metered_until = time.seconds()
        self._session_began = 0.0

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

    @property
    def meter_wh(self) -> int:
        """The register, in Wh."""
        return behaviour.reading(self._watt_seconds)

    def seconds_until(self, meter_wh: int) -> int:
        """Model seconds of charging until the register shows `meter_wh`."""
        self._let_flow()
        missing = meter_wh * behaviour.WATT_SECONDS_PER_WH - self._watt_seconds
        return behaviour.seconds_for(missing, self.power_w)

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
        if not self.operative and Event.MADE_INOPERATIVE in TABLE[self.state]:
            self.happen(Event.MADE_INOPERATIVE)

    def close(self) -> None:
        """Leave no timer behind."""
        if self._plug_in_timer is not None:
            self._plug_in_timer.cancel()
            self._plug_in_timer = None

    def notify(self) -> None:
        """Say the status."""
        self._outbox.say(
            "StatusNotification",
            messages.status_notification(self.number, self.status, self._time.utc()),
        )

    def show_meter(self) -> None:
        """Say what the meter shows, because the central system asked."""
        self._let_flow()
        payload = self._meter_values("Trigger")
        if self.session is None:
            self._outbox.say("MeterValues", payload)
        else:
            self._outbox.keep(self.session, "MeterValues", payload)

    def _carry_out(self, effect: Effect | Stop, driver: Driver | None) -> None:
        match effect:
            case Effect.NOTIFY:
                self.notify()
            case Effect.AUTHORIZE:
                pass  # whoever presented the tag asks, and brings the answer as the next event
            case Effect.START:
                self._start()
            case Effect.METER:
                assert self.session is not None, "the table meters transactions only"
                self._outbox.keep(self.session, "MeterValues", self._meter_values("Sample.Periodic"))
            case Effect.LOCK:
                self.locked = True
            case Effect.UNLOCK:
                self.locked = False
            case Stop(reason):
                self._stop(reason, driver)
            case _:
                assert_never(effect)

    def _start(self) -> None:
        assert self._accepted is not None, "the table starts nothing before a driver is accepted"
        self.session = Session(self.number, self._accepted, self._time.utc(), self.meter_wh)
        self._session_began = self._metered_until = self._time.seconds()
        self._outbox.start(self.session, self._start_answered)

    def _start_answered(self, session: Session) -> None:
        if session is self.session:  # else it ended before it was answered
            accepted = session.start_status == AuthorizationStatus.accepted
            self.happen(Event.START_CONFIRMED if accepted else Event.START_REFUSED)

    def _stop(self, reason: Reason, driver: Driver | None) -> None:
        assert self.session is not None, "the table stops what it has started"
        session, self.session, self._accepted = self.session, None, None
        session.stopped_at, session.meter_stop_wh = self._at(session), self.meter_wh
        stop = messages.stop_transaction(
            self.meter_wh, reason, session.stopped_at, driver.id_tag if driver else None
        )
        self._outbox.keep(session, "StopTransaction", stop)
        log.info(
            "session_stopped",
            connector=self.number,
            id_tag=masked(session.driver.id_tag),
            energy_wh=session.meter_stop_wh - session.meter_start_wh,
            reason=str(reason),
        )

    def _meter_values(self, context: str) -> Payload:
        at = self._at(self.session) if self.session else self._time.utc()
        power_w = self.power_w if self.state in behaviour.FLOWING else 0
        return messages.meter_values(self.number, self.meter_wh, power_w, at, context=context)

    def _at(self, session: Session) -> datetime:
        """The session's time: whole seconds since its start, the same that its meter has run."""
        return session.started_at + timedelta(seconds=round(self._metered_until - self._session_began))

    def _let_flow(self) -> None:
        """Bring the meter to the present, in whole seconds."""
        seconds = int(self._time.seconds() - self._metered_until)
        self._watt_seconds += behaviour.flow(self.state, self.power_w, seconds)
        self._metered_until += seconds

    def _await_plug(self) -> None:
        self.close()
        if self.state is State.AUTHORIZED:
            patience_s = self._configuration.number("ConnectionTimeOut")
            self._plug_in_timer = self._time.later(patience_s, lambda: self.happen(Event.CONNECTION_TIMED_OUT))
        elif not self.in_transaction:
            self._accepted = None
