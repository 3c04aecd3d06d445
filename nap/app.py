"""The composition root: the only place where the hub's adapters are chosen and built."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from cascade import ocpp16
from cascade.admission import Admission
from cascade.errors import StoreError
from cascade.link import LinkLimits
from cascade.recorder import Recorder
from cascade.server import LinkServer
from cascade.service import first_to_end, server_tls
from cascade.trace import FrameTrace
from nap.bus.local import LocalBus
from nap.distribution import Distribution
from nap.forwarding import Forwarding
from nap.hub import Hub
from nap.operators import OperatorLinks
from nap.records import AuthorizationRecord
from nap.settings import HubSettings
from nap.store.port import Store
from nap.store.sqlite import SqliteStore
from nap.telemetry import Health, Metrics

log = structlog.get_logger()


def utc_now() -> datetime:
    """The time of the hub's clock."""
    return datetime.now(UTC)


async def open_store(settings: HubSettings) -> Store:
    """The store that the settings name.

    Raises:
        StoreError: it cannot be used.
    """
    return await SqliteStore.open(settings.database, utc_now())


class HubApp:
    """A hub that can be started and stopped."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._started = AsyncExitStack()
        self._bus = LocalBus()
        self.trace = FrameTrace("hub")
        self.metrics = Metrics()
        self._parts: list[asyncio.Task[None]] = []
        self.store: Store
        self.links: OperatorLinks
        self.url: str

    async def start(self) -> None:
        """Open the store and listen; what was begun is undone if that fails.

        Raises:
            SetupError: the store or the certificate cannot be used.
            OSError: the address cannot be had.
        """
        async with AsyncExitStack() as started:
            await self._start(started)
            self._started = started.pop_all()

    async def broken(self) -> None:
        """Wait for a part that must not end to end, and raise what it ended with."""
        await first_to_end(self._parts)

    async def stop(self) -> None:
        """Drain and close: no call in flight is dropped within the grace."""
        log.info("draining", grace_s=self._settings.drain_grace_s)
        await self._started.aclose()
        log.info("stopped")

    async def _start(self, started: AsyncExitStack) -> None:
        """Start the parts; `started` gets how to stop each, to be done in the opposite order."""
        settings = self._settings
        tls = server_tls(settings.tls_certificate, settings.tls_key)
        self.store = await open_store(settings)
        started.push_async_callback(self.store.close)
        await self.store.operators.forget_links()
        if settings.metrics_port is not None:
            started.callback(self.metrics.expose(settings.host, settings.metrics_port))
        recorder = Recorder(self.store.authorizations.record, interval_s=settings.record_interval_s)
        started.push_async_callback(recorder.flush)
        self._distribution = Distribution(self.store, self._bus)
        self._forwarding = Forwarding(self.store, self._bus, self.metrics, utc_now)
        self.links = self._build_links(recorder)
        started.push_async_callback(self.links.settle)
        for work in (recorder.run(), self._watch_store(), self._prune()):
            self._parts.append(asyncio.create_task(work))
            started.push_async_callback(_cancel, self._parts[-1])
        started.push_async_callback(self._forwarding.stop)
        health = Health(lambda: len(self._bus.links()))
        server = LinkServer(
            prefix="/ocpp",
            gate=self.links.admit,
            reception=self.links.receive,
            subprotocols=(ocpp16.WINDOWED_SUBPROTOCOL, ocpp16.SUBPROTOCOL),
            max_size=settings.message_max_bytes,
            pages={"/health": health.page},
            admission=Admission(pace=settings.admissions_per_s, patience_s=settings.admission_patience_s),
        )
        await server.start(settings.host, settings.port, tls)
        started.push_async_callback(server.stop)
        started.push_async_callback(self.links.drain, settings.drain_grace_s)
        started.callback(server.drain)
        started.callback(health.drain)
        self.url = f"{'wss' if tls else 'ws'}://{settings.host}:{server.port}/ocpp"
        log.info("listening", url=self.url, database=str(settings.database))

    def _build_links(self, recorder: Recorder[AuthorizationRecord]) -> OperatorLinks:
        settings = self._settings
        hub = Hub(
            settings=settings,
            store=self.store,
            bus=self._bus,
            distribution=self._distribution,
            forwarding=self._forwarding,
            recorder=recorder,
            metrics=self.metrics,
            ticket_public_key=_public_key(self.store.ticket_key()),
            clock=utc_now,
        )
        return OperatorLinks(
            store=self.store,
            links=self._bus,
            handlers=hub.handlers,
            on_link=self._on_link,
            limits=LinkLimits(
                window=settings.window,
                call_timeout_s=settings.call_timeout_s,
                send_timeout_s=settings.send_timeout_s,
            ),
            trace=self.trace,
            metrics=self.metrics,
            clock=utc_now,
        )

    def _on_link(self, operator_id: str, up: bool) -> None:  # noqa: FBT001 - told by OperatorLinks
        self._distribution.forget(operator_id)
        if up:
            self._forwarding.linked(operator_id)

    async def _watch_store(self) -> None:
        """Notice what the command line has changed."""
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if await self.store.changed_elsewhere():
                self.links.close_disabled()
                self._distribution.wake()
                for operator_id in self._bus.links():
                    self._forwarding.wake(operator_id)

    async def _prune(self) -> None:
        """Forget old authorizations, and old refusals, once a day and at the start."""
        while True:
            before = utc_now() - timedelta(days=self._settings.keep_authorizations_days)
            try:
                pruned = await self.store.authorizations.prune(before)
                refused = await self.store.cdrs.prune_refused(before)
                log.info("authorizations_pruned", count=pruned, refused_cdrs=refused)
            except StoreError as error:
                log.warning("authorizations_not_pruned", because=str(error))
            await asyncio.sleep(timedelta(days=1).total_seconds())


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _public_key(private_key: str) -> str:
    key = load_pem_private_key(private_key.encode(), password=None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
