"""A hub and three central systems as processes on real files, which can be killed and started again."""

import asyncio
import contextlib
import os
import resource
import secrets
import signal
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from argon2 import PasswordHasher

from benchmarks.systems.services import Service
from cpo_central.drivers.tokens import TokenStore
from cpo_central.schema import open_database
from scenarios.process import Event
from tests.faults.processes.network import FaultyProxy
from tests.faults.simulation.ledgers import Ledgers
from tests.faults.simulation.lists import Lists
from tests.faults.simulation.parties import OPERATORS, central_image, hub_image

CREDENTIAL = "a-credential-of-this-run"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(CREDENTIAL)
HUB = "hub"
MODES = {"A": "hub,whitelist", "B": "peer,hub,whitelist", "C": "whitelist,hub"}
"""All keep a replica, and go on with it while nobody can be asked."""


LISTENING = range(10_000, 30_000)
"""Below the ports that the kernel gives to outgoing connections: nobody takes one while its process is dead."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on at the moment."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(LISTENING)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


class Site:
    """The processes of one run.

    Args:
        folder: for databases and logs.
        tags: the drivers of each operator.
    """

    def __init__(self, folder: Path, tags: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        self._lives = 0
        self._running: dict[str, Service] = {}
        self._held = {name: asyncio.Lock() for name in self.parties}
        hub_port, *ports = free_ports(1 + 2 * len(OPERATORS))
        self._hub_port = hub_port
        self.ports = dict(zip(OPERATORS, ports[: len(OPERATORS)], strict=True))
        """Where chargers link."""
        self._peer_ports = dict(zip(OPERATORS, ports[len(OPERATORS) :], strict=True))
        self.to_hub = {name: FaultyProxy(hub_port) for name in OPERATORS}
        self.to_peer = {name: FaultyProxy(port) for name, port in self._peer_ports.items()}
        self._database(HUB).write_bytes(hub_image(tags, HASH))
        for name in OPERATORS:
            self._database(name).write_bytes(central_image(tags[name]))

    def _database(self, name: str) -> Path:
        return self._folder / f"{name}.sqlite"

    @property
    def parties(self) -> tuple[str, ...]:
        """Who may be killed."""
        return (HUB, *OPERATORS)

    async def start_all(self) -> None:
        """Start everything and wait until all are linked."""
        for proxy in (*self.to_hub.values(), *self.to_peer.values()):
            await proxy.start()
        await asyncio.gather(*map(self.start, self.parties))
        await asyncio.gather(*(self._running[name].event("published") for name in OPERATORS))

    async def start(self, name: str) -> None:
        """Start a process on its database and its port, and wait until it listens."""
        self._lives += 1
        module, settings = (
            ("nap", self._hub_settings()) if name == HUB else ("cpo_central", self._settings(name))
        )
        life = f"{name}-{self._lives}"
        service = await Service.start(life, module, ["serve"], settings, self._folder)
        self._running[name] = service
        await service.event("listening")

    def _hub_settings(self) -> dict[str, str]:
        return {
            "NAP_DATABASE": str(self._database(HUB)),
            "NAP_PORT": str(self._hub_port),
            "NAP_CALL_TIMEOUT_S": "2",
            "NAP_SEND_TIMEOUT_S": "2",
        }

    def _settings(self, name: str) -> dict[str, str]:
        return {
            "CPO_OPERATOR_ID": name,
            "CPO_DATABASE": str(self._database(name)),
            "CPO_PORT": str(self.ports[name]),
            "CPO_HUB_URL": f"ws://127.0.0.1:{self.to_hub[name].port}/ocpp",
            "CPO_HUB_CREDENTIAL": CREDENTIAL,
            "CPO_MODES": MODES[name],
            "CPO_PEER_PORT": str(self._peer_ports[name]),
            "CPO_PEER_URL": f"ws://127.0.0.1:{self.to_peer[name].port}/peer",
            "CPO_CALL_TIMEOUT_S": "2",
            "CPO_RELINK_BASE_S": "0.05",
            "CPO_RELINK_CAP_S": "0.5",
            "CPO_CDR_RETRY_BASE_S": "0.05",
            "CPO_CDR_RETRY_CAP_S": "0.5",
        }

    async def block(self, home: str, id_tag: str) -> None:
        """Block a driver, as the command line does while the central system runs."""
        database = open_database(self._database(home))
        try:
            await TokenStore(database).block(id_tag)
        finally:
            await database.close()

    async def event(self, name: str, event: str) -> Event:
        """What a process has logged, or will within a minute."""
        return await self._running[name].event(event)

    # --- faults ---------------------------------------------------------------------------------------------

    def holding(self, name: str) -> asyncio.Lock:
        """A process has one fault at a time."""
        return self._held[name]

    async def kill(self, name: str) -> None:
        """`kill -9`."""
        service = self._running[name]
        service.kill()
        await service.stop()

    def pause(self, name: str) -> None:
        """Let a process stand still."""
        os.kill(self._running[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        os.kill(self._running[name].pid, signal.SIGCONT)

    def fill_disk(self, name: str) -> None:
        """Let no file of a process grow any more: a write beyond fails, as on a full disk."""
        log = self._database(name).with_name(f"{name}.sqlite-wal")
        size = log.stat().st_size if log.exists() else 0
        _, hard = resource.prlimit(self._running[name].pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._running[name].pid, resource.RLIMIT_FSIZE, (size, hard))

    def free_disk(self, name: str) -> None:
        """There is space again."""
        _, hard = resource.prlimit(self._running[name].pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._running[name].pid, resource.RLIMIT_FSIZE, (hard, hard))

    # --- the end --------------------------------------------------------------------------------------------

    def broken_now(self) -> list[str]:
        """What must always hold, and does not."""
        with self._databases() as (hub, centrals):
            return list(Ledgers(hub, centrals).broken_now())

    def missing(self) -> list[str]:
        """What must hold in the end, and does not yet."""
        with self._databases() as (hub, centrals):
            return [*Ledgers(hub, centrals).missing(), *Lists(hub, centrals, OPERATORS).missing()]

    @property
    def batches(self) -> int:
        """Messages of the hub with several CDRs, or statuses of CDRs."""
        return sum(proxy.batches for proxy in self.to_hub.values())

    def at_home(self) -> int:
        """CDRs that have come home."""
        with self._databases() as (hub, centrals):
            return Ledgers(hub, centrals).at_home()

    @contextlib.contextmanager
    def _databases(self) -> Iterator[tuple[sqlite3.Connection, dict[str, sqlite3.Connection]]]:
        with ExitStack() as opened:
            hub, *centrals = (
                opened.enter_context(closing(sqlite3.connect(f"file:{self._database(name)}?mode=ro", uri=True)))
                for name in self.parties
            )
            yield hub, dict(zip(OPERATORS, centrals, strict=True))

    async def stop(self) -> None:
        """End every process and proxy."""
        for service in self._running.values():
            service.kill()
            await service.stop()
        for proxy in (*self.to_hub.values(), *self.to_peer.values()):
            await proxy.stop()
