"""One operating-system process of a scenario, watched through its log lines."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import orjson

Event = dict[str, Any]

FOREIGN_SETTINGS = ("NAP_", "CPO_", "PYTHONDONTWRITEBYTECODE")
"""What must not reach a process from our own environment: settings, and what makes each start compile anew."""

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


def configured(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that only `settings` configure."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN_SETTINGS)}
    return own | dict(settings)


class ProcessFailedError(Exception):
    """A process ended that should not have, or did not do what was waited for."""


class Watched:
    """A running process and every event that it has logged.

    Args:
        name: the actor, for messages.
        process: with its standard error piped to us.
    """

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.events: list[Event] = []
        self._other_lines: list[str] = []
        self._news = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        talks: bool = False,
    ) -> Self:
        """Start `python -m module arguments…`; only what is in `environment` configures it.

        Args:
            name: the actor.
            module: the service's package.
            arguments: its command line.
            environment: its settings.
            talks: whether we speak with it over standard input and output.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            env=configured(environment),
            stdin=PIPE if talks else DEVNULL,
            stdout=PIPE if talks else DEVNULL,
            stderr=PIPE,
            limit=1 << 20,
        )
        return cls(name, process)

    async def _read(self) -> None:
        assert self.process.stderr is not None, "piped"
        async for line in self.process.stderr:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                event = None
            async with self._news:
                if isinstance(event, dict) and "event" in event:
                    self.events.append(event)
                else:
                    self._other_lines.append(line.decode(errors="replace").rstrip())
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def mark(self) -> int:
        """How many events there are now: to wait for those that come after."""
        return len(self.events)

    async def event(
        self, name: str, matches: Callable[[Event], bool] = lambda _: True, *, since: int = 0
    ) -> Event:
        """Wait for an event of this name.

        Raises:
            ProcessFailedError: the process ended first, or the time was up.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S), self._news:
                while True:
                    for event in self.events[since:]:
                        if event["event"] == name and matches(event):
                            return event
                    if self._ended:
                        raise ProcessFailedError(
                            f"{self.name} ended before its event {name}:\n{self.last_words()}"
                        )
                    await self._news.wait()
        except TimeoutError:
            raise ProcessFailedError(f"{self.name}: no event {name} in time:\n{self.last_words()}") from None

    def last_words(self) -> str:
        """The last lines that it wrote, for an error message."""
        lines = [orjson.dumps(event).decode() for event in self.events[-5:]] + self._other_lines[-15:]
        return "\n".join(lines)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self) -> None:
        """Ask it to stop; kill it if it does not."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        finally:
            await self._reader

    async def ask(self, line: bytes) -> bytes:
        """Say a line to a process that talks, and wait for the line that it answers.

        Raises:
            ProcessFailedError: it ended, or the time was up.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None, "talks"
        assert stdout is not None, "talks"
        stdin.write(line + b"\n")
        try:
            async with asyncio.timeout(2 * START_TIMEOUT_S):
                answer = await stdout.readline()
        except TimeoutError:
            raise ProcessFailedError(f"{self.name} did not answer in time:\n{self.last_words()}") from None
        if not answer:
            await self._reader
            raise ProcessFailedError(f"{self.name} ended instead of answering:\n{self.last_words()}")
        return answer

    async def finish(self) -> bytes:
        """Wait until a command that talks has ended by itself; returns the rest of what it printed.

        Raises:
            ProcessFailedError: it failed.
        """
        assert self.process.stdout is not None, "talks"
        try:
            async with asyncio.timeout(2 * START_TIMEOUT_S):
                printed = await self.process.stdout.read()
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise ProcessFailedError(f"{self.name} did not end in time:\n{self.last_words()}") from None
        finally:
            await self._reader
        if code:
            raise ProcessFailedError(f"{self.name} failed with exit code {code}:\n{self.last_words()}")
        return printed


async def run(name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """Run a command to its end; returns what it printed.

    Raises:
        ProcessFailedError: it failed.
    """
    command = await Watched.start(name, module, arguments, environment, talks=True)
    return await command.finish()
