"""Many charge point models in one process of their own, as `chargepoint fleet` runs them."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any, Self

import orjson

from scenarios.process import ProcessFailedError, Watched

Report = dict[str, Any]

REPORT_S = 0.5
PATIENCE_S = 300.0


class Fleet:
    """A running fleet; made by `Fleet.start`.

    Args:
        process: of `chargepoint fleet`.
    """

    def __init__(self, process: Watched) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, url: str, count: int, *, tag: str, time_scale: float, energy_wh: int, connect_rate: float
    ) -> Self:
        """Start charge points that charge one driver after the other.

        Args:
            url: the central system's.
            count: how many.
            tag: the drivers' idTag, in which {n} is the charge point's number.
            time_scale: model seconds per second.
            energy_wh: what each driver takes.
            connect_rate: how many connect in a second.
        """
        options = {
            "--url": url,
            "--count": count,
            "--tag": tag,
            "--time-scale": time_scale,
            "--energy-wh": energy_wh,
            "--connect-rate": connect_rate,
            "--report-s": REPORT_S,
        }
        arguments = ["fleet", *(str(part) for option in options.items() for part in option)]
        return cls(await Watched.start("fleet", "chargepoint_model", arguments, {}, talks=True))

    async def report(self, fits: Callable[[Report], bool] = lambda _: True) -> Report:
        """Wait for a report that fits; those before it are skipped.

        Raises:
            ProcessFailedError: it ended, or none came in five minutes.
        """
        stdout = self._process.process.stdout
        assert stdout is not None, "talks"
        try:
            async with asyncio.timeout(PATIENCE_S):
                while line := await stdout.readline():
                    report: Report = orjson.loads(line)
                    if fits(report):
                        return report
        except TimeoutError:
            raise ProcessFailedError(f"the fleet is not there yet:\n{self._process.last_words()}") from None
        raise ProcessFailedError(f"the fleet has ended:\n{self._process.last_words()}")

    async def end(self) -> Report:
        """Let every charge point stop in order; returns the last report."""
        self._process.signal(signal.SIGTERM)
        return await self.report(lambda report: bool(report["final"]))

    async def stop(self) -> None:
        """Leave no process behind."""
        await self._process.stop()
