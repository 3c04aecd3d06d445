import asyncio
import signal
from pathlib import Path

import pytest

from scenarios import process as process_module
from scenarios.process import ProcessFailedError, Watched, run


async def hub(tmp_path: Path) -> Watched:
    return await Watched.start(
        "hub", "nap", ["serve", "--port", "0"], {"NAP_DATABASE": str(tmp_path / "h.sqlite")}
    )


async def test_events_are_seen_and_the_process_stops(tmp_path: Path) -> None:
    watched = await hub(tmp_path)
    listening = await watched.event("listening")
    await watched.stop()
    assert listening["url"].startswith("ws://127.0.0.1:")
    assert watched.process.returncode == 0
    assert watched.events[-1]["event"] == "stopped"


async def test_a_process_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "STOP_TIMEOUT_S", 0.05)
    watched = await hub(tmp_path)
    await watched.event("listening")
    watched.signal(signal.SIGSTOP)
    await watched.stop()
    assert watched.process.returncode == -signal.SIGKILL


async def test_waiting_for_what_never_comes_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = await hub(tmp_path)
    await watched.event("listening")
    monkeypatch.setattr(process_module, "START_TIMEOUT_S", 0.05)
    with pytest.raises(ProcessFailedError, match="no event party in time"):
        await watched.event("party")
    await watched.stop()


async def test_a_process_that_ends_first_tells_why() -> None:
    watched = await Watched.start("hub", "nap", ["serve"], {"NAP_PORT": "many"})
    with pytest.raises(ProcessFailedError, match="NAP_PORT"):
        await watched.event("listening")
    await watched.stop()


async def test_a_command_that_fails_tells_why(tmp_path: Path) -> None:
    database = str(tmp_path / "h.sqlite")
    with pytest.raises(ProcessFailedError, match="no operator C9"):
        await run("nap", "nap", ["operator", "show", "C9", "--database", database], {})


async def test_a_command_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "START_TIMEOUT_S", 0.5)
    settings = {"NAP_DATABASE": str(tmp_path / "h.sqlite"), "NAP_PORT": "0"}
    with pytest.raises(ProcessFailedError, match="did not end in time"):
        await asyncio.wait_for(run("nap", "nap", ["serve"], settings), 30)
