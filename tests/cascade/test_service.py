import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from cascade.errors import SetupError, StoreError
from cascade.service import first_to_end, load_settings, run_or_exit, server_tls, until_stopped
from cascade.trace import FrameTrace
from tests.conftest import LogLines


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    port: PositiveInt = 9000


class Sample:
    """A service that is told to stop, or breaks."""

    def __init__(self, *, ends: Callable[[], None], fault: Exception | None = None) -> None:
        self.trace = FrameTrace("sample")
        self.steps: list[str] = []
        self._ends = ends
        self._fault = fault

    async def start(self) -> None:
        self.steps.append("start")
        self._ends()

    async def broken(self) -> None:
        if self._fault is None:
            await asyncio.Event().wait()
        else:
            await first_to_end([asyncio.create_task(badly(self._fault))])

    async def stop(self) -> None:
        self.steps.append("stop")


@pytest.mark.parametrize("stopping", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_runs_until_it_is_told_to_stop(logs: LogLines, stopping: signal.Signals) -> None:
    def ends() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), stopping)

    service = Sample(ends=ends)
    async with asyncio.timeout(10):
        await until_stopped(service)
        await logs.event("trace")
    assert service.steps == ["start", "stop"]
    assert service.trace.on


async def test_a_service_of_which_a_part_has_broken_stops_and_says_why() -> None:
    service = Sample(ends=lambda: None, fault=StoreError("the disk is gone"))
    async with asyncio.timeout(10):
        with pytest.raises(StoreError, match="the disk is gone"):
            await until_stopped(service)
    assert service.steps == ["start", "stop"]


async def well() -> int:
    return 7


async def badly(error: Exception) -> None:
    raise error


def test_a_command_gives_back_its_result() -> None:
    assert run_or_exit(well()) == 7


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StoreError("the database is full"), "the database is full\n"),
        (OSError(98, "in use"), "the address cannot be had: [Errno 98] in use\n"),
        (OSError("no such file"), "no such file\n"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        run_or_exit(badly(error))
    assert exited.value.code == 1
    assert capsys.readouterr().err == line


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(LookupError):
        run_or_exit(badly(LookupError("a bug")))


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_PORT", "9001")
    assert load_settings(Settings, port=None).port == 9001
    assert load_settings(Settings, port=9002).port == 9002


def test_a_setting_that_does_not_hold_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMPLE_PORT", "SECRET")
    with pytest.raises(SystemExit) as exited:
        load_settings(Settings)
    assert exited.value.code == 2
    written = capsys.readouterr().err
    assert written.startswith("these settings do not hold:\n  SAMPLE_PORT: ")
    assert "SECRET" not in written


def test_tls_is_there_if_there_is_a_certificate(certificate: Path, tmp_path: Path) -> None:
    assert server_tls(None, None) is None
    assert server_tls(certificate, None) is not None
    for bad in (tmp_path / "missing.pem", tmp_path):
        with pytest.raises(SetupError, match="cannot be used"):
            server_tls(bad, None)
