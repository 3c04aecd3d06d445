"""What fails: processes, links, disks, clocks, and a CDR that a receiver cannot answer for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.faults.simulation.ages import HUB
from tests.faults.simulation.disk import Disk
from tests.faults.simulation.parties import OPERATORS

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

FAULTS = (2, 7)
WITHIN_S = 60.0
POISONED = 0.15
"""The part of schedules in which one charge point's CDRs cannot be taken."""


class Faults:
    """The faults of a schedule.

    Args:
        world: where they happen.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.poisoned: str | None = None
        """The charge point whose CDRs are not taken, until they are cured."""

    def happenings(self) -> list[Coroutine[Any, Any, None]]:
        """Each is one fault, and its end."""
        rng = self._world.rng
        faults = [self._fault() for _ in range(rng.randint(*FAULTS))]
        if rng.random() < POISONED:
            self._poison()
        return faults

    async def _fault(self) -> None:
        rng, outcome = self._world.rng, self._world.outcome
        faults: dict[str, Callable[[str, float], Awaitable[None]]] = {
            "kill the hub": self._kill_hub,
            "kill a central system": self._kill_central,
            "cut a link": self._cut,
            "keep from the hub": self._keep_apart,
            "silence a link": self._silence,
            "fill a disk": self._fill,
            "slow a disk": self._slow,
            "set a clock": self._set_clock,
        }
        what = rng.choice(list(faults))
        where, lasts_s = rng.choice(OPERATORS), rng.choice((0.05, 0.5, 5.0, 20.0)) * rng.uniform(0.5, 1.5)
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S))
        outcome.faults[what] = outcome.faults.get(what, 0) + 1
        await faults[what](where, lasts_s)

    async def _kill_hub(self, _: str, lasts_s: float) -> None:
        world = self._world
        hub, world.hub = world.hub, None
        if hub is not None:
            await world.kill(hub)
            await asyncio.sleep(lasts_s)
            world.start_hub()

    async def _kill_central(self, name: str, lasts_s: float) -> None:
        world = self._world
        central, world.centrals[name] = world.centrals[name], None
        if central is not None:
            await world.kill(central)
            await asyncio.sleep(lasts_s)
            world.start_central(name)

    async def _cut(self, name: str, _: float) -> None:
        for wire in self._world.wires_of(name):
            wire.cut()

    async def _keep_apart(self, name: str, lasts_s: float) -> None:
        self._world.keep_apart(name)
        await asyncio.sleep(lasts_s)
        self._world.kept_apart.discard(name)

    async def _silence(self, name: str, lasts_s: float) -> None:
        wires = self._world.wires_of(name)
        if wires:
            wire = self._world.rng.choice(wires)
            wire.is_silent = True
            await asyncio.sleep(lasts_s)
            wire.cut()

    def _disk(self, name: str) -> Disk:
        return self._world.rng.choice((self._world.disks[name], self._world.hub_disk))

    async def _fill(self, name: str, lasts_s: float) -> None:
        disk = self._disk(name)
        disk.is_full = True
        await asyncio.sleep(lasts_s)
        disk.is_full = False

    async def _slow(self, name: str, lasts_s: float) -> None:
        disk = self._disk(name)
        disk.is_slow = True
        await asyncio.sleep(lasts_s)
        disk.is_slow = False

    async def _set_clock(self, name: str, lasts_s: float) -> None:
        rng = self._world.rng
        whose = rng.choice((name, HUB))
        self._set(whose, timedelta(seconds=rng.choice((-3600, -1, 1, 3600))))
        await asyncio.sleep(lasts_s)
        self._set(whose, timedelta())

    def _set(self, whose: str, offset: timedelta) -> None:
        self._world.clock_offsets[whose] = offset
        self._world.ages.jumps += 1

    # --- a CDR that nobody can take -------------------------------------------------------------------------

    def _poison(self) -> None:
        """From the beginning, until all others' CDRs have come home: these must not hold them up."""
        world = self._world
        self.poisoned = f"CP-{world.rng.randint(0, 2)}"
        world.outcome.faults["poison a CDR"] = 1
        if world.rng.random() < 0.5:
            world.hub_disk.poison("cdrs", self.poisoned)
        else:
            for disk in world.disks.values():
                disk.poison("received_cdr", self.poisoned)

    def cure(self) -> None:
        """Let it be taken."""
        for disk in (self._world.hub_disk, *self._world.disks.values()):
            disk.cure()
