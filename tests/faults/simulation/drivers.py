"""What drivers do at chargers: cards are shown, sessions begin and end, some are corrected afterwards."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from cascade.frames import Payload
from cascade.roaming.model import utc_text
from cpo_central.cdrs.corrections import CorrectionError
from tests.faults.simulation.parties import OPERATORS, TAGS

if TYPE_CHECKING:
    from tests.faults.simulation.parties import CentralLife
    from tests.faults.simulation.world import World

SESSIONS = (3, 8)
WITHIN_S = 60.0
CROWD = (2, 4)
"""Sessions that end at once."""
CROWDED, CORRECTED, DAWDLES = 0.3, 0.25, 0.002
"""The parts of schedules with a crowd, of sessions that are corrected, of drivers who take long to plug in."""
DAWDLES_S = 620.0
WH = 1000


class Drivers:
    """The drivers of a schedule.

    Args:
        world: where they charge.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def happenings(self) -> list[Coroutine[Any, Any, None]]:
        """Each is one driver's session."""
        rng = self._world.rng
        sessions: list[Coroutine[Any, Any, None]] = []
        for number in range(rng.randint(*SESSIONS)):
            visited, home = rng.sample(OPERATORS, 2)
            sessions.append(self._session(f"CP-{number}", visited, rng.choice(TAGS[home]), None))
        if rng.random() < CROWDED:
            sessions += self._crowd()
        return sessions

    def _crowd(self) -> list[Coroutine[Any, Any, None]]:
        """Sessions that end at once, while whom their CDRs go to, or pass, is away."""
        rng = self._world.rng
        visited, home = rng.sample(OPERATORS, 2)
        ends_at = rng.uniform(20.0, WITHIN_S)
        crowd = enumerate(rng.sample(TAGS[home], rng.randint(*CROWD)))
        return [
            *(self._session(f"CP-1{number}", visited, id_tag, ends_at) for number, id_tag in crowd),
            self._away(rng.choice((visited, home)), ends_at),
        ]

    async def _away(self, name: str, at: float) -> None:
        await asyncio.sleep(at - 1.0)
        self._world.keep_apart(name)
        await asyncio.sleep(self._world.rng.uniform(1.0, 15.0))
        self._world.kept_apart.discard(name)

    async def _session(self, charge_point: str, visited: str, id_tag: str, ends_at: float | None) -> None:
        """A driver of one operator charges at another's charger, which says so until it is believed."""
        rng, world = self._world.rng, self._world
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S if ends_at is None else ends_at - 15.0))
        if not await self._is_let_in(visited, charge_point, id_tag):
            return
        await asyncio.sleep(DAWDLES_S if rng.random() < DAWDLES else rng.uniform(0.0, 3.0))
        start = {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": utc_text(world.now())}
        begun = await self._say(visited, charge_point, "StartTransaction", start)
        is_charging = begun["idTagInfo"]["status"] == "Accepted"
        if is_charging:
            world.outcome.sessions += 1
            left_s = rng.uniform(0.0, 20.0) if ends_at is None else ends_at - world.seconds()
            await asyncio.sleep(max(left_s, 0.0))
        stop = {
            "transactionId": begun["transactionId"],
            "meterStop": WH if is_charging else 0,
            "timestamp": utc_text(world.now()),
        }
        await self._say(visited, charge_point, "StopTransaction", stop)
        if is_charging and rng.random() < CORRECTED:
            await asyncio.sleep(rng.choice((0.0, 2.0, 15.0)))
            await self._correct(visited, begun["transactionId"])

    async def _is_let_in(self, visited: str, charge_point: str, id_tag: str) -> bool:
        """Show a card, three times if need be."""
        for _ in range(3):
            answer = await self._say(visited, charge_point, "Authorize", {"idTag": id_tag})
            if answer["idTagInfo"]["status"] == "Accepted":
                return True
            await asyncio.sleep(3.0)
        return False

    async def _say(self, visited: str, charge_point: str, action: str, request: Payload) -> Payload:
        return await self._world.insist(visited, lambda life: life.answer(charge_point, action, request))

    async def _correct(self, visited: str, transaction_id: int) -> None:
        """Staff cancel a session's CDR, and write another if there was a session."""
        disk, meter_stop = self._world.disks[visited], self._world.rng.choice((None, WH // 2))
        (cdr_id,) = disk.connection.execute(
            "SELECT cdr_id FROM transactions WHERE transaction_id = ?", (transaction_id,)
        ).fetchone()

        async def correct(life: "CentralLife") -> None:
            with contextlib.suppress(CorrectionError):  # it was done, and nobody was told
                await life.correct(cdr_id, meter_stop)

        await self._world.insist(visited, correct)
        self._world.outcome.corrections += 1
