"""Where and with what a run was made: enough to judge its figures, nothing that names the machine."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

PACKAGES = (
    *("websockets", "uvloop", "orjson", "jsonschema-rs", "ocpp", "pydantic", "structlog", "PyJWT"),
    *("picows", "aiohttp", "hdrhistogram", "numpy", "matplotlib"),
)
"""What stands on the hot path of a system that is measured, or measures it."""

STALL_S = 0.001
"""A gap between two looks at the clock from which on it was not this program that took the time."""


def environment(stall_run_s: float = 1.0) -> dict[str, Any]:
    """The machine, its noise, and the versions of what runs on it.

    What this platform does not tell is None.

    Args:
        stall_run_s: for how long to watch for stalls, in seconds, on one core, without a pause.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu_quota": _words("/sys/fs/cgroup/cpu.max"),
        "governor": _words("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "stalls": watch(stall_run_s),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def watch(seconds: float) -> dict[str, float]:
    """Look at the clock without a pause, and see what others took: see `stalls`."""
    clock = time.perf_counter

    def looks() -> Iterable[float]:
        begun = now = clock()
        while now - begun < seconds:
            yield now
            now = clock()
        yield now

    return stalls(looks())


def stalls(looks: Iterable[float]) -> dict[str, float]:
    """How much of the time went in gaps of more than 1 ms between two looks at the clock.

    Args:
        looks: what the clock showed, in seconds, ascending; at least once.

    Returns:
        `watched_s`, `lost_share` (0 to 1 of it), `gaps` (how many), `longest_ms`.
    """
    moments = iter(looks)
    begun = last = next(moments)
    lost, longest, gaps = 0.0, 0.0, 0
    for now in moments:
        gap = now - last
        if gap > STALL_S:
            lost, longest, gaps = lost + gap, max(longest, gap), gaps + 1
        last = now
    watched = last - begun
    return {
        "watched_s": round(watched, 3),
        "lost_share": round(lost / watched, 4) if watched else 0.0,
        "gaps": gaps,
        "longest_ms": round(longest * 1000, 3),
    }


def commit(root: Path = ROOT) -> dict[str, Any] | None:
    """The commit that is checked out, and whether a source differs from it or is not in it, if any."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    # whatever a surrounding git command has put in the environment is about another question
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def ask(*words: str) -> str:
        command = [git, "-C", str(root), *words]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)  # noqa: S603 - fixed words
        return answer.stdout.strip()

    try:
        identifier = ask("rev-parse", "HEAD")
        return {"id": identifier, "dirty": ask("status", "--porcelain", "--", "*.py", "*.toml", "*.txt") != ""}
    except subprocess.CalledProcessError:  # no commit yet, or a checkout of somebody else's
        return None


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """From /proc/cpuinfo; Arm's has no model name, so that the architecture must do."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() == "model name"), None)


def _words(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
