"""A charge point on a link: boots, heartbeats, obeys, authorizes drivers, and dials again when it is lost."""

import asyncio
import contextlib
import random
import time
from typing import NamedTuple

import structlog

from cascade.client import basic, dial, keep_linked, link_url
from cascade.errors import BadResultError, CallTimeoutError, LinkLostError, PeerError
from cascade.link import Link, LinkLimits
from cascade.logs import masked
from cascade.ocpp16 import SUBPROTOCOL, AuthorizationStatus
from cascade.trace import FrameTrace
from chargepoint_model.behaviour import Driver, Event, EventRefusedError
from chargepoint_model.configuration import MOST
from chargepoint_model.connector import Connector
from chargepoint_model.orders import Orders
from chargepoint_model.station import ChargerSettings, Station

log = structlog.get_logger()

MAX_SIZE = 64 * 1024
"""The largest message taken, in bytes."""

FAREWELL_S = 5.0
"""How long a charge point that is reset or switched off tries to say what it still has to say."""

FAILED = "Error"
"""The decision on a tag when Authorize was not answered with one."""


class Authorization(NamedTuple):
    """What became of one Authorize."""

    status: str
    """An AuthorizationStatus, or `Error`."""
    ms: float
    """From the request to its response: the paper's authorization time (section 3.4)."""
    at_ns: int
    """The moment of the request, CLOCK_MONOTONIC."""
    driver: Driver | None
    """Who it is, if accepted."""


class Charger:
    """A charge point.

    Each link begins with a BootNotification: the central system may have been restarted meanwhile.

    Args:
        settings: who it is and how it behaves.
        trace: where frames are shown while tracing is on.
    """

    def __init__(self, settings: ChargerSettings, trace: FrameTrace) -> None:
        self.station = Station(settings)
        self.booted = asyncio.Event()
        """Set while there is a link on which the central system has accepted us."""
        self._settings = settings
        self._trace = trace
        self._link: Link | None = None

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
        settings = self._settings
        connection = await dial(
            link_url(settings.url, settings.identity),
            subprotocols=[SUBPROTOCOL],
            max_size=MAX_SIZE,
            authorization=None if settings.password is None else basic(settings.identity, settings.password),
        )
        orders = Orders(self.station)
        link = Link(
            connection,
            peer=settings.central_name,
            handlers=orders.handlers(),
            limits=LinkLimits(call_timeout_s=settings.call_timeout_s),
            trace=self._trace,
        )
        try:
            async with asyncio.TaskGroup() as group:
                life = group.create_task(self._live(link, group))
                resets = group.create_task(self._obey_resets(link, orders))
                await link.run()
                life.cancel()
                resets.cancel()
        finally:
            await link.close()

    async def _live(self, link: Link, group: asyncio.TaskGroup) -> None:
        with contextlib.suppress(LinkLostError):
            await self._boot(link)
            self._link = link
            self.station.outbox.open()
            self.station.notify_all()
            self.booted.set()
            heart = group.create_task(self._beat())
            try:
                await self.station.outbox.drain(link)
            finally:
                heart.cancel()
                self.booted.clear()
                self._link = None

    async def _boot(self, link: Link) -> None:
        """Ask to be accepted, again and again (OCPP 1.6, section 4.2)."""
        while True:
            wait_s = self._settings.boot_retry_s
            try:
                answer = await link.call("BootNotification", self.station.boot_notification())
            except (PeerError, CallTimeoutError, BadResultError) as error:
                log.warning("boot_failed", because=str(error), retry_s=wait_s)
            else:
                interval_s: int = answer["interval"]
                if answer["status"] == "Accepted":
                    if interval_s > 0:
                        self.station.configuration.set("HeartbeatInterval", interval_s)
                    log.info("booted", central=link.peer)
                    return
                wait_s = min(interval_s, MOST) if interval_s > 0 else wait_s
                log.warning("boot_not_accepted", status=answer["status"], retry_s=wait_s)
            await asyncio.sleep(wait_s)

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

    async def _obey_resets(self, link: Link, orders: Orders) -> None:
        kind = await orders.resets.get()
        self.station.stop_sessions(Event.SOFT_RESET if kind == "Soft" else Event.HARD_RESET)
        if kind == "Soft":
            await self._farewell()
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

    # --- drivers --------------------------------------------------------------------------------------------

    async def authorize(self, id_tag: str) -> Authorization:
        """Ask the central system about a tag.

        Raises:
            LinkLostError: there is no link, or it was lost meanwhile.
        """
        link, status, parent = self._link, FAILED, None
        if link is None:
            raise LinkLostError("the charge point is not linked: nobody can be asked")
        payload = {"idTag": id_tag}
        at_ns = time.monotonic_ns()
        began = time.perf_counter()
        try:
            answer = await link.call("Authorize", payload)
            ended = time.perf_counter()
        except (PeerError, CallTimeoutError, BadResultError) as error:
            ended = time.perf_counter()
            log.warning("authorize_failed", id_tag=masked(id_tag), because=str(error))
        else:
            status, parent = answer["idTagInfo"]["status"], answer["idTagInfo"].get("parentIdTag")
        driver = Driver(id_tag, parent) if status == AuthorizationStatus.accepted else None
        return Authorization(status, (ended - began) * 1000, at_ns, driver)

    async def present(self, connector: Connector, id_tag: str) -> Authorization | None:
        """Hold a tag to a connector's reader; None if its owner needed no question.

        Raises:
            EventRefusedError: no tag is read in the connector's state.
            LinkLostError: nobody could be asked.
        """
        presented = Driver(id_tag)
        if connector.owner is not None and connector.owner.owns(presented):
            connector.happen(Event.OWNER_RETURNED, presented)
            return None
        connector.happen(Event.TAG_PRESENTED)
        authorization = await self.authorize(id_tag)
        with contextlib.suppress(EventRefusedError):  # the connector may have gone on while we asked
            connector.happen(*_answered(connector.owner, authorization))
        return authorization


def _answered(owner: Driver | None, authorization: Authorization) -> tuple[Event, Driver | None]:
    """What the answer to a tag is at a connector that may have an owner already."""
    driver = authorization.driver
    if driver is None or (owner is not None and not owner.owns(driver)):
        return Event.TAG_REFUSED, None
    return (Event.TAG_ACCEPTED if owner is None else Event.OWNER_RETURNED), driver
