"""One run over real processes: chargers charge, processes and networks fail, everything must come home."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from cascade.errors import StoreError
from tests.faults.outcome import Outcome
from tests.faults.processes.chargers import Charger
from tests.faults.processes.site import Site
from tests.faults.simulation.parties import OPERATORS

CHARGERS = 4
"""At each operator."""
SESSIONS = 9
"""At each charger, one after the other."""
FAULTS = (4, 9)
WITHIN_S = 3.0
LASTS_S = (0.05, 1.5)
HOME_WITHIN_S = 60.0
"""After the last fault and the last session."""


async def run(seed: int, folder: Path) -> Outcome:
    """Run the seed's faults; processes run on, so where exactly a fault hits differs from run to run.

    Args:
        seed: of who charges, and of what fails when.
        folder: empty; keeps databases and logs.
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    outcome = Outcome(seed)
    tags = {
        home: [f"{home}-{visited}{number}" for visited in OPERATORS for number in range(CHARGERS)]
        for home in OPERATORS
    }
    stay, go = ({home: f"{home}-{what}" for home in OPERATORS} for what in ("STAYS", "GOES"))
    site = Site(folder, {home: [*theirs, stay[home], go[home]] for home, theirs in tags.items()})
    await site.start_all()
    try:
        async with asyncio.timeout(HOME_WITHIN_S + 60.0), asyncio.TaskGroup() as group:
            for visited in OPERATORS:
                for number in range(CHARGERS):
                    charger = Charger(site.ports[visited], f"CP-{number}", random.Random(rng.random()))  # noqa: S311
                    drivers = [f"{home}-{visited}{number}" for home in OPERATORS if home != visited]
                    group.create_task(charger.serve(drivers, SESSIONS))
            for home, id_tag in go.items():
                group.create_task(_block(site, home, id_tag, rng.uniform(0.0, WITHIN_S)))
            for _ in range(rng.randint(*FAULTS)):
                group.create_task(_Fault(site, rng, outcome).happen())
        outcome.sessions = len(OPERATORS) * CHARGERS * SESSIONS
        await _all_home(site, outcome)
        outcome.violations += await _misjudged(site, stay, go)
    except TimeoutError:
        outcome.violations.append("the sessions did not end")
    finally:
        await site.stop()
    outcome.violations += site.broken_now()
    outcome.at_home, outcome.batches = site.at_home(), site.batches
    return outcome


async def _block(site: Site, home: str, id_tag: str, at_s: float) -> None:
    await asyncio.sleep(at_s)
    while True:
        try:
            return await site.block(home, id_tag)
        except StoreError:  # the process was stopped in the middle of a write
            await asyncio.sleep(1.0)


async def _misjudged(site: Site, stay: Mapping[str, str], go: Mapping[str, str]) -> list[str]:
    """Who is let in, or not, as it should not be now that all agree."""
    found: list[str] = []
    for visited in OPERATORS:
        charger = Charger(site.ports[visited], "CP-LAST", random.Random(0))  # noqa: S311
        for home in OPERATORS:
            for id_tag, should in (stay[home], "Accepted"), (go[home], "Blocked"):
                answer = await charger.insist("Authorize", {"idTag": id_tag})
                if answer["idTagInfo"]["status"] != should:
                    found.append(f"{id_tag} is {should}, and {visited} says {answer}")
        await charger.hang_up()
    return found


async def _all_home(site: Site, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + HOME_WITHIN_S
    while missing := site.missing():
        if loop.time() > deadline:
            outcome.violations += missing
            return
        await asyncio.sleep(0.1)


class _Fault:
    """One fault: what, where, when and how long are drawn at once, so that they are the seed's."""

    def __init__(self, site: Site, rng: random.Random, outcome: Outcome) -> None:
        self._site = site
        self._outcome = outcome
        faults: dict[str, Callable[[], Awaitable[None]]] = {
            "kill -9": self._kill,
            "stop and go on": self._pause,
            "reset connections": self._reset,
            "partition": self._partition,
            "cut in mid-message": self._halve,
            "delay": self._delay,
            "fill the disk": self._fill,
        }
        self._what = rng.choice(["kill -9", "kill -9", *faults])
        self._act = faults[self._what]
        self._who = rng.choice(site.parties)
        proxies = [*site.to_hub.values(), *site.to_peer.values()]
        self._proxy = rng.choice(proxies)
        self._at_s = rng.uniform(0.0, WITHIN_S)
        self._lasts_s = rng.uniform(*LASTS_S)

    async def happen(self) -> None:
        """Wait for its moment, and act."""
        await asyncio.sleep(self._at_s)
        where = f" {self._who}" if self._what == "kill -9" else ""
        self._outcome.faults[self._what + where] = self._outcome.faults.get(self._what + where, 0) + 1
        await self._act()

    async def _kill(self) -> None:
        async with self._site.holding(self._who):
            await self._site.kill(self._who)
            self._outcome.violations += self._site.broken_now()
            await asyncio.sleep(self._lasts_s)
            await self._site.start(self._who)

    async def _pause(self) -> None:
        async with self._site.holding(self._who):
            self._site.pause(self._who)
            await asyncio.sleep(self._lasts_s)
            self._site.resume(self._who)

    async def _fill(self) -> None:
        async with self._site.holding(self._who):
            self._site.fill_disk(self._who)
            await asyncio.sleep(self._lasts_s)
            self._site.free_disk(self._who)

    async def _reset(self) -> None:
        self._proxy.reset()

    async def _partition(self) -> None:
        self._proxy.stall()
        await asyncio.sleep(self._lasts_s)
        self._proxy.flow()

    async def _halve(self) -> None:
        self._proxy.halves_next = True

    async def _delay(self) -> None:
        self._proxy.delay_s = 0.1
        await asyncio.sleep(self._lasts_s)
        self._proxy.delay_s = 0.0
