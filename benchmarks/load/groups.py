"""Charge points by the name of their group."""

import asyncio
from collections.abc import Sequence
from typing import Any

from picows import WSError

from benchmarks.load.charge_point import PATIENCE_S, ChargePoint, call_tail, connect

BOOT = call_tail("BootNotification", {"chargePointVendor": "nap-cascade", "chargePointModel": "load"})

AT_ONCE = 64
"""Handshakes under way; beyond it a server's backlog would drop them."""


class GroupError(Exception):
    """There is no such group, it is there already, too small, or cannot be linked."""


class _Booting:
    """The user of a charge point until it has booted: before that a central system answers nothing else."""

    def __init__(self) -> None:
        self.over = asyncio.get_running_loop().create_future()

    def answered(self, message: Sequence[Any], now: float) -> None:  # noqa: ARG002 - the interface of User
        """See User."""
        self.over.set_result(None)

    def cut_off(self, *, in_flight: bool) -> None:
        """See User."""
        if in_flight:
            self.over.set_exception(WSError("cut off before it had booted"))


async def _boot(charge_point: ChargePoint) -> None:
    booting = _Booting()
    charge_point.user = booting
    charge_point.ask(BOOT)
    async with asyncio.timeout(PATIENCE_S):
        await booting.over
    charge_point.release()


class Groups:
    """The charge points that are linked."""

    def __init__(self) -> None:
        self._groups: dict[str, list[ChargePoint]] = {}

    async def open(self, name: str, url: str, prefix: str, count: int) -> int:
        """Link and boot `count` charge points, `<url>/<prefix>-1` and so on; all of them or none.

        Raises:
            GroupError: the name is taken, or one could not be linked.
        """
        if name in self._groups:
            raise GroupError(f"group {name} is there already")
        gate = asyncio.Semaphore(AT_ONCE)

        async def link(number: int) -> ChargePoint:
            async with gate:
                charge_point = await connect(f"{url}/{prefix}-{number}")
                try:
                    await _boot(charge_point)
                except BaseException:
                    charge_point.close()
                    raise
                return charge_point

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
