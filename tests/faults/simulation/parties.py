"""The hub and the central systems of a simulation: their real parts, on a simulated disk, wire and clock.

Left out is what speaks to a real network: servers, dialling, the link's own pump. They have tests of their own.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cascade.frames import Payload
from cascade.link import LinkLimits
from cascade.recorder import Recorder
from cascade.roaming.endpoints import PublishEndpoint
from cascade.server import Knock
from cascade.trace import FrameTrace
from cpo_central import schema as central_schema
from cpo_central.app import _hub_handlers
from cpo_central.cdrs.corrections import correct
from cpo_central.cdrs.delivery import Delivery
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import Outbox
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.desk import ChargerDesk, Intervals
from cpo_central.chargers.events import Events
from cpo_central.chargers.transactions import TransactionStore
from cpo_central.drivers.authorization import Mode
from cpo_central.drivers.tokens import TokenStore
from cpo_central.drivers.whitelist import WhitelistStore
from cpo_central.roaming.home import Home
from cpo_central.roaming.hub_client import HubAddress, HubClient
from cpo_central.roaming.peer_client import PeerClient
from cpo_central.roaming.peer_server import PeerServer
from cpo_central.roaming.publication import Publication
from cpo_central.roaming.replication import Replication
from cpo_central.roaming.ticket_key import TicketKeyStore
from nap.app import _public_key
from nap.bus.local import LocalBus
from nap.distribution import Distribution
from nap.forwarding import Forwarding
from nap.hub import Hub
from nap.operators import OperatorLinks
from nap.settings import HubSettings
from nap.store import schema as hub_schema
from nap.store.keys import new_ticket_key
from nap.store.sqlite import SqliteStore
from nap.telemetry import Metrics
from tests.faults.simulation.ages import HUB, Ages, WitnessedAuthorizer
from tests.faults.simulation.disk import Disk, SimulatedDatabase, image_of
from tests.faults.simulation.machine import PAGE, RECORD_INTERVAL_S
from tests.faults.simulation.node import Node
from tests.faults.simulation.wire import End

OPERATORS = ("A", "B", "C")
DRIVERS = 4
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

SETTINGS = HubSettings(
    database=Path("simulated"),
    heartbeat_interval_s=20,
    record_interval_s=RECORD_INTERVAL_S,
    referral_lifetime_s=30.0,
)
METRICS = Metrics()
LIMITS = LinkLimits()
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TICKET_KEY = new_ticket_key()
PUBLIC_KEY = _public_key(TICKET_KEY)


def tag(home: str, number: int) -> str:
    """The idTag of a driver."""
    return f"{home}-{number:04}"


TAGS = {home: [tag(home, number) for number in range(DRIVERS)] for home in OPERATORS}

PUBLISHED = 1000
"""The hub's version in the beginning, more than there are tokens."""
INSERT_OPERATOR = (
    "INSERT INTO operators (operator_id, name, secret_hash, consents, wants, enabled, created_at)"
    " VALUES (?, ?, ?, 'hub peer redirect whitelist', 'hub redirect whitelist peer', 1, '2026-01-01T00:00:00Z')"
)
INSERT_OWN_TOKEN = "INSERT INTO own_token (id_key, id_tag, status, change) VALUES (?1, ?1, 'Accepted', ?2)"
INSERT_TOKEN = (
    "INSERT INTO tokens (id_key, id_tag, home, status, deleted, listed, moved, version, generation)"
    " VALUES (?1, ?1, ?2, 'Accepted', 0, 1, 0, ?3, 0)"
)


def hub_image(tags: Mapping[str, Sequence[str]], secret_hash: str = "") -> bytes:
    """The hub's disk in the beginning.

    Args:
        tags: the drivers of each operator.
        secret_hash: of the credential of all operators.
    """
    held = [(id_tag, home) for home, theirs in tags.items() for id_tag in theirs]
    return image_of(
        hub_schema.APPLICATION_ID,
        hub_schema.MIGRATIONS,
        ("INSERT INTO meta VALUES (?, ?)", [("epoch", 1), ("ticket_key", TICKET_KEY)]),
        (INSERT_OPERATOR, [(name, name, secret_hash) for name in tags]),
        (INSERT_TOKEN, [(*token, version) for version, token in enumerate(held, start=1)]),
        ("UPDATE meta SET value = ? WHERE key = 'version'", [(PUBLISHED,)]),
        ("UPDATE operators SET published_version = ?", [(PUBLISHED,)]),
    )


def central_image(tags: Sequence[str]) -> bytes:
    """A central system's disk in the beginning, with its drivers, whom it has published."""
    return image_of(
        central_schema.APPLICATION_ID,
        central_schema.MIGRATIONS,
        (INSERT_OWN_TOKEN, [(id_tag, number) for number, id_tag in enumerate(tags, start=1)]),
        ("INSERT INTO meta VALUES (?, ?)", [("published_version", PUBLISHED), ("published_change", len(tags))]),
    )


HUB_IMAGE = hub_image(TAGS)
CENTRAL_IMAGES = {home: central_image(tags) for home, tags in TAGS.items()}


class HubLife:
    """The hub, from a start to a kill: as `nap.app` joins its parts.

    Args:
        disk: its database.
        rng: draws how long commits take.
        clock: the hub's.
    """

    def __init__(self, disk: Disk, rng: random.Random, clock: Callable[[], datetime]) -> None:
        self.node = Node(HUB, clock)
        self._store = store = SqliteStore(SimulatedDatabase(disk, self.node, rng))
        self._bus = bus = LocalBus()
        self._distribution = Distribution(store, bus)
        self._forwarding = Forwarding(store, bus, METRICS, clock)
        recorder = Recorder(store.authorizations.record, interval_s=SETTINGS.record_interval_s)
        hub = Hub(
            settings=SETTINGS,
            store=store,
            bus=bus,
            distribution=self._distribution,
            forwarding=self._forwarding,
            recorder=recorder,
            metrics=METRICS,
            ticket_public_key=PUBLIC_KEY,
            clock=clock,
        )
        self._links = OperatorLinks(
            store=store,
            links=bus,
            handlers=hub.handlers,
            on_link=self._on_link,
            limits=LIMITS,
            trace=FrameTrace(HUB),
            metrics=METRICS,
            clock=clock,
        )
        self.node.spawn(recorder.run())

    def _on_link(self, operator_id: str, up: bool) -> None:  # noqa: FBT001 - told by OperatorLinks
        self._distribution.forget(operator_id)
        if up:
            self._forwarding.linked(operator_id)

    async def admits(self, operator_id: str, authorization: str) -> bool:
        """Credentials take long to verify, and have tests of their own."""
        return bool(operator_id and authorization)

    async def receive(self, operator_id: str, end: End) -> None:
        """Speak with an operator."""
        await self._links.receive(operator_id, end)  # type: ignore[arg-type] # it is what a link is made of

    async def look(self) -> None:
        """Notice what the command line has changed."""
        if await self._store.changed_elsewhere():
            self._distribution.wake()
            for operator_id in self._bus.links():
                self._forwarding.wake(operator_id)


class CentralLife:
    """A central system, from a start to a kill: as `cpo_central.app` joins its parts.

    Args:
        operator_id: whose.
        disk: its database.
        rng: draws how long commits take, and jitter.
        clock: of its machine.
        modes: how it authorizes others' drivers.
        ages: watches its authorizations.
    """

    def __init__(
        self,
        operator_id: str,
        disk: Disk,
        rng: random.Random,
        clock: Callable[[], datetime],
        modes: tuple[Mode, ...],
        ages: Ages,
    ) -> None:
        self.node = Node(operator_id, clock)
        self._operator_id = operator_id
        self._database = database = SimulatedDatabase(disk, self.node, rng)
        outbox, whitelist, ticket_key = Outbox(database), WhitelistStore(database), TicketKeyStore(database)
        self.tokens = TokenStore(database)
        home = Home(self.tokens, Intake(database))
        replication = Replication(whitelist) if Mode.WHITELIST in modes else None
        trace = FrameTrace(operator_id)
        self._hub = HubClient(
            handlers=_hub_handlers(home, outbox, replication),
            limits=LIMITS,
            trace=trace,
            relink_s=(0.5, 8.0),
            publication=Publication(self.tokens, page_size=PAGE),
            replication=replication,
            keep_ticket_key=ticket_key.keep,
            on_link=lambda: self.delivery.hub_is_back(),  # noqa: PLW0108 - it is made below
        )
        peers = PeerClient(
            operator_id=operator_id, directory=self._hub, limits=LIMITS, trace=trace, idle_s=60.0, tls=TLS
        )
        self.delivery = Delivery(store=outbox, hub=self._hub, peers=peers, retry_s=(0.5, 8.0))
        for part in (self._hub, self.delivery):
            part._rng = rng  # type: ignore[assignment] # jitter from the seed
        self._desk = ChargerDesk(
            charge_points=ChargePointStore(database),
            transactions=TransactionStore(database, operator_id),
            authorizer=WitnessedAuthorizer(
                ages,
                operator_id,
                tokens=self.tokens,
                whitelist=whitelist,
                modes=modes,
                hub=self._hub,
                peers=peers,
                clock=asyncio.get_running_loop().time,
            ),
            events=Events(),
            intervals=Intervals(300, 60),
            on_cdr=self.delivery.wake,
        ).operations
        self._peer_server = PeerServer(
            operator_id=operator_id, ticket_key=ticket_key, home=home, limits=LIMITS, trace=trace
        )
        address = HubAddress(f"ws://{HUB}/ocpp", operator_id, "a credential", TLS)
        endpoint = PublishEndpoint(url=f"ws://{operator_id}/peer", id_tag_prefixes=(f"{operator_id}-",))
        for work in (home.run(), self.delivery.run(), self._hub.keep(address, endpoint)):
            self.node.spawn(work)

    async def admits(self, visited: str, authorization: str) -> bool:
        """Whether a peer's ticket holds."""
        return await self._peer_server._admit(Knock(visited, None, authorization.partition(" ")[2]))

    async def receive(self, visited: str, end: End) -> None:
        """Speak with a peer."""
        await self._peer_server._receive(visited, end)  # type: ignore[arg-type] # as at the hub

    async def answer(self, charge_point_id: str, action: str, request: Payload) -> Payload:
        """What a charger of ours says, answered."""
        return await self._desk[action](charge_point_id, request)

    async def change(self, act: Callable[[TokenStore], Any]) -> None:
        """Change our drivers' tokens."""
        await act(self.tokens)
        self._hub.tokens_may_have_changed()

    async def correct(self, cdr_id: str, meter_stop: int | None) -> None:
        """Correct a CDR that we have sent."""
        now = self.node.clock()
        await correct(self._database, UUID(cdr_id), meter_stop=meter_stop, session_end=None, now=now)
        self.delivery.wake()
