"""One schedule: sessions of roaming drivers, and faults between any two steps, all drawn from a seed."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from cascade.errors import CallFailed, LinkLostError, StoreError
from cpo_central.cdrs.decisions import Stop
from cpo_central.chargers.transactions import Start
from cpo_central.drivers.authorization import DecidedBy, Decision
from tests.faults.outcome import Outcome
from tests.faults.simulation.disk import Disk
from tests.faults.simulation.ledgers import Ledgers
from tests.faults.simulation.node import NothingToWaitForError, VirtualLoop
from tests.faults.simulation.parties import (
    CENTRAL_IMAGES,
    EPOCH,
    HUB_IMAGE,
    OPERATORS,
    TAGS,
    CentralLife,
    HubLife,
)
from tests.faults.simulation.wire import End, Wire

T = TypeVar("T")

SESSIONS = (3, 8)
FAULTS = (2, 7)
FAULTS_WITHIN_S = 60.0
HEALED_WITHIN_S = 200.0
"""Virtual seconds after the last fault in which everything must have come home."""


def run(seed: int) -> Outcome:
    """Run the schedule of a seed: the same seed, the same schedule."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    outcome = Outcome(seed)
    world = World(seed, loop, outcome)
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
    """All parties, and what happens to them."""

    def __init__(self, seed: int, loop: VirtualLoop, outcome: Outcome) -> None:
        self._loop = loop
        self._outcome = outcome
        self._rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._names = itertools.count()
        self._hub_disk = Disk(HUB_IMAGE)
        self._disks = {name: Disk(image) for name, image in CENTRAL_IMAGES.items()}
        self._clock_offset = timedelta()
        self._hub: HubLife | None = None
        self._centrals: dict[str, CentralLife | None] = dict.fromkeys(OPERATORS)
        self._wires: dict[str, Wire] = {}
        self._peer_wires: list[tuple[str, str, Wire]] = []
        self._kept_apart: set[str] = set()
        self._seen_commits = 0
        self._ledgers = Ledgers(
            self._hub_disk.connection, {name: disk.connection for name, disk in self._disks.items()}
        )
        loop.after_each_step.append(self._look)

    def _now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.now)

    def _hub_clock(self) -> datetime:
        return self._now() + self._clock_offset

    def _look(self) -> None:
        """Check what must hold after each step, if any disk has changed in it."""
        commits = self._hub_disk.connection.total_changes + sum(
            disk.connection.total_changes for disk in self._disks.values()
        )
        if commits != self._seen_commits and not self._outcome.violations:
            self._seen_commits = commits
            self._outcome.violations.extend(self._ledgers.broken_now())

    # --- the course of it -----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Start all, let sessions and faults happen, heal, and wait until everything has come home."""
        self._start_hub()
        for name in OPERATORS:
            self._start_central(name)
        rng = self._rng
        self._outcome.sessions = rng.randint(*SESSIONS)
        happenings = [self._session(number) for number in range(self._outcome.sessions)]
        happenings += [self._fault() for _ in range(rng.randint(*FAULTS))]
        await asyncio.gather(*happenings)
        deadline = self._loop.now + HEALED_WITHIN_S
        while not self._outcome.violations and (missing := list(self._ledgers.missing())):
            if self._loop.now > deadline:
                self._outcome.violations.extend(missing)
            await asyncio.sleep(1.0)

    async def end(self) -> None:
        """Leave no task behind."""
        for life in (self._hub, *self._centrals.values()):
            if life is not None:
                await life.node.kill()

    # --- lives and links ------------------------------------------------------------------------------------

    def _start_hub(self) -> None:
        self._hub = HubLife(self._hub_disk, self._rng, self._hub_clock)
        for name in OPERATORS:
            self._link(name)

    def _start_central(self, name: str) -> None:
        self._centrals[name] = CentralLife(name, self._disks[name], self._rng, self._dial_peer)
        self._link(name)

    def _link(self, name: str) -> None:
        """A central system links to the hub, if both are there and nothing keeps them apart."""
        hub, central = self._hub, self._centrals[name]
        if hub is None or central is None or name in self._kept_apart:
            return
        if name in self._wires:
            self._wires[name].cut()
        wire = self._wires[name] = Wire(self._rng, self._names)
        hub.attach(name, End(wire, 0, central.node, central.for_hub))
        central.attach(End(wire, 1, hub.node, hub.hub.handlers(name)))

    def _unlink(self, name: str) -> None:
        wire = self._wires.pop(name, None)
        if wire is not None:
            wire.cut()
        if self._hub is not None and name in self._hub.bus.links():
            self._hub.bus.detach(name, self._hub.bus.links()[name])

    def _dial_peer(self, visited: str, home: str) -> End:
        central = self._centrals[home]
        if central is None:
            raise LinkLostError(f"{home} cannot be reached")
        wire = Wire(self._rng, self._names)
        self._peer_wires.append((visited, home, wire))
        return End(wire, 0, central.node, central.for_peer(visited))

    # --- faults ---------------------------------------------------------------------------------------------

    async def _fault(self) -> None:
        rng = self._rng
        faults: dict[str, Callable[[str, float], Awaitable[None]]] = {
            "kill the hub": self._kill_hub,
            "kill a central system": self._kill_central,
            "cut a link": self._cut,
            "silence a link": self._silence,
            "fill a disk": self._fill,
            "slow a disk": self._slow,
            "set the hub's clock": self._set_clock,
        }
        what = rng.choice(list(faults))
        where, lasts_s = rng.choice(OPERATORS), rng.choice((0.05, 0.5, 5.0, 20.0)) * rng.uniform(0.5, 1.5)
        await asyncio.sleep(rng.uniform(0.0, FAULTS_WITHIN_S))
        self._outcome.faults[what] = self._outcome.faults.get(what, 0) + 1
        await faults[what](where, lasts_s)

    async def _kill_hub(self, _: str, lasts_s: float) -> None:
        hub, self._hub = self._hub, None
        if hub is None:
            return
        for name in OPERATORS:
            self._unlink(name)
        await hub.node.kill()
        await asyncio.sleep(lasts_s)
        self._start_hub()

    async def _kill_central(self, name: str, lasts_s: float) -> None:
        central, self._centrals[name] = self._centrals[name], None
        if central is None:
            return
        self._unlink(name)
        for visited, home, wire in self._peer_wires:
            if name in {visited, home}:
                wire.cut()
        await central.node.kill()
        await asyncio.sleep(lasts_s)
        self._start_central(name)

    async def _cut(self, name: str, lasts_s: float) -> None:
        self._kept_apart.add(name)
        self._unlink(name)
        await asyncio.sleep(lasts_s)
        self._kept_apart.discard(name)
        self._link(name)

    async def _silence(self, name: str, lasts_s: float) -> None:
        wire = self._wires.get(name)
        if wire is not None:
            wire.is_silent = True
            await asyncio.sleep(lasts_s)
            if self._wires.get(name) is wire:
                self._link(name)

    async def _fill(self, name: str, lasts_s: float) -> None:
        disk = self._rng.choice((self._disks[name], self._hub_disk))
        disk.is_full = True
        await asyncio.sleep(lasts_s)
        disk.is_full = False

    async def _slow(self, name: str, lasts_s: float) -> None:
        disk = self._rng.choice((self._disks[name], self._hub_disk))
        disk.is_slow = True
        await asyncio.sleep(lasts_s)
        disk.is_slow = False

    async def _set_clock(self, _: str, __: float) -> None:
        self._clock_offset = timedelta(seconds=self._rng.choice((-3600, -1, 1, 3600)))

    # --- sessions -------------------------------------------------------------------------------------------

    async def _session(self, number: int) -> None:
        """A driver of one operator charges at another's charger, which says so until it is believed."""
        rng = self._rng
        visited, home = rng.sample(OPERATORS, 2)
        id_tag, way = rng.choice(TAGS[home]), rng.choice((DecidedBy.HUB, DecidedBy.HUB, DecidedBy.PEER))
        await asyncio.sleep(rng.uniform(0.0, FAULTS_WITHIN_S))
        decision = await self._decision(visited, home, id_tag, way)
        begun = self._now()
        start = Start(f"CP-{number}", 1, id_tag, 0, begun)
        cdr_id = UUID(int=number + 1)
        started = await self._insisting(visited, lambda life: life.transactions.start(start, decision, cdr_id))
        await asyncio.sleep(rng.uniform(0.0, 20.0))
        stop = Stop(start.charge_point_id, started.transaction_id, 1000, self._now(), None, None)
        await self._insisting(visited, lambda life: self._stop(life, stop))

    async def _stop(self, life: CentralLife, stop: Stop) -> None:
        _, cdr = await life.transactions.stop(stop, [], {}, self._now())
        if cdr is not None:
            life.delivery.wake()

    async def _decision(self, visited: str, home: str, id_tag: str, way: DecidedBy) -> Decision:
        """The answer of the hub, or of home; of the whitelist replica where neither can be asked."""
        central = self._centrals[visited]
        accepted = {"status": "Accepted"}
        try:
            if central is None:
                raise LinkLostError("the central system is down")
            if way is DecidedBy.PEER:
                end, home_operator_id = central.peer(home), home
            elif central.hub is not None:
                end, home_operator_id = central.hub, None
            else:
                raise LinkLostError("the hub is down")
            answer, reference = await end.named_call("Authorize", {"idTag": id_tag})
        except CallFailed:
            return Decision(accepted, DecidedBy.WHITELIST)
        if answer["idTagInfo"] != accepted:
            self._outcome.violations.append(f"{id_tag} was answered with {answer}")
        return Decision(accepted, way, reference, home_operator_id)

    async def _insisting(self, name: str, act: Callable[[CentralLife], Awaitable[T]]) -> T:
        """What a charger says is said again until the central system has answered."""
        while True:
            life = self._centrals[name]
            if life is not None:
                telling = life.node.spawn(_of(act(life)))
                await asyncio.wait({telling}, timeout=10.0)
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
