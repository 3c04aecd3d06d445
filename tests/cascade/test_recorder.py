import asyncio
from collections.abc import Sequence

import pytest

from cascade import recorder
from cascade.errors import StoreError
from cascade.recorder import Recorder
from tests.conftest import LogLines


class Shelf:
    """Where records are put; it can be full."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.is_full = False
        self.came = asyncio.Event()

    async def write(self, records: Sequence[str]) -> None:
        if self.is_full:
            raise StoreError("full")
        self.batches.append(list(records))
        self.came.set()


async def test_records_are_written_together_and_once() -> None:
    shelf = Shelf()
    keeper = Recorder(shelf.write, interval_s=600)
    keeper.record("m-1")
    keeper.record("m-2")
    assert shelf.batches == []
    await keeper.flush()
    await keeper.flush()
    assert shelf.batches == [["m-1", "m-2"]]


async def test_what_could_not_be_written_is_written_next_time_in_order(logs: LogLines) -> None:
    shelf = Shelf()
    keeper = Recorder(shelf.write, interval_s=600)
    keeper.record("m-1")
    shelf.is_full = True
    await keeper.flush()
    assert logs.named("authorizations_not_written")[0]["waiting"] == 1
    keeper.record("m-2")
    shelf.is_full = False
    await keeper.flush()
    assert shelf.batches == [["m-1", "m-2"]]


async def test_of_too_many_unwritten_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEEP_UNWRITTEN", 2)
    shelf = Shelf()
    keeper = Recorder(shelf.write, interval_s=600)
    shelf.is_full = True
    for number in range(4):
        keeper.record(f"m-{number}")
    await keeper.flush()
    shelf.is_full = False
    await keeper.flush()
    assert shelf.batches == [["m-2", "m-3"]]


async def test_it_writes_at_intervals() -> None:
    shelf = Shelf()
    keeper = Recorder(shelf.write, interval_s=0.001)
    running = asyncio.create_task(keeper.run())
    for number in range(2):
        keeper.record(f"m-{number}")
        async with asyncio.timeout(10):
            await shelf.came.wait()
        shelf.came.clear()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert shelf.batches == [["m-0"], ["m-1"]]
