"""Charge points by the name of their group."""

import asyncio

from picows import WSError

from benchmarks.load.charge_point import ChargePoint, connect

AT_ONCE = 64
"""Handshakes under way; beyond it a server's backlog would drop them."""


class GroupError(Exception):
    """There is no such group, it is there already, too small, or cannot be linked."""


class Groups:
    """The charge points that are linked."""

    def __init__(self) -> None:
        self._groups: dict[str, list[ChargePoint]] = {}

    async def open(self, name: str, url: str, prefix: str, count: int) -> int:
        """Link `count` charge points, `<url>/<prefix>-1` and so on; all of them or none.

        Raises:
            GroupError: the name is taken, or one could not be linked.
        """
        if name in self._groups:
            raise GroupError(f"group {name} is there already")
        gate = asyncio.Semaphore(AT_ONCE)

        async def link(number: int) -> ChargePoint:
            async with gate:
                return await connect(f"{url}/{prefix}-{number}")

        results = await asyncio.gather(*(link(n) for n in range(1, count + 1)), return_exceptions=True)
        linked = [one for one in results if isinstance(one, ChargePoint)]
        for fault in results:
            if isinstance(fault, OSError | TimeoutError | WSError):
                await _close(linked)
                raise GroupError(f"{url} cannot be linked with: {fault or type(fault).__name__}") from fault
            if isinstance(fault, BaseException):
                raise fault
        self._groups[name] = linked
        return len(linked)

    def take(self, name: str, count: int) -> list[ChargePoint]:
        """The first `count` of a group.

        Raises:
            GroupError: there is no such group, or it has fewer.
        """
        group = self._group(name)
        if count > len(group):
            raise GroupError(f"group {name} has {len(group)} charge points, not {count}")
        return group[:count]

    def split(self, name: str, last: int) -> tuple[list[ChargePoint], list[ChargePoint]]:
        """A group in two: the `last` ones, and those before them.

        Raises:
            GroupError: there is no such group, or none would be before them.
        """
        group = self._group(name)
        if last >= len(group):
            raise GroupError(f"group {name} has {len(group)} charge points: {last} leave none")
        return group[: len(group) - last], group[len(group) - last :]

    async def close(self, name: str) -> None:
        """Close a group.

        Raises:
            GroupError: there is no such group.
        """
        group = self._group(name)
        del self._groups[name]
        await _close(group)

    async def close_all(self) -> None:
        """Close every group."""
        for name in list(self._groups):
            await self.close(name)

    def _group(self, name: str) -> list[ChargePoint]:
        try:
            return self._groups[name]
        except KeyError:
            raise GroupError(f"there is no group {name}") from None


async def _close(charge_points: list[ChargePoint]) -> None:
    for charge_point in charge_points:
        charge_point.close()
    await asyncio.gather(*(charge_point.closed() for charge_point in charge_points))
