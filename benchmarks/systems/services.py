"""Systems under test as processes: started, watched through what they log, their CPU time and memory read.

A process writes its log to a file of the run's folder. It is read only while somebody waits for an event, so
that the runner spends no time on it while it measures.
"""

import asyncio
import contextlib
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import psutil  # type: ignore[import-untyped]

from scenarios.process import Event, ProcessFailedError, configured

EVENT_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.01
LAST_LINES = 15


class Service:
    """A running process.

    Args:
        name: who it is, for messages and for the name of its log.
        process: as it was started.
        log: the file that its standard error goes to.
    """

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._figures = psutil.Process(process.pid)

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Self:
        """Start `python -m module arguments…`; only what is in `environment` configures it.

        Args:
            name: who it is, unique in `folder`.
            module: what is run.
            arguments: its command line.
            environment: its settings.
            folder: gets its log, `<name>.log`.

        Raises:
            FileExistsError: the folder has a log of this name.
        """
        path = folder / f"{name}.log"
        with path.open("xb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                env=configured(environment),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=log,
            )
        return cls(name, process, path)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def mark(self) -> int:
        """Where its log ends now: to wait for events that come after."""
        return self.log.stat().st_size

    def events(self, name: str, *, since: int = 0) -> list[Event]:
        """The events of this name that it has logged, from a mark on."""
        return list(_events(self._written(since), name))

    async def event(
        self,
        name: str,
        matches: Callable[[Event], bool] = lambda _: True,
        *,
        since: int = 0,
        timeout_s: float = EVENT_TIMEOUT_S,
    ) -> Event:
        """Wait for an event of this name.

        Args:
            name: of the event.
            matches: tells it from others of its name.
            since: a mark; what was logged before it does not count.
            timeout_s: seconds to wait.

        Raises:
            ProcessFailedError: the process ended first, or the time was up.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    ended = self._process.returncode is not None
                    written = self._written(since)
                    for event in _events(written, name):
                        if matches(event):
                            return event
                    since += len(written)
                    if ended:
                        raise ProcessFailedError(
                            f"{self.name} ended before its event {name}:\n{self.last_words()}"
                        )
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ProcessFailedError(f"{self.name}: no event {name} in time:\n{self.last_words()}") from None

    def _written(self, since: int) -> bytes:
        """Whole lines of its log."""
        with self.log.open("rb") as log:
            log.seek(since)
            text = log.read()
        return text[: text.rfind(b"\n") + 1]

    def last_words(self) -> str:
        """The last lines that it wrote, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def cpu_s(self) -> float:
        """Seconds of CPU that it has used until now, user and system, all threads, to the nanosecond.

        Linux has a clock for each process; its id is made of the process id (clock_getcpuclockid(3)).

        Raises:
            ProcessFailedError: it has ended.
        """
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            raise ProcessFailedError(f"{self.name} has ended:\n{self.last_words()}") from None

    def rss_bytes(self) -> int:
        """Bytes of memory that it holds now.

        Raises:
            ProcessFailedError: it has ended.
        """
        try:
            return int(self._figures.memory_info().rss)
        except psutil.Error:
            raise ProcessFailedError(f"{self.name} has ended:\n{self.last_words()}") from None

    async def stop(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        finally:
            self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()


def _events(lines: bytes, name: str) -> Iterator[Event]:
    """The events of a name among lines of a log; those of others are not even parsed."""
    key = b'"event":' + orjson.dumps(name)
    for line in lines.splitlines():
        if key in line:
            event = orjson.loads(line)
            if event["event"] == name:
                yield event


class Services:
    """The processes of one run, and its folder; an asynchronous context that stops all of them.

    Args:
        folder: for logs and databases; there already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Service] = []

    async def start(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Service:
        """Start a process; see `Service.start`."""
        service = await Service.start(name, module, arguments, environment, self.folder)
        self._running.append(service)
        return service

    async def stop(self, service: Service) -> None:
        """Stop one of them now."""
        self._running.remove(service)
        await service.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.gather(*(service.stop() for service in self._running))
        finally:
            for service in self._running:
                service.kill()
