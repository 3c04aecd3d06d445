import os

import pytest

from chargepoint_model.commands import Errand
from chargepoint_model.lines import errands


async def read(text: bytes) -> tuple[list[Errand], list[str]]:
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    faults: list[str] = []
    came = [errand async for errand in errands(reading, faults.append)]
    os.close(reading)
    return came, faults


async def test_each_line_is_an_errand_until_the_end() -> None:
    came, faults = await read(
        b'{"idTag": "T-1"}\n'
        b'{"idTag": "T 2", "authorizations": 5, "session": false, "energyWh": 100}'  # the last needs no newline
    )
    assert faults == []
    assert came == [Errand("T-1"), Errand("T 2", authorizations=5, session=False, energy_wh=100)]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"no JSON", "line"),
        (b"", "line"),
        (b"{}", "idTag"),
        (b'{"idTag": ""}', "idTag"),
        (b'{"idTag": "T", "authorizations": 0}', "authorizations"),
        (b'{"idTag": "T", "authorizations": "1"}', "authorizations"),
        (b'{"idTag": "T", "power": 1}', "power"),
    ],
)
async def test_a_line_that_is_none_is_named_and_the_next_is_read(line: bytes, named: str) -> None:
    came, faults = await read(line + b'\n{"idTag": "T-1"}\n')
    assert came == [Errand("T-1")]
    assert len(faults) == 1
    assert faults[0].startswith(named)


async def test_no_lines_are_no_errands() -> None:
    assert await read(b"") == ([], [])
