import subprocess
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from benchmarks import environment as module
from benchmarks.environment import commit, environment, stalls, watch


def test_it_says_where_and_with_what() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    found = environment(stall_run_s=0.01)
    assert before <= datetime.fromisoformat(found["date"]) <= datetime.now(UTC)
    assert found["python"].startswith("CPython 3.")
    assert 1 <= found["cores_usable"] <= found["cores"]
    assert found["memory_gib"] > 0.1
    assert len(found["load_average"]) == 3
    assert found["packages"]["websockets"].count(".") >= 1
    assert set(found["stalls"]) == {"watched_s", "lost_share", "gaps", "longest_ms"}


def test_it_can_be_written_and_read_again() -> None:
    found = environment(stall_run_s=0.01)
    assert orjson.loads(orjson.dumps(found)) == found


def test_stalls_are_gaps_of_more_than_a_millisecond() -> None:
    looks = [0.0, 0.0005, 0.0015, 0.0515, 0.052, 0.0625, 0.1]  # gaps of 50, 10.5 and 37.5 ms
    assert stalls(looks) == {"watched_s": 0.1, "lost_share": 0.98, "gaps": 3, "longest_ms": 50.0}


@pytest.mark.parametrize("looks", [[5.0], [0.0, 0.0001, 0.0002]])
def test_a_quiet_machine_has_none(looks: list[float]) -> None:
    found = stalls(looks)
    assert (found["lost_share"], found["gaps"], found["longest_ms"]) == (0, 0, 0)


def test_it_watches_as_long_as_it_is_told() -> None:
    assert watch(0.02)["watched_s"] >= 0.02


# --- the commit --------------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *words]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    return answer.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / "one.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_commit_is_clean_until_a_source_differs(checkout: Path) -> None:
    identifier = git(checkout, "rev-parse", "HEAD")
    (checkout / "report.html").write_text("no source")
    assert commit(checkout) == {"id": identifier, "dirty": False}
    (checkout / "one.py").write_text("x = 2\n")
    assert commit(checkout) == {"id": identifier, "dirty": True}


def test_a_new_source_makes_a_commit_dirty(checkout: Path) -> None:
    (checkout / "two.py").write_text("")
    found = commit(checkout)
    assert found is not None
    assert found["dirty"] is True


def test_a_surrounding_git_command_does_not_confuse_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(checkout / "elsewhere"))
    found = commit(checkout)
    assert found is not None
    assert found["id"] == expected


def test_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) is None


def test_nor_has_a_repository_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_DIR", raising=False)
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) is None


# --- what a platform may not tell --------------------------------------------------------------------------


def test_the_processor_is_named_where_the_kernel_names_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Example CPU @ 2 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
    )
    assert module._cpu_model(cpuinfo) == "Example CPU @ 2 GHz"
    cpuinfo.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert module._cpu_model(cpuinfo) is None
    assert module._cpu_model(tmp_path / "missing") != ""


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert module._words(str(tmp_path / "missing")) is None
    assert module._version("no-such-package-anywhere") is None
