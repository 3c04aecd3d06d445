"""The load generator as the runner sees it: a process of its own, asked for one run after another."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import orjson

from benchmarks.load.plan import Profile
from scenarios.process import ProcessFailedError, Watched

ANSWER_SLACK_S = 60.0
"""How much longer than planned a run may take until the generator is given up: late answers, files."""


class LoadError(Exception):
    """The generator could not do what it was asked for; it says why, and goes on living."""


class Lateness(NamedTuple):
    """How late the generator itself was in starting calls that were due, in milliseconds: its own limit."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Percentiles of the latency in milliseconds, from an HDR histogram of 1 µs to 60 s with 3 digits."""

    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class Background:
    """What else charge points do while authorizations are measured."""

    profile: Profile
    """How busy each is: the load of ITU-T E.500."""
    charge_points: int
    """How many of the group, the last of it, are given to it; the others ask for authorizations."""
    compression: float = 60.0
    """How many times faster than in life their sessions go by."""


@dataclass(frozen=True, slots=True)
class BackgroundResult:
    """What became of the background's calls; all zero without a background. The warm-up's count too."""

    answers: int
    errors: int
    lost: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a closed or an open run; its warm-up does not count."""

    answers: int
    """Authorizations that got a CALLRESULT: accepted and denied."""
    accepted: int
    denied: int
    errors: int
    """Calls that got a CALLERROR, or what is no answer to Authorize; they are in no other figure."""
    lost: int
    """Calls that never got an answer, or could not be sent."""
    unexpected: int
    """Answers with another status than the tag should get."""
    seconds: float
    """From the beginning of the measured part to its end, or to the last answer if that is later."""
    late_starts_ms: Lateness
    cpu_s: float
    """Processor time of the generator itself in the measured part."""
    histogram: Histogram
    background: BackgroundResult
    file: Path
    """The raw samples, an array of float64: intended start in seconds from the measured part's beginning,
    latency in milliseconds."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds if self.seconds else 0.0

    def samples(self) -> list[tuple[float, float]]:
        """The raw samples, read from the file: (`at_s`, `latency_ms`) in the order of their answers."""
        return [(at_s, latency_ms) for at_s, latency_ms in np.load(self.file).tolist()]


class LoadGenerator:
    """A running load generator. One command at a time.

    Args:
        process: of `python -m benchmarks.load`.
        folder: where raw samples go.
    """

    def __init__(self, process: Watched, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._runs = 0

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Start the process; raw samples go to `folder`, which is made if it is not there."""
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        return cls(await Watched.start("load generator", "benchmarks.load", [], {}, talks=True), folder)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.process.pid

    async def connect(self, url: str, count: int, *, group: str, prefix: str = "CP") -> int:
        """Open `count` charge points, `<url>/<prefix>-1` and so on, as a group; returns how many are open.

        Raises:
            LoadError: the group is there already, or one could not be opened; then none is.
        """
        command = {"do": "connect", "url": url, "count": count, "prefix": prefix, "group": group}
        connected: int = (await self._ask(command))["connected"]
        return connected

    async def closed(
        self,
        group: str,
        *,
        tags: Sequence[str],
        callers: int = 1,
        calls: int | None = None,
        seconds: float | None = None,
        warm_up: int = 20,
        deny_share: float = 0.0,
        denied_tags: Sequence[str] = (),
        seed: int = 1,
    ) -> RunResult:
        """Closed loop: each of `callers` charge points asks Authorize, waits for the answer, and asks again.

        Args:
            group: whose charge points ask.
            tags: who presents; must be accepted.
            callers: how many of the group ask.
            calls: how many are measured in all; exactly one of `calls` and `seconds` is given.
            seconds: how long calls are started.
            warm_up: calls before, in all, which are not measured.
            deny_share: share of calls that present one of `denied_tags`, which must not be accepted.
            denied_tags: who must be refused.
            seed: of who presents when.

        Raises:
            LoadError: there is no such group, it is too small, or the command makes no sense.
        """
        command = {
            "do": "closed",
            "group": group,
            "callers": callers,
            "calls": calls,
            "seconds": seconds,
            "warm_up": warm_up,
            "tags": list(tags),
            "deny_share": deny_share,
            "denied_tags": list(denied_tags),
            "seed": seed,
        }
        return await self._run(command, None if seconds is None else seconds + ANSWER_SLACK_S)

    async def open(
        self,
        group: str,
        *,
        tags: Sequence[str],
        rate: float,
        seconds: float,
        warm_up_s: float = 1.0,
        deny_share: float = 0.0,
        denied_tags: Sequence[str] = (),
        background: Background | None = None,
        seed: int = 1,
    ) -> RunResult:
        """Open loop: Poisson arrivals at random charge points; latency counts from the intended start.

        Args:
            group: whose charge points ask.
            tags: who presents; must be accepted.
            rate: arrivals a second.
            seconds: how long arrivals are measured.
            warm_up_s: how long they come before that.
            deny_share: share of arrivals that present one of `denied_tags`, which must not be accepted.
            denied_tags: who must be refused.
            background: what other charge points of the group do meanwhile.
            seed: of the arrivals, who presents, and the background.

        Raises:
            LoadError: there is no such group, it is too small, or the command makes no sense.
        """
        command = {
            "do": "open",
            "group": group,
            "rate": rate,
            "seconds": seconds,
            "warm_up_s": warm_up_s,
            "tags": list(tags),
            "deny_share": deny_share,
            "denied_tags": list(denied_tags),
            "seed": seed,
            "background": None if background is None else asdict(background),
        }
        return await self._run(command, warm_up_s + seconds + ANSWER_SLACK_S)

    async def close(self, group: str) -> None:
        """Close a group's charge points.

        Raises:
            LoadError: there is no such group.
        """
        await self._ask({"do": "close", "group": group})

    async def stop(self) -> None:
        """End the process, and with it every connection."""
        await self._process.stop()

    async def _run(self, command: Mapping[str, Any], patience_s: float | None) -> RunResult:
        self._runs += 1
        file = self._folder / f"{self._runs:04}-{command['do']}.npy"
        found = await self._ask({**command, "file": str(file.absolute())}, patience_s)
        percentiles = {name.replace(".", "_"): value for name, value in found["histogram"].items()}
        return RunResult(
            **{name: found[name] for name in ("answers", "accepted", "denied", "errors", "lost")},
            **{name: found[name] for name in ("unexpected", "seconds", "cpu_s")},
            late_starts_ms=Lateness(**found["late_starts_ms"]),
            histogram=Histogram(**percentiles),
            background=BackgroundResult(**found["background"]),
            file=Path(found["file"]),
        )

    async def _ask(
        self, command: Mapping[str, Any], patience_s: float | None = ANSWER_SLACK_S
    ) -> dict[str, Any]:
        """Without patience: a run of so many calls takes as long as it takes, and ends when answers stop."""
        stdin, stdout = self._process.process.stdin, self._process.process.stdout
        assert stdin is not None, "talks"
        assert stdout is not None, "talks"
        stdin.write(orjson.dumps(command) + b"\n")
        try:
            async with asyncio.timeout(patience_s):
                line = await stdout.readline()
        except TimeoutError:
            raise ProcessFailedError(f"the load generator did not answer to {command['do']} in time") from None
        if not line:
            raise ProcessFailedError(f"the load generator ended:\n{self._process.last_words()}")
        answer: dict[str, Any] = orjson.loads(line)
        if "error" in answer:
            raise LoadError(answer["error"])
        return answer
