import os
import signal
from pathlib import Path

import pytest

from benchmarks.systems import services as services_module
from benchmarks.systems.services import Service, Services
from scenarios.process import ProcessFailedError


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def start_hub(services: Services, name: str = "hub") -> Service:
    settings = {"NAP_DATABASE": str(services.folder / f"{name}.sqlite"), "NAP_PORT": "0"}
    return await services.start(name, "nap", ["serve"], settings)


async def test_a_service_is_watched_through_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAP_PORT", "not ours to hand on")
    async with Services(tmp_path) as services:
        hub = await start_hub(services)
        listening = await hub.event("listening", lambda event: event["url"].startswith("ws://127.0.0.1:"))
        assert hub.events("listening") == [listening]
        mark = hub.mark
        assert hub.events("listening", since=mark) == []
        monkeypatch.setattr(services_module, "POLL_S", 0.001)
        with pytest.raises(ProcessFailedError, match="no event listening in time"):
            await hub.event("listening", since=mark, timeout_s=0.02)
        assert 0 < hub.cpu_s() < 60
        assert 10e6 < hub.rss_bytes() < 1e9
        await services.stop(hub)
        assert hub.events("stopped")
        with pytest.raises(ProcessFailedError, match="hub has ended"):
            hub.cpu_s()
        with pytest.raises(ProcessFailedError, match="hub has ended"):
            hub.rss_bytes()
        with pytest.raises(FileExistsError):
            await start_hub(services)


async def test_a_service_that_ends_first_tells_why(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await services.start("hub", "nap", ["serve"], {"NAP_PORT": "many"})
        with pytest.raises(ProcessFailedError, match="NAP_PORT"):
            await hub.event("listening")


async def test_half_a_line_is_no_event_yet(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await start_hub(services)
        await hub.event("listening")
        with hub.log.open("ab") as log:
            log.write(b'{"event":"half","n":1')
        assert hub.events("half") == []
        with hub.log.open("ab") as log:
            log.write(b'}\n{"event":"other","says":{"event":"half"}}\n')
        assert hub.events("half") == [{"event": "half", "n": 1}]


async def test_nothing_runs_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_module, "STOP_TIMEOUT_S", 0.2)
    started: list[Service] = []

    async def fail() -> None:
        async with Services(tmp_path) as services:
            for name in ("polite", "deaf"):
                started.append(await start_hub(services, name))
                await started[-1].event("listening")
            os.kill(started[1].pid, signal.SIGSTOP)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await fail()
    assert not any(is_running(service.pid) for service in started)
