"""The hub and the central systems of a simulation: their real parts, on a simulated disk and wire.

Left out is what speaks to a real network: servers, dialling, the link's own pump. They have tests of their own.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cascade.errors import LinkLostError
from cascade.exchange import answering, ask
from cascade.link import Handler
from cascade.recorder import Recorder
from cascade.roaming.cdrs import Cdr, CdrReceipt, CdrStatus
from cpo_central import schema as central_schema
from cpo_central.cdrs.delivery import Delivery, StatusDesk
from cpo_central.cdrs.store import CdrStore
from cpo_central.chargers.transactions import TransactionStore
from cpo_central.drivers.tokens import TokenStore
from cpo_central.roaming.home import Home
from nap.bus.local import LocalBus
from nap.distribution import Distribution
from nap.forwarding import Forwarding
from nap.hub import Hub
from nap.settings import HubSettings
from nap.store import schema as hub_schema
from nap.store.keys import new_ticket_key
from nap.store.sqlite import SqliteStore
from nap.telemetry import Metrics
from tests.faults.simulation.disk import Disk, SimulatedDatabase, image_of
from tests.faults.simulation.node import Node
from tests.faults.simulation.wire import End

OPERATORS = ("A", "B", "C")
DRIVERS = 3
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

SETTINGS = HubSettings(database=Path("simulated"))
METRICS = Metrics()


def tag(home: str, number: int) -> str:
    """The idTag of a driver."""
    return f"{home}-{number:04}"


TAGS = {home: [tag(home, number) for number in range(DRIVERS)] for home in OPERATORS}

INSERT_OPERATOR = (
    "INSERT INTO operators (operator_id, name, secret_hash, consents, wants, enabled, created_at)"
    " VALUES (?, ?, ?, 'hub peer whitelist', 'hub whitelist peer', 1, '2026-01-01T00:00:00Z')"
)
INSERT_OWN_TOKEN = "INSERT INTO own_token (id_key, id_tag, status, change) VALUES (?1, ?1, 'Accepted', ?2)"
INSERT_TOKEN = (
    "INSERT INTO tokens (id_key, id_tag, home, status, deleted, listed, moved, version, generation)"
    " VALUES (?1, ?1, ?2, 'Accepted', 0, 1, 0, 1, 0)"
)


def hub_image(tags: Mapping[str, Sequence[str]], secret_hash: str = "") -> bytes:
    """The hub's disk in the beginning.

    Args:
        tags: the drivers of each operator.
        secret_hash: of the credential of all operators.
    """
    return image_of(
        hub_schema.APPLICATION_ID,
        hub_schema.MIGRATIONS,
        ("INSERT INTO meta VALUES (?, ?)", [("epoch", 1), ("ticket_key", new_ticket_key())]),
        (INSERT_OPERATOR, [(name, name, secret_hash) for name in tags]),
        (INSERT_TOKEN, [(id_tag, home) for home, theirs in tags.items() for id_tag in theirs]),
    )


def central_image(tags: Sequence[str]) -> bytes:
    """A central system's disk in the beginning, with its drivers."""
    return image_of(
        central_schema.APPLICATION_ID,
        central_schema.MIGRATIONS,
        (INSERT_OWN_TOKEN, [(id_tag, number) for number, id_tag in enumerate(tags)]),
    )


HUB_IMAGE = hub_image(TAGS)
CENTRAL_IMAGES = {home: central_image(tags) for home, tags in TAGS.items()}


class HubLife:
    """The hub, from a start to a kill.

    Args:
        disk: its database.
        rng: draws how long commits take.
        clock: the hub's.
    """

    def __init__(self, disk: Disk, rng: random.Random, clock: Callable[[], datetime]) -> None:
        self.node = Node("hub")
        store = SqliteStore(SimulatedDatabase(disk, self.node, rng))
        self.bus = LocalBus()
        self.forwarding = Forwarding(store, self.bus, METRICS, clock)
        recorder = Recorder(store.authorizations.record, interval_s=SETTINGS.record_interval_s)
        self.hub = Hub(
            settings=SETTINGS,
            store=store,
            bus=self.bus,
            distribution=Distribution(store, self.bus),
            forwarding=self.forwarding,
            recorder=recorder,
            metrics=METRICS,
            ticket_public_key="",
            clock=clock,
        )
        self.node.spawn(recorder.run())

    def attach(self, operator_id: str, end: End) -> None:
        """The operator has linked."""
        self.bus.attach(operator_id, end)  # type: ignore[arg-type] # it calls as a Link does
        self.node.run(lambda: self.forwarding.wake(operator_id))


class CentralLife:
    """A central system, from a start to a kill.

    Args:
        operator_id: whose.
        disk: its database.
        rng: draws how long commits take.
        dial: a wire from this operator to the named peer's life of the moment; raises LinkLostError.
    """

    def __init__(
        self, operator_id: str, disk: Disk, rng: random.Random, dial: Callable[[str, str], End]
    ) -> None:
        self.operator_id = operator_id
        self.node = Node(operator_id)
        self.hub: End | None = None
        self._dial = dial
        database = SimulatedDatabase(disk, self.node, rng)
        cdrs = CdrStore(database)
        self.transactions = TransactionStore(database, operator_id)
        self.home = Home(TokenStore(database), cdrs)
        self.delivery = Delivery(store=cdrs, hub=_ByHub(self), peers=_ByPeer(self), retry_s=(0.5, 8.0))
        self.delivery._rng = rng  # type: ignore[assignment] # jitter from the seed
        self.for_hub: dict[str, Handler] = {
            "Authorize": self.home.authorize(None),
            "DataTransfer": answering({Cdr: self.home.cdr(None), CdrStatus: StatusDesk(cdrs).note}),
        }
        self.node.spawn(self.home.run())
        self.node.spawn(self.delivery.run())

    def for_peer(self, peer: str) -> dict[str, Handler]:
        """What a peer may ask."""
        return {
            "Authorize": self.home.authorize(peer),
            "DataTransfer": answering({Cdr: self.home.cdr(peer)}),
        }

    def attach(self, end: End) -> None:
        """The hub is linked."""
        self.hub = end
        self.node.run(self.delivery.hub_is_back)

    def peer(self, home: str) -> End:
        """A link to a peer."""
        return self._dial(self.operator_id, home)


class _ByHub:
    def __init__(self, central: CentralLife) -> None:
        self._central = central

    async def deliver(self, cdr: Cdr) -> CdrReceipt:
        if self._central.hub is None:
            raise LinkLostError("the hub is not linked")
        return await _deliver(self._central.hub, cdr)


class _ByPeer:
    def __init__(self, central: CentralLife) -> None:
        self._central = central

    async def deliver(self, cdr: Cdr) -> CdrReceipt:
        assert cdr.home_operator_id is not None, "a peer's CDR names it"
        return await _deliver(self._central.peer(cdr.home_operator_id), cdr)


def _deliver(end: End, cdr: Cdr) -> Awaitable[CdrReceipt]:
    return ask(end, cdr, CdrReceipt)  # type: ignore[arg-type] # it calls as a Link does
