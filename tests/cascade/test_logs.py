import errno
import io
import os
import sys
from collections.abc import Iterator

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from cascade.logs import Lines, masked, set_up_logs

Stderr = pytest.CaptureFixture[bytes]


@pytest.fixture
def stderr(capsysbinary: Stderr) -> Iterator[Stderr]:
    """What a service writes to standard error; the set-up is undone after the test."""
    yield capsysbinary
    structlog.reset_defaults()


def lines(stderr: Stderr) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in stderr.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_that_names_the_service(stderr: Stderr) -> None:
    set_up_logs("info", service="nap")
    structlog.get_logger().warning("link_cut", peer="C1", sizes=[1, 2])
    (line,) = lines(stderr)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "link_cut", "level": "warning", "service": "nap", "peer": "C1", "sizes": [1, 2]}


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("WARNING", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_written(stderr: Stderr, level: str, count: int) -> None:
    set_up_logs(level, service="nap")
    log = structlog.get_logger()
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(lines(stderr)) == count


def test_an_exception_is_written_with_its_traceback(stderr: Stderr) -> None:
    set_up_logs("info", service="nap")
    structlog.get_logger().error("handler_failed", exc_info=LookupError("what happened"))
    assert "LookupError: what happened" in str(lines(stderr)[0]["exception"])


@pytest.mark.parametrize("value", ["\udcff", 2**80, {1, 2}, object(), {1: 2}, b"\xff"])
def test_a_line_is_written_whatever_it_holds(stderr: Stderr, value: object) -> None:
    set_up_logs("info", service="nap")
    structlog.get_logger().info("odd", value=value)
    assert lines(stderr)[0]["event"] == "odd"


def test_a_person_at_a_terminal_gets_text(stderr: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, screen = os.openpty()
    with os.fdopen(screen, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        set_up_logs("info", service="nap")
        structlog.get_logger().info("started", port=9000)
        terminal.flush()
        seen = os.read(keyboard, 4096).decode()
    os.close(keyboard)
    assert "started" in seen
    assert "9000" in seen
    assert not seen.startswith("{")
    assert stderr.readouterr() == (b"", b"")


class Full(io.RawIOBase):
    """A file on a disk that is full, until there is space."""

    def __init__(self) -> None:
        self.is_full = True
        self.text = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # no other buffer comes here
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.text += bytes(data)
        return len(data)


def test_lines_that_cannot_be_written_are_lost_and_counted() -> None:
    file = Full()
    lines = Lines(file)  # type: ignore[arg-type] # without the buffer, which would keep some of them
    lines.write(orjson.dumps({"event": "first"}))
    lines.write_soon({"event": "second"})
    lines.write(orjson.dumps({"event": "third"}))
    file.is_full = False
    lines.write(orjson.dumps({"event": "fourth"}))
    lines.write(orjson.dumps({"event": "fifth"}))
    lost, *written = [orjson.loads(line) for line in file.text.splitlines()]
    assert lost == {"event": "log_lines_lost", "level": "warning", "count": 3}
    assert [line["event"] for line in written] == ["fourth", "fifth"]


@given(st.text(max_size=20))
def test_a_mask_shows_at_most_four_characters_and_never_a_short_token(id_tag: str) -> None:
    shown = masked(id_tag).replace("…", "", 1)
    assert shown == (id_tag[:2] + id_tag[-2:] if len(id_tag) > 6 else "")
