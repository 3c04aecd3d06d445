"""What a charge point consists of, link or no link: connectors, configuration keys, an outbox, tasks."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from cascade.frames import Payload
from cascade.ocpp16 import ChargePointStatus
from chargepoint_model import messages
from chargepoint_model.behaviour import TABLE, Event
from chargepoint_model.configuration import Configuration
from chargepoint_model.connector import Connector
from chargepoint_model.model_time import ModelTime
from chargepoint_model.outbox import Outbox

log = structlog.get_logger()


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
    """A charge point without its link.

    Args:
        settings: how many connectors, what vehicles take, how fast time passes.
    """

    def __init__(self, settings: ChargerSettings) -> None:
        self.settings = settings
        self.operative = True
        self.time = ModelTime(settings.time_scale)
        self.configuration = Configuration(settings.connectors)
        self.outbox = Outbox(self.configuration)
        self.connectors = {
            number: Connector(
                number,
                time=self.time,
                outbox=self.outbox,
                configuration=self.configuration,
                power_w=settings.power_w,
            )
            for number in range(1, settings.connectors + 1)
        }
        self._tasks: set[asyncio.Task[None]] = set()

    def notify(self) -> None:
        """Say the status of the charge point as a whole: connector 0."""
        status = ChargePointStatus.available if self.operative else ChargePointStatus.unavailable
        self.outbox.say("StatusNotification", messages.status_notification(0, status, self.time.utc()))

    def notify_all(self) -> None:
        """Say every status, as a charge point does after a boot."""
        self.notify()
        for connector in self.connectors.values():
            connector.notify()

    def boot_notification(self) -> Payload:
        """The payload of our BootNotification."""
        return messages.boot_notification(self.settings.identity)

    def stop_sessions(self, event: Event) -> None:
        """Let an event that ends transactions happen wherever there is one."""
        for connector in self.connectors.values():
            if connector.in_transaction:
                connector.happen(event)

    def make(self, connector: Connector, *, operative: bool) -> bool:
        """Change a connector's availability; False if it changes when its transaction ends."""
        connector.operative = operative
        event = Event.MADE_OPERATIVE if operative else Event.MADE_INOPERATIVE
        if event in TABLE[connector.state]:
            connector.happen(event)
        return operative or not connector.in_transaction

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; a failure of it is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

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
        for connector in self.connectors.values():
            connector.close()
