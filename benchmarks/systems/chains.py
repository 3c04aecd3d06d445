"""The baselines as chains of processes, with the hops of a scenario.

One hop answers at the central system (scenario 1), two at the hub (2) or at home (3), three at home, asked by
the hub (4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from benchmarks.systems.cascade import Via, directly
from benchmarks.systems.services import Service, Services

Kind = Literal["bare", "naive", "http", "fastest"]

ACCEPTED = tuple(f"ACCEPT-{number:04}" for number in range(100))
DENIED = tuple(f"DENY-{number:04}" for number in range(10))
"""What every baseline accepts, and what it denies."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A running chain; made by `Chain.start`, ended by leaving its `Services`."""

    url: str
    """Where its charge points connect."""
    processes: Mapping[str, Service]
    """In the order in which an authorization passes them, by what they are."""

    @classmethod
    async def start(cls, services: Services, kind: Kind, hops: int, *, via: Via = directly) -> Self:
        """Start a chain and wait until all of it is linked.

        Args:
            services: keeps the processes.
            kind: how it is built.
            hops: 1 to 3.
            via: asked about each URL that one of them dials.

        Raises:
            ProcessFailedError: a process has ended, or did not become ready.
        """
        build = _Build(services, kind, f"{kind}-{hops}", via)
        match hops, kind:
            case 1, _:
                await build.listening("central")
            case 2, _:
                hub = await build.listening("hub")
                await build.listening("central", upstream=hub)
            case _, "http":  # nothing is dialled by home: it is a server of the hub's
                home = await build.listening("home")
                hub = await build.listening("hub", "--ask-home", upstream=home)
                await build.listening("central", upstream=hub)
            case _:
                hub = await build.listening("hub", "--ask-home")
                await build.linked("home", upstream=hub)
                await build.listening("central", upstream=hub)
        order = ("central", "hub", "home")
        return cls(build.url, {role: build.processes[role] for role in order if role in build.processes})


class _Build:
    def __init__(self, services: Services, kind: Kind, name: str, via: Via) -> None:
        self._services = services
        self._via = via
        self._kind = kind
        self._name = name
        self.processes: dict[str, Service] = {}
        self.url = ""

    async def listening(self, role: str, *arguments: str, upstream: str | None = None) -> str:
        """Start a process that listens; returns where."""
        service = await self._start(role, arguments, upstream)
        event = await service.event("listening")
        self.url = str(event["url"])
        return self.url

    async def linked(self, role: str, upstream: str) -> None:
        """Start a process that dials."""
        service = await self._start(role, (), upstream)
        await service.event("linked")

    async def _start(self, role: str, arguments: Sequence[str], upstream: str | None) -> Service:
        dialled = () if upstream is None else ("--upstream", await self._via(upstream))
        module = f"benchmarks.baselines.{self._kind}"
        service = await self._services.start(
            f"{self._name}-{role}", module, ["--role", role, *arguments, *dialled], {}
        )
        self.processes[role] = service
        return service
