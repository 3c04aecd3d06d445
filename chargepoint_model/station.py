"""What a charge point consists of, link or no link: connectors, keys, tags, reservations, an outbox, tasks."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from cascade.errors import BadValueError, CallFailed
from cascade.frames import Payload
from cascade.link import Link
from cascade.ocpp16 import ChargePointStatus
from chargepoint_model import messages
from chargepoint_model.behaviour import TABLE, Driver, Event, State
from chargepoint_model.certificates import Certificates
from chargepoint_model.charging_profiles import ChargingProfiles
from chargepoint_model.configuration import Configuration
from chargepoint_model.connector import Connector
from chargepoint_model.local_authorization import LocalAuthorization, TagInfo, tag_info
from chargepoint_model.model_time import Alarm, ModelTime
from chargepoint_model.outbox import Outbox
from chargepoint_model.reservations import Reservation, Reservations

log = structlog.get_logger()

FREE = (State.AVAILABLE, State.PLUGGED)
"""Where a driver may begin who has reserved nothing."""

ALIGNED_TO_S = 86_400
"""Clock-aligned intervals are counted from midnight (section 9.1.4)."""


@dataclass(frozen=True, slots=True)
class ChargerSettings:
    """What a charge point is told when it is made."""

    url: str
    """ws:// or wss://, without the identity."""
    identity: str
    connectors: int = 1
    password: str | None = None
    """HTTP Basic, if given (OCPP 1.6 security profiles 1 and 2)."""
    central_name: str = "central"
    """The central system's name in logs and traces."""
    energy_wh: int = 7400
    """What a vehicle takes before its driver comes back."""
    power_w: int = 22_000
    time_scale: float = 1.0
    """Model seconds per second, for sessions; infinite if nobody is to wait."""
    call_timeout_s: float = 10.0
    boot_retry_s: float = 10.0
    """Until the next BootNotification when the central system has named no interval."""
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 60.0


class Station:
    """A charge point without its life on a link.

    Args:
        settings: how many connectors, what vehicles take, how fast time passes.
    """

    def __init__(self, settings: ChargerSettings) -> None:
        self.settings = settings
        self.operative = True
        self.link: Link | None = None
        self.registration: str | None = None
        """What BootNotification was answered with on this link; None before that."""
        self.boot_asked = asyncio.Event()
        """Set when the central system asks for a BootNotification before it has accepted us."""
        self.resets: asyncio.Queue[str] = asyncio.Queue()
        """The resets asked for, `Soft` or `Hard`; who holds the link carries them out."""
        self.time = ModelTime(settings.time_scale)
        self.configuration = Configuration(settings.connectors)
        self.tags = LocalAuthorization()
        self.reservations = Reservations()
        self.certificates = Certificates()
        self.profiles = ChargingProfiles(settings.connectors)
        self.outbox = Outbox(self.configuration, self.learn)
        self.connectors = {
            number: Connector(
                number,
                time=self.time,
                outbox=self.outbox,
                configuration=self.configuration,
                profiles=self.profiles,
                power_w=settings.power_w,
            )
            for number in range(1, settings.connectors + 1)
        }
        self._expiry = Alarm(self.time, self._let_expire)
        self._aligned = Alarm(self.time, self._meter_all)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def password(self) -> str | None:
        """The credential of HTTP Basic: the AuthorizationKey, once the central system has set one."""
        return self.configuration.text("AuthorizationKey") or self.settings.password

    # --- what it says ---------------------------------------------------------------------------------------

    def boot_notification(self) -> Payload:
        """The payload of our BootNotification."""
        return messages.boot_notification(self.settings.identity)

    def status_notification(self) -> Payload:
        """The status of the charge point as a whole: connector 0."""
        status = ChargePointStatus.available if self.operative else ChargePointStatus.unavailable
        return messages.status_notification(0, status, self.time.utc())

    def notify(self) -> None:
        """Say the status of the charge point as a whole."""
        self.outbox.say("StatusNotification", self.status_notification())

    def notify_all(self) -> None:
        """Say every status, as a charge point does after a boot."""
        self.notify()
        for connector in self.connectors.values():
            connector.notify()

    def report(self, kind: str) -> None:
        """Report a security event, now or as soon as there is a link (whitepaper, section 4.10)."""
        self.outbox.report("SecurityEventNotification", messages.security_event(kind, self.time.utc()))

    def say_asked(self, action: str, payload: Payload) -> None:
        """Say what the central system has asked for, which it may before it has accepted us (section 4.2)."""
        if self.outbox.is_open:
            self.outbox.say(action, payload)
        elif self.link is not None:
            self.spawn(self._say_on(self.link, action, payload))

    @staticmethod
    async def _say_on(link: Link, action: str, payload: Payload) -> None:
        try:
            await link.call(action, payload)
        except CallFailed as error:
            log.warning("not_delivered", action=action, because=str(error))

    # --- connectors -----------------------------------------------------------------------------------------

    def stop_sessions(self, event: Event) -> None:
        """Let an event that ends transactions happen wherever there is one."""
        for connector in self.connectors.values():
            if connector.in_transaction:
                connector.happen(event)

    def go_on_alone(self) -> None:
        """The link is lost: sessions go on without an answer."""
        for connector in self.connectors.values():
            connector.go_on_alone()

    def make(self, connector: Connector, *, operative: bool) -> bool:
        """Change a connector's availability; False if it changes when its transaction ends."""
        connector.operative = operative
        event = Event.MADE_OPERATIVE if operative else Event.MADE_INOPERATIVE
        if event in TABLE[connector.state]:
            connector.happen(event)
        return operative or not connector.in_transaction

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change keys or charging profiles: the meters run up to now by the old, and on by the new."""
        for connector in self.connectors.values():
            connector.reading()
        yield
        for connector in self.connectors.values():
            connector.adapt()
        self._await_aligned()

    def _await_aligned(self) -> None:
        interval_s = self.configuration.number("ClockAlignedDataInterval")
        if interval_s == 0:
            self._aligned.cancel()
            return
        now = self.time.utc()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        passed_s = (now - midnight).total_seconds()
        due_s = min(interval_s - passed_s % interval_s, ALIGNED_TO_S - passed_s)
        self._aligned.set(due_s if due_s > 0.5 else due_s + interval_s)  # it was due just now

    def _meter_all(self) -> None:
        for connector in self.connectors.values():
            connector.show_meter("Sample.Clock", "MeterValuesAlignedData", "StopTxnAlignedData")
        self._await_aligned()

    # --- tags and reservations ------------------------------------------------------------------------------

    def known(self, id_tag: str) -> TagInfo | None:
        """What is known here about a tag, by the list and the cache as far as they are enabled."""
        return self.tags.known(
            id_tag,
            self.time.utc(),
            in_list=self.configuration.flag("LocalAuthListEnabled"),
            in_cache=self.configuration.flag("AuthorizationCacheEnabled"),
        )

    def learn(self, id_tag: str, info: Payload) -> None:
        """Keep what the central system has answered about a tag."""
        if self.configuration.flag("AuthorizationCacheEnabled"):
            with suppress(BadValueError):  # an expiry that is in no calendar
                self.tags.remember(id_tag, tag_info(info))

    def admits(self, connector: Connector, driver: Driver) -> bool:
        """Whether the reservations let a driver use a connector."""
        free = sum(
            one.state in FREE and self.reservations.on(one.number) is None for one in self.connectors.values()
        )
        return self.reservations.allow(connector.number, driver, free)

    def accept(self, connector: Connector, driver: Driver) -> None:
        """Let a driver who was accepted begin, and use up the reservation that is held for it.

        Raises:
            EventRefusedError: nobody can begin in the connector's state.
        """
        claimed = self.reservations.claimed(connector.number, driver)
        connector.claimed = claimed.reservation_id if claimed else None
        connector.happen(Event.TAG_ACCEPTED, driver)
        if claimed:
            self.reservations.remove(claimed.reservation_id)
            connector.reserved = self.reservations.on(connector.number) is not None

    def reserve(self, reservation: Reservation) -> None:
        """Hold a connector, or any, for somebody; a reservation with the same id is replaced."""
        self.release(reservation.reservation_id)
        self.reservations.add(reservation)
        if reservation.connector_id:
            self.connectors[reservation.connector_id].reserve(reserved=True)
        self._let_expire()

    def release(self, reservation_id: int) -> bool:
        """End a reservation; False if there is none with this id."""
        reservation = self.reservations.remove(reservation_id)
        if reservation is not None and reservation.connector_id:
            self.connectors[reservation.connector_id].reserve(reserved=False)
        return reservation is not None

    def _let_expire(self) -> None:
        now = self.time.utc()
        for reservation in self.reservations.expired(now):
            self.release(reservation.reservation_id)
        following = min((one.expires_at for one in self.reservations), default=None)
        if following is None:
            self._expiry.cancel()
        else:
            self._expiry.set(max((following - now) / timedelta(seconds=1), 0.001))

    # --- tasks ----------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside; a failure of it is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", error=repr(error))

    async def close(self) -> None:
        """Leave no task and no timer behind."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for alarm in (self._expiry, self._aligned):
            alarm.cancel()
        for connector in self.connectors.values():
            connector.close()
