"""Commands, which come as lines of JSON on standard input, each answered by one on standard output."""

import asyncio
import gc
import math
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import process_time
from typing import Annotated, Any, Literal, Self, assert_never

import orjson
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, TypeAdapter, ValidationError, model_validator

from benchmarks.load.closed_run import ClosedRun
from benchmarks.load.groups import GroupError, Groups
from benchmarks.load.open_run import OpenRun
from benchmarks.load.plan import Drivers, Load, Profile, arrivals, background


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Connect(_Model):
    """Link charge points."""

    do: Literal["connect"]
    url: str
    count: Annotated[int, Field(ge=1, le=100_000)]
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "CP"
    group: str


class _Run(_Model):
    group: str
    tags: list[str]
    denied_tags: list[str] = []
    deny_share: float = 0.0
    file: str
    seed: int = 1

    @model_validator(mode="after")
    def _somebody_can_come(self) -> Self:
        _ = self.drivers
        return self

    @property
    def drivers(self) -> Drivers:
        """Who may come."""
        return Drivers(self.tags, self.denied_tags, self.deny_share)


class Closed(_Run):
    """Measure in a closed loop."""

    do: Literal["closed"]
    callers: Annotated[int, Field(ge=1)] = 1
    calls: Annotated[int, Field(ge=1)] | None = None
    seconds: PositiveFloat | None = None
    warm_up: Annotated[int, Field(ge=0)] = 20

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.calls is None) is (self.seconds is None):
            raise ValueError("either calls or seconds")
        return self


class Background(_Model):
    """What other charge points of the group do."""

    profile: Profile
    charge_points: Annotated[int, Field(ge=1)]
    compression: PositiveFloat = 60.0


class Open(_Run):
    """Measure in an open loop."""

    do: Literal["open"]
    rate: PositiveFloat
    seconds: PositiveFloat
    warm_up_s: Annotated[float, Field(ge=0.0)] = 1.0
    background: Background | None = None

    @model_validator(mode="after")
    def _sessions_have_drivers(self) -> Self:
        if self.background is not None and not self.tags:
            raise ValueError("a background needs tags")
        return self


class Close(_Model):
    """Close a group's sockets."""

    do: Literal["close"]
    group: str


Command = Annotated[Connect | Closed | Open | Close, Field(discriminator="do")]
_command: TypeAdapter[Command] = TypeAdapter(Command)

Answer = dict[str, Any]


class Desk:
    """Carries commands out."""

    def __init__(self) -> None:
        self.groups = Groups()

    async def answer(self, line: bytes) -> Answer:
        """What is to be said to a line; what goes wrong is said too."""
        try:
            return await self._carry_out(_command.validate_json(line))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            sentences = (f"{'.'.join(map(str, fault['loc'])) or 'line'}: {fault['msg']}" for fault in faults)
            return {"error": "; ".join(sentences)}
        except (GroupError, OSError) as error:
            return {"error": str(error)}

    async def _carry_out(self, command: Command) -> Answer:
        match command:
            case Connect():
                linked = await self.groups.open(command.group, command.url, command.prefix, command.count)
                return {"connected": linked}
            case Closed():
                with no_garbage_collection():
                    return await self._closed(command)
            case Open():
                with no_garbage_collection():
                    return await self._open(command)
            case Close():
                await self.groups.close(command.group)
                return {"closed": command.group}
            case _ as never:
                assert_never(never)

    async def _closed(self, command: Closed) -> Answer:
        charge_points = self.groups.take(command.group, command.callers)
        chance = Random(f"drivers {command.seed}")  # noqa: S311 - nothing is kept secret by it
        if command.warm_up:
            warm_up = ClosedRun(charge_points, command.drivers, chance, calls=command.warm_up, seconds=math.inf)
            await warm_up.run()
        calls = math.inf if command.calls is None else command.calls
        seconds = math.inf if command.seconds is None else command.seconds
        cpu_s = process_time()
        tally = await ClosedRun(charge_points, command.drivers, chance, calls=calls, seconds=seconds).run()
        answer = tally.report(Path(command.file), least_s=0.0, cpu_s=process_time() - cpu_s)
        return {**answer, "background": {"answers": 0, "errors": 0, "lost": 0}}

    async def _open(self, command: Open) -> Answer:
        others = command.background
        until_s = command.warm_up_s + command.seconds
        drivers = command.drivers
        charge_points, stations = self.groups.split(command.group, others.charge_points if others else 0)
        run = OpenRun(
            charge_points,
            list(arrivals(command.rate, until_s, len(charge_points), drivers, command.seed)),
            drivers,
            stations=stations,
            reports=background(
                Load(others.profile, others.compression),
                len(stations),
                until_s,
                command.warm_up_s,
                drivers.tags,
                command.seed,
            )
            if others
            else (),
            warm_up_s=command.warm_up_s,
            seconds=command.seconds,
        )
        tally = await run.run()
        answer = tally.report(Path(command.file), least_s=command.seconds, cpu_s=run.cpu_s)
        return {**answer, "background": run.background.report()}


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Millions of samples make the collector slow, and none of them is garbage."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def lines() -> AsyncIterator[bytes]:
    """The lines of standard input, which is a pipe, as they come."""
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


async def serve() -> None:
    """Answer commands until standard input ends."""
    desk = Desk()
    async for line in lines():
        sys.stdout.buffer.write(orjson.dumps(await desk.answer(line)) + b"\n")
        sys.stdout.buffer.flush()
    await desk.groups.close_all()
