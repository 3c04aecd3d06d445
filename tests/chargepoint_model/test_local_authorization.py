from datetime import UTC, datetime, timedelta

import pytest

from cascade.errors import BadValueError
from cascade.frames import Payload
from chargepoint_model import local_authorization
from chargepoint_model.local_authorization import LocalAuthorization, TagInfo, tag_info

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD, BLOCKED = TagInfo("Accepted", "P-1"), TagInfo("Blocked")


def entry(id_tag: str, status: str | None = "Accepted") -> Payload:
    return {"idTag": id_tag} if status is None else {"idTag": id_tag, "idTagInfo": {"status": status}}


def status_of(
    known: LocalAuthorization, id_tag: str, *, in_list: bool = True, in_cache: bool = True
) -> str | None:
    info = known.known(id_tag, NOW, in_list=in_list, in_cache=in_cache)
    return info.status if info else None


@pytest.fixture
def known() -> LocalAuthorization:
    return LocalAuthorization()


def test_what_was_answered_is_remembered_in_any_case(known: LocalAuthorization) -> None:
    known.remember("Tag", GOOD)
    assert known.known("TAG", NOW, in_list=True, in_cache=True) == GOOD
    assert status_of(known, "TAG", in_cache=False) is None
    known.clear_cache()
    assert status_of(known, "TAG") is None


def test_what_has_expired_is_expired() -> None:
    info = tag_info({"status": "Accepted", "expiryDate": "2026-01-01T01:00:00+01:00", "parentIdTag": "P"})
    assert info == TagInfo("Accepted", "P", NOW)
    assert info.at(NOW - timedelta(seconds=1)).status == "Accepted"
    assert info.at(NOW).status == "Expired"


def test_the_list_goes_before_the_cache(known: LocalAuthorization) -> None:
    known.remember("A", GOOD)
    assert known.update(1, [entry("a", "Blocked")], full=True) == "Accepted"
    known.remember("A", GOOD)
    assert status_of(known, "A") == "Blocked"
    assert status_of(known, "A", in_list=False) is None, "what is in the list is not in the cache"


def test_a_full_list_replaces_and_a_difference_changes(known: LocalAuthorization) -> None:
    assert known.update(5, [entry("A"), entry("B")], full=True) == "Accepted"
    assert known.update(6, [entry("A", None), entry("C", "Blocked")], full=False) == "Accepted"
    assert (status_of(known, "A"), status_of(known, "B"), status_of(known, "C")) == (
        None,
        "Accepted",
        "Blocked",
    )
    assert known.update(2, [entry("D")], full=True) == "Accepted", "a full list may be of any version"
    assert (known.version, status_of(known, "B"), status_of(known, "D")) == (2, None, "Accepted")
    assert known.update(3, [], full=True) == "Accepted"
    assert status_of(known, "D") is None


@pytest.mark.parametrize(
    ("version", "entries", "full", "status"),
    [
        (5, [], False, "VersionMismatch"),
        (4, [entry("B")], False, "VersionMismatch"),
        (0, [entry("B")], True, "Failed"),
        (-1, [entry("B")], True, "Failed"),
        (6, [entry("B"), entry("b")], False, "Failed"),
        (6, [entry("B", None)], True, "Failed"),
        (6, [entry(str(number)) for number in range(501)], False, "Failed"),
    ],
)
def test_what_is_not_taken_changes_nothing(
    known: LocalAuthorization, version: int, entries: list[Payload], *, full: bool, status: str
) -> None:
    known.update(5, [entry("A")], full=True)
    assert known.update(version, entries, full=full) == status
    assert (known.version, status_of(known, "A"), status_of(known, "B")) == (5, "Accepted", None)


def test_an_expiry_that_is_no_moment_changes_nothing(known: LocalAuthorization) -> None:
    odd = {"idTag": "A", "idTagInfo": {"status": "Accepted", "expiryDate": "2016-12-31T23:59:60Z"}}
    with pytest.raises(BadValueError, match="calendar"):
        known.update(1, [odd], full=True)
    assert known.version == 0


def test_the_list_has_an_end(known: LocalAuthorization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_authorization, "MAX_LIST_LENGTH", 2)
    assert known.update(1, [entry("A"), entry("B")], full=True) == "Accepted"
    assert known.update(2, [entry("C")], full=False) == "Failed"
    assert known.update(2, [entry("A", None), entry("C")], full=False) == "Accepted"


def test_the_cache_forgets_what_was_answered_longest_ago(
    known: LocalAuthorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_authorization, "CACHE_SIZE", 2)
    for tag in ("A", "B", "A", "C"):
        known.remember(tag, GOOD)
    assert [status_of(known, tag) for tag in ("A", "B", "C")] == ["Accepted", None, "Accepted"]
