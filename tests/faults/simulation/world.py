"""One schedule: sessions of roaming drivers, changing lists, and faults between any two steps, from a seed."""

import asyncio
import itertools
import math
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import jwt

from cascade.errors import LinkLostError, StoreError
from cascade.frames import Call
from cpo_central.drivers.authorization import Mode
from tests.faults.outcome import Outcome
from tests.faults.simulation.ages import HUB, Ages
from tests.faults.simulation.disk import Disk
from tests.faults.simulation.drivers import Drivers
from tests.faults.simulation.faults import Faults
from tests.faults.simulation.ledgers import Ledgers
from tests.faults.simulation.lists import Lists
from tests.faults.simulation.machine import simulated
from tests.faults.simulation.node import CURRENT, NothingToWaitForError, VirtualLoop
from tests.faults.simulation.parties import (
    CENTRAL_IMAGES,
    EPOCH,
    HUB_IMAGE,
    OPERATORS,
    CentralLife,
    HubLife,
)
from tests.faults.simulation.registry import Registry
from tests.faults.simulation.wire import LATE_S, End, Wire

T = TypeVar("T")

MODES = (
    (Mode.HUB,),
    (Mode.PEER, Mode.HUB),
    (Mode.HUB, Mode.PEER, Mode.WHITELIST),
    (Mode.PEER, Mode.HUB, Mode.WHITELIST),
    (Mode.WHITELIST, Mode.HUB),
)
"""How a central system authorizes others' drivers; each draws one."""
BATCHES = {"CdrBatch", "CdrStatusBatch"}
END_WITHIN_S = 1500.0
"""Virtual seconds in which all sessions and faults must have come to an end."""
HEALED_WITHIN_S = 200.0
"""Virtual seconds after the last fault in which everything must have come home."""


def run(seed: int) -> Outcome:
    """Run the schedule of a seed: the same seed, the same schedule."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    outcome = Outcome(seed)
    world = World(seed, loop, outcome)
    with simulated(world.dial, world.rng):
        try:
            loop.run_until_complete(world.live())
        except NothingToWaitForError:
            outcome.violations.append("all stand still")
        finally:
            outcome.steps, outcome.virtual_s = loop.steps, loop.now
            loop.after_each_step.clear()
            loop.run_until_complete(world.end())
            asyncio.set_event_loop(None)
            loop.close()
    return outcome


class World:
    """All parties, and the network between them."""

    def __init__(self, seed: int, loop: VirtualLoop, outcome: Outcome) -> None:
        self.outcome = outcome
        self.rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self.hub_disk = Disk(HUB_IMAGE, partial(self._changed, HUB))
        self.disks = {name: Disk(image, partial(self._changed, name)) for name, image in CENTRAL_IMAGES.items()}
        self.clock_offsets = dict.fromkeys((HUB, *OPERATORS), timedelta())
        self.kept_apart: set[str] = set()
        """Those who cannot reach the hub."""
        self.hub: HubLife | None = None
        self.centrals: dict[str, CentralLife | None] = dict.fromkeys(OPERATORS)
        self.wires: dict[Wire, None] = {}
        self._loop = loop
        self._names = itertools.count()
        self._modes = {name: self.rng.choice(MODES) for name in OPERATORS}
        self._changes: set[str] = set()
        databases = {name: disk.connection for name, disk in self.disks.items()}
        self.clocks = {name: partial(self._clock, name) for name in self.clock_offsets}
        self.ages = Ages(self.hub_disk.connection, databases, self.clocks, self.violated)
        self._ledgers = Ledgers(self.hub_disk.connection, databases)
        replicas = [name for name, modes in self._modes.items() if Mode.WHITELIST in modes]
        self._lists = Lists(self.hub_disk.connection, databases, replicas)
        loop.after_each_step.append(self._look)

    def now(self) -> datetime:
        """The true time."""
        return EPOCH + timedelta(seconds=self._loop.now)

    def _clock(self, name: str) -> datetime:
        return self.now() + self.clock_offsets[name]

    def seconds(self) -> float:
        """Since the beginning."""
        return self._loop.now

    def violated(self, what: str) -> None:
        """An invariant does not hold."""
        self.outcome.violations.append(what)

    def _changed(self, name: str) -> None:
        self._changes.add(name)

    def _look(self) -> None:
        """Check what must hold after each step, if a disk has changed in it."""
        if self._changes and not self.outcome.violations:
            changes, self._changes = self._changes, set()
            self.outcome.violations += self._ledgers.broken_by(changes)
            self.outcome.violations += self._lists.broken_by(changes)

    # --- the course of it -----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Start all, let sessions and faults happen, heal, and wait until everybody agrees."""
        self.start_hub()
        for name in OPERATORS:
            self.start_central(name)
        drivers, registry, faults = Drivers(self), Registry(self), Faults(self)
        happenings = [*drivers.happenings(), *registry.happenings(), *faults.happenings()]
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await asyncio.gather(*happenings)
        except TimeoutError:
            self.violated("somebody is never answered")
            return
        await registry.heal()
        await self._agreement(but_for=faults.poisoned)
        faults.cure()
        await self._agreement(but_for=None)

    async def _agreement(self, *, but_for: str | None) -> None:
        """Wait until nothing is missing any more, or nothing but what a charge point's CDRs hold up."""
        deadline = self._loop.now + HEALED_WITHIN_S
        while not self.outcome.violations:
            missing = itertools.chain(self._ledgers.missing(but_for), self._lists.missing())
            first = next(missing, None)
            if first is None:
                return
            if self._loop.now > deadline:
                self.outcome.violations += [first, *missing]
            await asyncio.sleep(2.0)

    async def end(self) -> None:
        """Leave no task behind."""
        for life in (self.hub, *self.centrals.values()):
            if life is not None:
                await life.node.kill()

    # --- lives and links ------------------------------------------------------------------------------------

    def start_hub(self) -> None:
        """Begin a life of the hub."""
        self.hub = HubLife(self.hub_disk, self.rng, self.clocks[HUB])

    def start_central(self, name: str) -> None:
        """Begin a life of a central system."""
        self.centrals[name] = CentralLife(
            name, self.disks[name], self.rng, self.clocks[name], self._modes[name], self.ages
        )

    async def kill(self, life: HubLife | CentralLife) -> None:
        """End a life, and with it its links."""
        for wire in self.wires:
            if life.node in wire.nodes:
                wire.cut()
        await life.node.kill()

    async def dial(self, url: str, *, authorization: str = "", **_: object) -> End:
        """As `cascade.client.dial`, for the node that calls it."""
        caller, to = CURRENT.get(), url.split("/")[2]
        await asyncio.sleep(self.rng.uniform(*LATE_S))
        life = self.hub if to == HUB else self.centrals[to]
        if life is None or (to == HUB and caller.name in self.kept_apart):
            raise LinkLostError(f"{url} cannot be reached")
        admitting = life.node.spawn(life.admits(caller.name, authorization))
        await asyncio.wait({admitting})
        if admitting.cancelled() or not admitting.result():
            raise LinkLostError(f"{url} answered HTTP 401")
        lasts_s = math.inf if to == HUB else self._lasts_s(to, authorization)
        wire = Wire(self.rng, self._names, (caller, life.node), authorization, self._heard, lasts_s)
        self.wires = {wire: None, **{other: None for other in self.wires if not other.is_cut}}
        life.node.spawn(life.receive(caller.name, wire.ends[1]))
        return wire.ends[0]

    def _heard(self, wire: Wire, call: Call) -> None:
        self.outcome.batches += call.payload.get("messageId") in BATCHES
        if self._loop.now > wire.until:
            self.violated(f"{call.action} was heard on a link whose ticket has ended")

    def _lasts_s(self, home: str, authorization: str) -> float:
        """How long a peer's ticket is good, by the clock of whom it is for."""
        claims = jwt.decode(authorization.partition(" ")[2], options={"verify_signature": False})
        return float(claims["exp"] - self._clock(home).timestamp())

    def wires_of(self, name: str) -> list[Wire]:
        """The links of an operator, to the hub and to peers."""
        return [wire for wire in self.wires if any(node.name == name for node in wire.nodes)]

    def keep_apart(self, name: str) -> None:
        """An operator loses the hub, and does not reach it until it is no longer in `kept_apart`."""
        self.kept_apart.add(name)
        for wire in self.wires_of(name):
            if any(node.name == HUB for node in wire.nodes):
                wire.cut()

    async def insist(self, name: str, act: Callable[[CentralLife], Awaitable[T]]) -> T:
        """What a charger, or a person, says to a central system is said again until it is answered."""
        while True:
            life = self.centrals[name]
            if life is not None:
                telling = life.node.spawn(_of(act(life)))
                await asyncio.wait({telling}, timeout=30.0)
                if telling.done() and not telling.cancelled():
                    try:
                        told: T = telling.result()
                    except StoreError:
                        pass
                    else:
                        return told
            await asyncio.sleep(0.5)


async def _of(awaitable: Awaitable[T]) -> T:
    return await awaitable
