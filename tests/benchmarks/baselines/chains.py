"""Chains of real processes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from scenarios.process import Watched

Kind = Literal["bare", "naive", "http", "fastest"]
Start = Callable[..., Awaitable[Watched]]


@asynccontextmanager
async def processes(kind: Kind) -> AsyncIterator[Start]:
    """A way to start them; they are stopped afterwards, and must have had nothing to complain of."""
    async with AsyncExitStack() as stack:

        async def stop(process: Watched) -> None:
            await process.stop()
            assert process.process.returncode == 0, process.last_words()
            assert {event["event"] for event in process.events} <= {"listening", "linked"}
            assert not process._other_lines

        async def start(role: str, *arguments: str) -> Watched:
            process = await Watched.start(
                role, f"benchmarks.baselines.{kind}", ["--role", role, *arguments], {}
            )
            stack.push_async_callback(stop, process)
            return process

        yield start


async def url(process: Watched) -> str:
    """Where it listens."""
    listening = await process.event("listening")
    where: str = listening["url"]
    return where


async def chain(kind: Kind, hops: int, start: Start) -> str:
    """Start so many; returns where charge points are served."""
    upstream: list[str] = []
    if hops == 2:
        upstream = ["--upstream", await url(await start("hub"))]
    elif hops == 3 and kind == "http":
        home = await url(await start("home"))
        upstream = ["--upstream", await url(await start("hub", "--ask-home", "--upstream", home))]
    elif hops == 3:
        hub = await url(await start("hub", "--ask-home"))
        await (await start("home", "--upstream", hub)).event("linked")
        upstream = ["--upstream", hub]
    return await url(await start("central", *upstream))
