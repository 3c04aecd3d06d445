"""Our own system for authorizations: a hub, a home operator with its tokens, a visited operator a scenario.

Every central system is a process, started as an operator would start it. The home operator C1 consents to all
modes; the visited operator of scenario n is Vn, and its central system knows one mode only, so that a driver
takes exactly the scenario's way.
"""

import asyncio
import csv
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.systems.hub import HubProcess
from benchmarks.systems.services import Service, Services
from scenarios.process import run

HOME = "C1"
PREFIX = "C1-"
"""All tokens begin with it, also those that are not there: these too go all the way to who decides."""

MODES = {1: "whitelist", 2: "hub", 3: "peer", 4: "hub"}
"""What the central system of each scenario is configured to use; in scenario 4 the hub asks home."""

WANTS = {1: "hub,whitelist,peer", 2: "hub,whitelist,peer", 3: "hub,whitelist,peer", 4: "redirect"}
"""The agreement of each scenario's operator; one for three of them, as each agreement is a process start."""

Via = Callable[[str], Awaitable[str]]
"""Puts something, such as a delaying proxy, in front of a URL; returns the URL to use instead."""


async def directly(url: str) -> str:
    """Nothing in front of it."""
    return url


@dataclass(frozen=True, slots=True)
class Drivers:
    """Tokens that drivers present."""

    accepted: Sequence[str]
    blocked: Sequence[str]
    """There, with the status Blocked."""
    unknown: Sequence[str]
    """Not there, though they begin as C1's tokens do."""

    @classmethod
    def of(cls, tokens: int) -> Self:
        """So many tokens, and for every ten of them one that is blocked and one that is not there."""
        few = max(1, tokens // 10)
        return cls(
            accepted=[f"{PREFIX}A{number:08}" for number in range(tokens)],
            blocked=[f"{PREFIX}B{number:08}" for number in range(few)],
            unknown=[f"{PREFIX}U{number:08}" for number in range(few)],
        )

    def write(self, path: Path) -> None:
        """Write those that are there as the CSV file that `cpo-central tokens import` reads."""
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["idTag", "status", "expiryDate", "parentIdTag"])
            writer.writerows((id_tag, "Accepted", "", "") for id_tag in self.accepted)
            writer.writerows((id_tag, "Blocked", "", "") for id_tag in self.blocked)


@dataclass(slots=True)
class Cascade:
    """A running system; made by `Cascade.start`, ended by leaving its `Services`."""

    hub: Service
    hub_url: str
    home: Service
    drivers: Drivers
    visited: dict[int, Service] = field(default_factory=dict)
    """The central systems by scenario."""
    _urls: dict[int, str] = field(default_factory=dict)

    @classmethod
    async def start(
        cls,
        services: Services,
        *,
        scenarios: Sequence[int] = (1, 2, 3, 4),
        tokens: int = 100,
        hub_environment: Mapping[str, str] | None = None,
        central_environment: Mapping[str, str] | None = None,
        via: Via = directly,
    ) -> Self:
        """Start what the scenarios need, and wait until all are linked and hold what they decide from.

        Args:
            services: keeps the processes; no other Cascade has been started with its folder. The hub's database
                may be there already: `hub.sqlite`.
            scenarios: of the paper, 1 to 4; there is a visited operator for each.
            tokens: accepted ones of the home operator; a tenth as many are blocked.
            hub_environment: further settings of the hub, NAP_…
            central_environment: further settings of every central system, CPO_…
            via: asked about the hub's URL for each central system, and about the home operator's for peers.

        Raises:
            ProcessFailedError: a process has ended, or did not become ready.
        """
        site = _Site(services, dict(hub_environment or {}), dict(central_environment or {}), via)
        drivers = Drivers.of(tokens)
        hub, _ = await asyncio.gather(site.start_hub(), site.import_tokens(drivers))
        await site.enter(scenarios)
        home = await site.start_home(with_peers=3 in scenarios)
        cascade = cls(hub.service, hub.url, home, drivers)
        centrals = await asyncio.gather(*(site.start_visited(scenario) for scenario in scenarios))
        for scenario, (central, url) in zip(scenarios, centrals, strict=True):
            cascade.visited[scenario], cascade._urls[scenario] = central, url
        return cascade

    def url(self, scenario: int) -> str:
        """Where the charge points of a scenario connect; their id is appended to it."""
        return self._urls[scenario]

    def processes(self, scenario: int) -> dict[str, Service]:
        """The processes that an authorization of a scenario passes, in order, by what they are in it.

        In scenario 3 these are the ones of a warm contact.
        """
        passed = {"visited": self.visited[scenario], "hub": self.hub, "home": self.home}
        roles = {1: ("visited",), 2: ("visited", "hub"), 3: ("visited", "home"), 4: ("visited", "hub", "home")}
        return {role: passed[role] for role in roles[scenario]}

    @property
    def accepted(self) -> Sequence[str]:
        """Tokens whose drivers are let in."""
        return self.drivers.accepted

    @property
    def denied(self) -> Sequence[str]:
        """Tokens whose drivers are not: blocked and unknown ones in turn."""
        pairs = zip(self.drivers.blocked, self.drivers.unknown, strict=True)
        return [id_tag for pair in pairs for id_tag in pair]


class _Site:
    """Where a Cascade is being built."""

    def __init__(
        self, services: Services, hub_environment: dict[str, str], central_environment: dict[str, str], via: Via
    ) -> None:
        self._services = services
        self._folder = services.folder
        self._hub_environment = hub_environment
        self._central_environment = central_environment
        self._via = via
        self._credentials: dict[str, str] = {}
        self._hub: HubProcess | None = None

    async def start_hub(self) -> HubProcess:
        self._hub = await HubProcess.start(self._services, environment=self._hub_environment)
        return self._hub

    async def import_tokens(self, drivers: Drivers) -> None:
        """Give the home operator its tokens, as many as there are."""
        path = self._folder / f"{HOME}.csv"
        drivers.write(path)
        arguments = ["tokens", "import", str(path), "--database", str(self._database(HOME))]
        await run("cpo-central tokens import", "cpo_central", arguments, {})

    async def enter(self, scenarios: Sequence[int]) -> None:
        """Enter the operators at the hub, those of one agreement together."""
        agreements: dict[str, list[str]] = {WANTS[1]: [HOME]}
        for scenario in scenarios:
            agreements.setdefault(WANTS[scenario], []).append(f"V{scenario}")
        assert self._hub is not None, "started"
        entered = [self._hub.enter(ids, wants) for wants, ids in agreements.items()]
        for credentials in await asyncio.gather(*entered):
            self._credentials |= credentials

    async def start_home(self, *, with_peers: bool) -> Service:
        settings = {"CPO_ID_TAG_PREFIXES": PREFIX}
        if with_peers:
            port = free_port()
            settings["CPO_PEER_PORT"] = str(port)
            settings["CPO_PEER_URL"] = await self._via(f"ws://127.0.0.1:{port}/peer")
        home, _ = await self._start_central(HOME, settings)
        return home

    async def start_visited(self, scenario: int) -> tuple[Service, str]:
        """Start the central system of a scenario; returns its URL for charge points too."""
        central, url = await self._start_central(f"V{scenario}", {"CPO_MODES": MODES[scenario]})
        if MODES[scenario] == "whitelist":
            await central.event("whitelist")
        return central, url

    async def _start_central(self, who: str, settings: dict[str, str]) -> tuple[Service, str]:
        assert self._hub is not None, "started"
        environment = {
            "CPO_OPERATOR_ID": who,
            "CPO_DATABASE": str(self._database(who)),
            "CPO_PORT": "0",
            "CPO_HUB_URL": await self._via(self._hub.url),
            "CPO_HUB_CREDENTIAL": self._credentials[who],
            "CPO_RELINK_BASE_S": "0.05",
            **settings,
            **self._central_environment,
        }
        central = await self._services.start(who, "cpo_central", ["serve"], environment)
        listening = await central.event("listening")
        await central.event("hub_linked")
        await central.event("published")
        return central, listening["url"]

    def _database(self, who: str) -> Path:
        return self._folder / f"{who}.sqlite"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
