"""Other operators, linked to the same hub, whose tokens change while something else is measured."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.systems.cascade import Cascade
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.roaming.tokens import Token, TokenStatus
from nap.records import Mode

TOKENS = 10
"""Of each operator."""


class TokenUpdates:
    """Operators that publish what has changed.

    Args:
        fleet: the operators; each has published its tokens.
        seed: of who publishes what.
    """

    def __init__(self, fleet: OperatorFleet, seed: int) -> None:
        self._fleet = fleet
        self._chance = random.Random(seed)  # noqa: S311 - it chooses tokens
        self.count = 0
        """Changes published until now."""

    @classmethod
    @asynccontextmanager
    async def linked(
        cls, services: Services, cascade: Cascade, operators: int, seed: int
    ) -> AsyncIterator["TokenUpdates"]:
        """Enter and link operators beside those of a system; none is no error.

        Args:
            services: of the system.
            cascade: whose hub they link to.
            operators: how many.
            seed: of who publishes what.
        """
        hub = HubProcess(cascade.hub, cascade.hub_url, services.folder / "hub.sqlite")
        credentials = await hub.enter_many([f"O{number}" for number in range(operators)], (Mode.HUB,))
        async with OperatorFleet(hub.url, credentials) as fleet:
            for operator in fleet:
                await operator.publish(tokens_of(f"{operator.operator_id}-", TOKENS))
            yield cls(fleet, seed)

    @asynccontextmanager
    async def published(self, rate: float) -> AsyncIterator[None]:
        """Publish changes while the context lasts.

        Args:
            rate: changes a second, at even distances; 0: none.

        Raises:
            ExceptionGroup: the hub did not take one; the context is cancelled.
        """
        if rate == 0.0 or len(self._fleet) == 0:
            yield
            return
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(1.0 / rate, over))
            try:
                yield
            finally:
                over.set()

    async def _publish(self, every_s: float, over: asyncio.Event) -> None:
        """Told to end, and not cancelled: what has begun is finished, as the next must name its version."""
        operators = list(self._fleet)
        while not over.is_set():
            operator = self._chance.choice(operators)
            id_tag = id_tag_of(f"{operator.operator_id}-", self._chance.randrange(TOKENS))
            status = self._chance.choice((TokenStatus.ACCEPTED, TokenStatus.BLOCKED))
            await operator.change(Token(id_tag=id_tag, status=status))
            self.count += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every_s)
