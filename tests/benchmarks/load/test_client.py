import signal
from pathlib import Path

import pytest

from benchmarks.load import client
from benchmarks.load.client import Background, LoadError, LoadGenerator
from scenarios.process import ProcessFailedError
from tests.benchmarks.load.central import central


async def test_a_generator_measures_one_run_after_another(tmp_path: Path) -> None:
    generator = await LoadGenerator.start(tmp_path / "samples")
    async with central() as system:
        assert await generator.connect(system.url, 4, group="g", prefix="Q") == 4
        assert set(system.sockets) == {"Q-1", "Q-2", "Q-3", "Q-4"}

        closed = await generator.closed(
            "g", tags=["ANNA", "BERT"], callers=2, calls=40, warm_up=6, deny_share=0.5, denied_tags=["DENY"]
        )
        assert (closed.answers, closed.errors, closed.lost, closed.unexpected) == (40, 0, 0, 0)
        assert closed.accepted + closed.denied == 40
        assert len(system.calls) == 46
        assert set(system.presented()) == {"ANNA", "BERT", "DENY"}
        assert len(closed.samples()) == 40
        assert closed.rate == pytest.approx(40 / closed.seconds)
        assert 0 < closed.histogram.p50 <= closed.histogram.p99_9 <= closed.histogram.max
        assert closed.cpu_s > 0

        opened = await generator.open(
            "g",
            tags=["ANNA"],
            rate=200.0,
            seconds=0.2,
            warm_up_s=0.05,
            background=Background("high", 2, 18_000.0),
        )
        assert opened.answers == opened.accepted == len(opened.samples()) > 0
        assert opened.file != closed.file
        assert 0 <= opened.late_starts_ms.p50 <= opened.late_starts_ms.p99 <= opened.late_starts_ms.max
        assert opened.background.answers > 0 == opened.background.errors

        timed = await generator.closed("g", tags=["ANNA"], seconds=0.05, warm_up=0)
        assert timed.answers > 0

        await generator.close("g")
        with pytest.raises(LoadError, match="no group g"):
            await generator.closed("g", tags=["ANNA"], calls=1)
        # and lives on
        assert await generator.connect(system.url, 1, group="g") == 1
        assert generator.pid > 0
        await generator.stop()


async def test_a_generator_that_has_ended_is_told(tmp_path: Path) -> None:
    generator = await LoadGenerator.start(tmp_path)
    generator._process.process.kill()
    await generator._process.process.wait()
    with pytest.raises(ProcessFailedError):
        await generator.close("g")
    await generator.stop()


async def test_a_generator_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SLACK_S", 0.1)
    generator = await LoadGenerator.start(tmp_path)
    generator._process.signal(signal.SIGSTOP)
    with pytest.raises(ProcessFailedError, match="did not answer to open in time"):
        await generator.open("g", tags=["ANNA"], rate=1.0, seconds=0.1, warm_up_s=0.0)
    generator._process.signal(signal.SIGCONT)
    await generator.stop()


async def test_one_whose_standard_input_ends_ends_too(tmp_path: Path) -> None:
    generator = await LoadGenerator.start(tmp_path)
    async with central() as system:
        await generator.connect(system.url, 1, group="g")
        stdin = generator._process.process.stdin
        assert stdin is not None
        stdin.close()
        assert await generator._process.process.wait() == 0
    await generator.stop()
