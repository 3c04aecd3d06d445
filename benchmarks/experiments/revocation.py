"""How long a revocation takes until every linked operator knows of it."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import LinkedOperator, OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.roaming.tokens import Token, TokenStatus, WhitelistChanged
from nap.records import Mode

HOME = "C1"
PREFIX = "R"
WARM_UP = 1
"""Revocations that do not count."""

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Revocations:
    """What was measured."""

    begun_at_s: list[float]
    """When each revocation was published, from the first."""
    arrivals_ms: list[list[float]]
    """For each revocation: when it had come to each operator, in ascending order."""
    hub_cpu_ms: list[float]
    """For each revocation: the hub's CPU time."""


async def measure_revocations(services: Services, *, operators: int, tokens: int, count: int) -> Revocations:
    """Revoke tokens one after the other, each when the one before is known everywhere.

    Args:
        services: keeps the hub's process.
        operators: linked ones, each with a replica of the whitelist.
        tokens: on the whitelist.
        count: revocations, each of another token.

    Raises:
        TimeoutError: an operator was not told within a minute.
    """
    hub = await HubProcess.start(services, "hub-revocation")
    visited = [f"V{number}" for number in range(operators)]
    credentials = await hub.enter_many([HOME, *visited], tuple(Mode))
    async with OperatorFleet(hub.url, credentials) as fleet:
        await fleet[HOME].publish(tokens_of(PREFIX, tokens))
        for operator_id in visited:
            await fleet[operator_id].pull()
        watch = _Watch(fleet, frozenset(visited))
        started = time.perf_counter()
        found = Revocations([], [], [])
        for number in range(WARM_UP + count):
            began, cpu_s = time.perf_counter(), hub.service.cpu_s()
            arrivals = await watch.revoke(fleet[HOME], id_tag_of(PREFIX, number))
            if number >= WARM_UP:
                found.begun_at_s.append(began - started)
                found.arrivals_ms.append(arrivals)
                found.hub_cpu_ms.append(1000 * (hub.service.cpu_s() - cpu_s))
        return found


class _Watch:
    """Notes when a revocation has come to each operator."""

    def __init__(self, fleet: OperatorFleet, expected: frozenset[str]) -> None:
        self._expected = expected
        self._id_tag = ""
        self._came: dict[str, float] = {}
        self._everywhere = asyncio.Event()
        fleet.on_change = self._note

    def _note(self, operator_id: str, message: WhitelistChanged) -> None:
        now = time.perf_counter()
        if any(token.id_tag == self._id_tag for token in message.changes):
            self._came.setdefault(operator_id, now)
            if self._came.keys() >= self._expected:
                self._everywhere.set()

    async def revoke(self, home: LinkedOperator, id_tag: str) -> list[float]:
        """Block a token; returns the milliseconds until each operator had been told, sorted."""
        self._id_tag = id_tag
        self._came.clear()
        self._everywhere.clear()
        began = time.perf_counter()
        await home.change(Token(id_tag=id_tag, status=TokenStatus.BLOCKED))
        async with asyncio.timeout(PATIENCE_S):
            await self._everywhere.wait()
        return sorted(1000 * (came - began) for came in self._came.values())
