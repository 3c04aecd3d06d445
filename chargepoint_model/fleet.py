"""Many charge points in one process: a load, and a look at what becomes of it."""

import asyncio
import contextlib
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cascade.errors import LinkLostError
from cascade.trace import FrameTrace
from chargepoint_model.authorizer import FAILED, Authorization
from chargepoint_model.behaviour import State
from chargepoint_model.charger import Charger
from chargepoint_model.commands import drive
from chargepoint_model.station import ChargerSettings

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a fleet is told."""

    charger: ChargerSettings
    """What every charge point is told; its identity is what theirs begin with."""
    count: int
    """How many, 1 or more."""
    id_tags: tuple[str, ...] = ()
    """Whose drivers come to each in turn; `{n}` stands for the charge point's number."""
    connect_rate: float = 50.0
    """How many begin to connect in a second."""
    pause_s: int = 60
    """Model seconds between a driver who leaves and the next who comes."""
    authorize_interval_s: float = 0.0
    """Seconds between two Authorize of each charge point besides its drivers'; 0 for none."""
    report_s: float = 10.0
    """Seconds between two reports."""
    duration_s: float | None = None
    """Seconds until the fleet ends; None if it is to be ended."""


class Latencies:
    """How long authorizations took, since the last report and altogether."""

    def __init__(self) -> None:
        self.failed = 0
        self._all = array("d")
        self._reported = 0

    def add(self, authorization: Authorization) -> None:
        """Count one; what was answered without a question took no time and is not counted."""
        if authorization.status == FAILED:
            self.failed += 1
        elif authorization.ms > 0:
            self._all.append(authorization.ms)

    def recent(self) -> dict[str, Any]:
        """Those since this was asked last."""
        ms, self._reported = self._all[self._reported :], len(self._all)
        return _summary(ms)

    def total(self) -> dict[str, Any]:
        """All of them."""
        return _summary(self._all)


class Fleet:
    """Many charge points.

    Args:
        settings: how many, and what they do.
        trace: where frames are shown while tracing is on.
    """

    def __init__(self, settings: FleetSettings, trace: FrameTrace) -> None:
        self._settings = settings
        self._latencies = Latencies()
        self._began = time.monotonic()
        digits = len(str(settings.count))
        self._chargers = [
            Charger(replace(settings.charger, identity=f"{settings.charger.identity}{n:0{digits}d}"), trace)
            for n in range(1, settings.count + 1)
        ]
        self._linking: list[asyncio.Task[None]] = []

    async def run(self, tell: Tell) -> None:
        """Run until cancelled, or for the duration; then stop every session and say so.

        Args:
            tell: given each report, the last one when all has ended.
        """
        work = [asyncio.create_task(one) for one in (self._connect(), self._ask(), self._report(tell))]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.duration_s):
                    await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await asyncio.gather(*(charger.switch_off() for charger in self._chargers))
            tell({"final": True, **self._counts(), "authorizations": self._latencies.total()})
            for link in self._linking:
                link.cancel()
            await asyncio.gather(*self._linking, return_exceptions=True)

    async def _connect(self) -> None:
        """Let all of them begin, at the rate; a failure to link is each one's own to try again."""
        began = time.monotonic()
        for number, charger in enumerate(self._chargers, 1):
            self._linking.append(asyncio.create_task(charger.run()))
            id_tags = [id_tag.replace("{n}", str(number)) for id_tag in self._settings.id_tags]
            charger.station.spawn(
                drive(charger, id_tags, pause_s=self._settings.pause_s, tell=self._latencies.add)
            )
            await asyncio.sleep(max(began + number / self._settings.connect_rate - time.monotonic(), 0))

    async def _ask(self) -> None:
        """Ask about tags, evenly spread over the charge points and the interval."""
        settings = self._settings
        if not settings.authorize_interval_s or not settings.id_tags:
            return
        due = time.monotonic()
        while True:
            for number, charger in enumerate(self._chargers, 1):
                due = max(due + settings.authorize_interval_s / settings.count, time.monotonic() - 1)
                await asyncio.sleep(max(due - time.monotonic(), 0))
                if charger.booted.is_set():
                    id_tag = settings.id_tags[0].replace("{n}", str(number))
                    charger.station.spawn(self._ask_once(charger, id_tag))

    async def _ask_once(self, charger: Charger, id_tag: str) -> None:
        try:
            self._latencies.add(await charger.authorizer.ask(id_tag))
        except LinkLostError:
            self._latencies.failed += 1

    async def _report(self, tell: Tell) -> None:
        while True:
            await asyncio.sleep(self._settings.report_s)
            tell({"final": False, **self._counts(), "authorizations": self._latencies.recent()})

    def _counts(self) -> dict[str, Any]:
        stations = [charger.station for charger in self._chargers]
        connected = sum(station.link is not None for station in stations)
        connectors = [connector for station in stations for connector in station.connectors.values()]
        return {
            "at_s": round(time.monotonic() - self._began, 3),
            "connected": connected,
            "booted": sum(charger.booted.is_set() for charger in self._chargers),
            "charging": sum(connector.state is State.CHARGING for connector in connectors),
            "transactionsStarted": sum(station.outbox.taken["StartTransaction"] for station in stations),
            "transactionsStopped": sum(station.outbox.taken["StopTransaction"] for station in stations),
            "messagesWaiting": sum(len(station.outbox) for station in stations),
            "authorizationsFailed": self._latencies.failed,
            "linksLost": sum(charger.links for charger in self._chargers) - connected,
        }


def _summary(ms: Sequence[float]) -> dict[str, Any]:
    """How many, and the median and 99th percentile in ms (nearest rank); None where there are none."""
    ordered = sorted(ms)
    if not ordered:
        return {"count": 0, "p50_ms": None, "p99_ms": None}
    p50, p99 = (ordered[max(-(-len(ordered) * rank // 100) - 1, 0)] for rank in (50, 99))
    return {"count": len(ordered), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3)}
