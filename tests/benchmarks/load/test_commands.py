import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.load.commands import Desk
from tests.benchmarks.load.central import central

CLOSED = {"do": "closed", "group": "g", "tags": ["ANNA"], "calls": 5, "file": "run.npy"}
OPEN = {"do": "open", "group": "g", "tags": ["ANNA"], "rate": 100.0, "seconds": 0.1, "file": "run.npy"}
BACKGROUND = {"profile": "high", "charge_points": 1}


async def say(desk: Desk, **command: object) -> dict[str, Any]:
    return await desk.answer(orjson.dumps(command))


async def test_a_group_is_linked_measured_and_closed(tmp_path: Path) -> None:
    desk, file = Desk(), str(tmp_path / "run.npy")
    async with central() as system:
        connected = await say(desk, do="connect", url=system.url, count=3, prefix="CP", group="g")
        assert connected == {"connected": 3}
        closed = await say(desk, **CLOSED | {"file": file, "callers": 2, "warm_up": 4})
        assert (closed["answers"], closed["file"], closed["background"]["answers"]) == (5, file, 0)
        assert np.load(file).shape == (5, 2)
        assert len(system.calls) == 9
        timed = await say(desk, **CLOSED | {"file": file, "calls": None, "seconds": 0.02, "warm_up": 0})
        assert timed["answers"] == len(system.calls) - 9
        opened = await say(
            desk,
            **OPEN
            | {"file": file, "rate": 400.0, "warm_up_s": 0.05, "denied_tags": ["DENY"], "deny_share": 0.5},
            background=BACKGROUND | {"compression": 36000.0},
        )
        assert opened["answers"] == opened["accepted"] + opened["denied"] == len(np.load(file))
        assert opened["accepted"] > 0 < opened["denied"]
        assert opened["seconds"] >= 0.1
        assert opened["background"]["answers"] > 0
        assert (opened["errors"], opened["lost"], opened["unexpected"], opened["background"]["lost"]) == (
            0,
            0,
            0,
            0,
        )
        assert await say(desk, do="close", group="g") == {"closed": "g"}


async def test_the_same_seed_presents_the_same_drivers(tmp_path: Path) -> None:
    desk = Desk()
    run = CLOSED | {"file": str(tmp_path / "run.npy"), "tags": list("ABCDEFGH"), "calls": 30, "warm_up": 0}
    presented = []
    async with central() as system:
        await say(desk, do="connect", url=system.url, count=1, group="g")
        for seed in (1, 1, 2):
            await say(desk, **run, seed=seed)
            presented.append(system.presented())
            system.calls.clear()
        await desk.groups.close_all()
    assert presented[0] == presented[1] != presented[2]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (b"nonsense", "line: Invalid JSON"),
        (b"[]", "line: "),
        (b'{"do":"dance"}', "line: .*dance"),
        (orjson.dumps({"do": "close"}), "close.group: Field required"),
        (orjson.dumps({"do": "close", "group": "g", "now": True}), "now: Extra inputs"),
        (orjson.dumps({"do": "close", "group": "g"}), "no group g"),
        (orjson.dumps(CLOSED), "no group g"),
        (orjson.dumps(OPEN), "no group g"),
        (orjson.dumps(CLOSED | {"seconds": 1.0}), "either calls or seconds"),
        (orjson.dumps(CLOSED | {"calls": None}), "either calls or seconds"),
        (orjson.dumps(CLOSED | {"tags": []}), "nobody can be accepted"),
        (orjson.dumps(CLOSED | {"calls": 0}), "calls: .*greater"),
        (orjson.dumps(OPEN | {"rate": 0.0}), "rate: .*greater"),
        (orjson.dumps(OPEN | {"background": BACKGROUND | {"profile": "low"}}), "profile"),
        (
            orjson.dumps(
                OPEN | {"tags": [], "denied_tags": ["X"], "deny_share": 1.0, "background": BACKGROUND}
            ),
            "a background needs tags",
        ),
        (
            orjson.dumps({"do": "connect", "url": "ws://127.0.0.1:1", "count": 1, "group": "g"}),
            "cannot be linked with",
        ),
    ],
)
async def test_what_is_wrong_with_a_command_is_told(command: bytes, fault: str) -> None:
    answer = await Desk().answer(command)
    assert set(answer) == {"error"}
    assert re.search(fault, answer["error"])


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    desk = Desk()
    async with central() as system:
        await say(desk, do="connect", url=system.url, count=1, group="g")
        answer = await say(desk, **CLOSED | {"file": str(tmp_path / "missing" / "run.npy")})
        await desk.groups.close_all()
    assert "No such file" in answer["error"]
