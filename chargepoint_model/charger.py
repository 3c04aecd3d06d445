"""A charge point on a link: boots, heartbeats, obeys, speaks, and dials again when the link is lost."""

import asyncio
import contextlib
import random

import structlog

from cascade.client import basic, dial, keep_linked, link_url
from cascade.errors import BadResultError, CallTimeoutError, LinkLostError, PeerError
from cascade.link import Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL
from cascade.trace import FrameTrace
from chargepoint_model.authorizer import Authorizer
from chargepoint_model.behaviour import Event
from chargepoint_model.keys import MOST
from chargepoint_model.maintenance import Maintenance
from chargepoint_model.orders import desk
from chargepoint_model.station import ChargerSettings, Station

log = structlog.get_logger()

MAX_SIZE = 64 * 1024
"""The largest message taken, in bytes."""

FAREWELL_S = 5.0
"""How long a charge point that is reset or switched off tries to say what it still has to say."""


class Charger:
    """A charge point.

    Each link begins with a BootNotification: the central system may have been restarted meanwhile.

    Args:
        settings: who it is and how it behaves.
        trace: where frames are shown while tracing is on.
    """

    def __init__(self, settings: ChargerSettings, trace: FrameTrace) -> None:
        self.station = Station(settings)
        self.authorizer = Authorizer(self.station)
        self.maintenance = Maintenance(self.station)
        self.booted = asyncio.Event()
        """Set while there is a link on which the central system has accepted us."""
        self.links = 0
        """How many links were opened."""
        self._settings = settings
        self._trace = trace
        self._starting = True

    # --- the link -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay linked for ever."""
        await keep_linked(
            self.speak,
            name=self._settings.central_name,
            base_s=self._settings.backoff_base_s,
            cap_s=self._settings.backoff_cap_s,
            rng=random.Random(),  # noqa: S311 - jitter, not a secret
        )

    async def speak(self) -> None:
        """Open one link and live on it until it is lost.

        Raises:
            LinkLostError: it could not be opened.
        """
        settings, station = self._settings, self.station
        connection = await dial(
            link_url(settings.url, settings.identity),
            subprotocols=[SUBPROTOCOL],
            max_size=MAX_SIZE,
            authorization=None if station.password is None else basic(settings.identity, station.password),
        )
        link = Link(
            connection,
            peer=settings.central_name,
            handlers=desk.handlers(station, self.authorizer, self.maintenance),
            limits=LinkLimits(call_timeout_s=settings.call_timeout_s),
            trace=self._trace,
        )
        station.link = link
        self.links += 1
        try:
            async with asyncio.TaskGroup() as group:
                life = group.create_task(self._live(link, group))
                resets = group.create_task(self._obey_resets(link))
                await link.run()
                life.cancel()
                resets.cancel()
        finally:
            station.link = station.registration = None
            station.go_on_alone()
            await link.close()

    async def _live(self, link: Link, group: asyncio.TaskGroup) -> None:
        with contextlib.suppress(LinkLostError):
            await self._boot(link)
            self.station.outbox.open()
            self.station.notify_all()
            if self._starting:
                self._starting = False
                self.station.report("StartupOfTheDevice")
                self.maintenance.rebooted()
            self.booted.set()
            heart = group.create_task(self._beat())
            try:
                await self.station.outbox.drain(link)
            finally:
                heart.cancel()
                self.booted.clear()

    async def _boot(self, link: Link) -> None:
        """Ask to be accepted, again and again (OCPP 1.6, section 4.2)."""
        station = self.station
        while True:
            wait_s = self._settings.boot_retry_s
            station.boot_asked.clear()
            try:
                answer = await link.call("BootNotification", station.boot_notification())
            except (PeerError, CallTimeoutError, BadResultError) as error:
                log.warning("boot_failed", because=str(error), retry_s=wait_s)
            else:
                station.registration, interval_s = answer["status"], answer["interval"]
                if station.registration == "Accepted":
                    if interval_s > 0:
                        station.configuration.set("HeartbeatInterval", interval_s)
                    log.info("booted", central=link.peer)
                    return
                wait_s = min(interval_s, MOST) if interval_s > 0 else wait_s
                log.warning("boot_not_accepted", status=station.registration, retry_s=wait_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await station.boot_asked.wait()

    async def _beat(self) -> None:
        """A heartbeat is of the moment, and of real time: it tells that we live."""
        configuration = self.station.configuration
        while True:
            changed = configuration.changed
            try:
                async with asyncio.timeout(configuration.number("HeartbeatInterval")):
                    await changed.wait()
            except TimeoutError:
                self.station.outbox.say("Heartbeat", {})

    async def _obey_resets(self, link: Link) -> None:
        resets = self.station.resets
        kind = await resets.get()
        while not resets.empty():  # one reset does for all that were asked for
            resets.get_nowait()
        self.station.stop_sessions(Event.SOFT_RESET if kind == "Soft" else Event.HARD_RESET)
        if kind == "Soft":
            await self._farewell()
        self.station.report("ResetOrReboot")
        self.station.configuration.restart()
        self._starting = True
        await link.close(1001, "reset", grace_s=1.0)

    async def _farewell(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self.station.outbox.empty()

    async def switch_off(self) -> None:
        """Send the drivers away, stop the sessions, and say so; the link is its owner's to close."""
        await self.station.close()
        self.station.stop_sessions(Event.SWITCHED_OFF)
        if self.booted.is_set():
            await self._farewell()
