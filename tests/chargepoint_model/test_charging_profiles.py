from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import BadValueError
from cascade.frames import Payload
from chargepoint_model import charging_profiles
from chargepoint_model.charging_profiles import (
    FOR_EVER,
    ChargingProfiles,
    Limit,
    Period,
    Profile,
    composite,
    read_profile,
    whole_seconds,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return NOW + hours * HOUR


def text(hours: float) -> str:
    return at(hours).isoformat().replace("+00:00", "Z")


def a_profile(
    number: int = 1,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    *,
    kind: str = "Relative",
    **more: object,
) -> Payload:
    schedule: Payload = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1000}]}
    schedule |= {key: more.pop(key) for key in ("duration", "startSchedule") if key in more}
    if "limits" in more:
        limits = more.pop("limits")
        assert isinstance(limits, dict)
        schedule["chargingSchedulePeriod"] = [
            {"startPeriod": start, "limit": limit} for start, limit in limits.items()
        ]
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


def read(payload: Payload, connector: int = 1) -> Profile:
    profile = read_profile(connector, payload, NOW)
    assert profile is not None
    return profile


def installed(*profiles: tuple[int, Payload], connectors: int = 1) -> ChargingProfiles:
    all_of_them = ChargingProfiles(connectors)
    for connector, payload in profiles:
        assert all_of_them.install(read(payload, connector))
    return all_of_them


# --- one profile --------------------------------------------------------------------------------------------


def test_a_relative_schedule_begins_with_the_transaction() -> None:
    profile = read(a_profile(limits={0: 5000, 1800: 2000}, duration=3600))
    assert profile.at(NOW, NOW) == Limit(5000, at(0.5))
    assert profile.at(at(0.5), NOW) == Limit(2000, at(1))
    assert profile.at(at(1), NOW) == Limit(None, FOR_EVER)
    assert profile.at(at(5), at(5)) == Limit(5000, at(5.5))


def test_an_absolute_schedule_begins_when_it_says() -> None:
    profile = read(a_profile(kind="Absolute", startSchedule=text(1), limits={0: 5000, 3600: 0}))
    assert profile.at(NOW, NOW) == Limit(None, at(1))
    assert profile.at(at(1), NOW) == Limit(5000, at(2))
    assert profile.at(at(2), NOW) == Limit(0, FOR_EVER)


@pytest.mark.parametrize(("recurrence", "days"), [("Daily", 1), ("Weekly", 7)])
def test_a_recurring_schedule_comes_again(recurrence: str, days: int) -> None:
    profile = read(
        a_profile(
            kind="Recurring", recurrencyKind=recurrence, startSchedule=text(0), duration=3600, limits={0: 0}
        )
    )
    for turn in range(3):
        begins = NOW + timedelta(days=turn * days)
        assert profile.at(begins, NOW) == Limit(0, begins + HOUR)
        assert profile.at(begins + HOUR, NOW) == Limit(None, begins + timedelta(days=days))
    assert profile.at(at(-1), NOW) == Limit(None, NOW), "but not before it began"


def test_a_profile_says_nothing_outside_its_validity() -> None:
    profile = read(a_profile(validFrom=text(1), validTo=text(2)))
    assert profile.at(NOW, NOW) == Limit(None, at(1))
    assert profile.at(at(1), NOW) == Limit(1000, at(2))
    assert profile.at(at(2), NOW) == Limit(None, FOR_EVER)


@pytest.mark.parametrize(
    ("unit", "period", "watts"),
    [
        ("W", {"limit": 1234.5}, 1234),
        ("A", {"limit": 16}, 11_040),
        ("A", {"limit": 16, "numberPhases": 1}, 3680),
        ("A", {"limit": 0.3, "numberPhases": 1}, 69),
        ("A", {"limit": 0}, 0),
    ],
)
def test_limits_are_whole_watts(unit: str, period: Payload, watts: int) -> None:
    payload = a_profile()
    payload["chargingSchedule"] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, **period}],
    }
    assert read(payload).periods == (Period(0, watts),)


@pytest.mark.parametrize(
    ("connector", "payload"),
    [
        (1, a_profile(purpose="ChargePointMaxProfile", kind="Absolute")),
        (0, a_profile(purpose="ChargePointMaxProfile")),
        (0, a_profile(purpose="TxProfile")),
        (1, a_profile(level=-1)),
        (1, a_profile(level=11)),
        (1, a_profile(limits={})),
        (1, a_profile(limits={1: 5})),
        (1, a_profile(limits={0: 5, 7: 5, 6: 5})),
        (1, a_profile(limits={0: -1})),
        (1, a_profile(limits=dict.fromkeys(range(101), 5))),
        (1, a_profile(limits={0: 1, 10**20: 5})),
        (1, a_profile(duration=0)),
        (1, a_profile(duration=10**20)),
        (1, a_profile(validFrom=text(1), validTo=text(1))),
        (1, a_profile(kind="Recurring", startSchedule=text(0))),
        (1, a_profile(kind="Recurring", recurrencyKind="Daily")),
    ],
)
def test_what_makes_no_sense_is_no_profile(connector: int, payload: Payload) -> None:
    assert read_profile(connector, payload, NOW) is None


def test_a_moment_that_is_in_no_calendar() -> None:
    with pytest.raises(BadValueError, match="calendar"):
        read_profile(1, a_profile(validTo="2016-12-31T23:59:60Z"), NOW)


def test_the_end_of_the_calendar_is_for_ever() -> None:
    late = a_profile(
        kind="Absolute", startSchedule="9999-12-31T23:00:00Z", duration=2**31 - 1, limits={0: 5, 2**31 - 1: 6}
    )
    moment = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
    assert read(late).at(moment, NOW) == Limit(5, FOR_EVER)


# --- all of them --------------------------------------------------------------------------------------------


def test_the_highest_that_says_something_counts() -> None:
    profiles = installed(
        (1, a_profile(1, level=1, limits={0: 1000})),
        (1, a_profile(2, level=5, limits={0: 2000}, duration=3600)),
        (1, a_profile(3, level=9, limits={0: 3000}, kind="Absolute", startSchedule=text(0.5), duration=900)),
    )
    shown = [profiles.limit(1, at(hours), NOW) for hours in (0, 0.5, 0.75, 1)]
    assert shown == [Limit(2000, at(0.5)), Limit(3000, at(0.75)), Limit(2000, at(1)), Limit(1000, FOR_EVER)]


def test_the_transactions_own_goes_before_the_default_and_that_before_the_default_of_all() -> None:
    profiles = installed((0, a_profile(1, level=9, limits={0: 1000})))
    assert profiles.limit(1, NOW, NOW).power_w == 1000
    profiles.install(read(a_profile(2, limits={0: 2000})))
    assert profiles.limit(1, NOW, NOW).power_w == 2000
    assert profiles.limit(2, NOW, NOW).power_w == 1000
    profiles.install(read(a_profile(3, "TxProfile", limits={0: 3000})))
    assert profiles.limit(1, NOW, NOW).power_w == 3000
    profiles.of_transaction_over(1)
    assert profiles.limit(1, NOW, NOW).power_w == 2000


def test_the_whole_charge_point_has_a_limit_too() -> None:
    whole = a_profile(1, "ChargePointMaxProfile", kind="Absolute", limits={0: 9000, 3600: 100_000})
    profiles = installed((0, whole), (1, a_profile(2, limits={0: 5000})), connectors=2)
    assert profiles.limit(1, NOW, NOW) == Limit(4500, at(1))
    assert profiles.limit(1, at(1), NOW) == Limit(5000, FOR_EVER)
    assert profiles.limit(2, NOW, NOW) == Limit(4500, at(1))


def test_nothing_installed_is_no_limit() -> None:
    assert ChargingProfiles(1).limit(1, NOW, NOW) == Limit(None, FOR_EVER)


def test_an_id_or_a_place_is_had_once() -> None:
    profiles = installed((1, a_profile(1, limits={0: 1000})))
    profiles.install(read(a_profile(2, limits={0: 2000})))
    assert profiles.limit(1, NOW, NOW).power_w == 2000
    assert not profiles.clear(1, None, None, None), "its place was taken"
    profiles.install(read(a_profile(2, level=3, limits={0: 3000})))
    assert profiles.clear(None, None, None, 3)
    assert profiles.limit(1, NOW, NOW).power_w is None


def test_there_is_an_end_to_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charging_profiles, "MAX_PROFILES", 1)
    profiles = installed((1, a_profile(1)))
    assert not profiles.install(read(a_profile(2, level=1)))
    assert profiles.install(read(a_profile(1, level=1)))


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ((None, None, None, None), []),
        ((2, None, None, None), [1, 3]),
        ((None, 1, None, None), [3]),
        ((None, 0, None, None), [1, 2]),
        ((None, None, "TxProfile", None), [1, 3]),
        ((None, None, None, 0), [2]),
        ((None, 1, "TxDefaultProfile", 0), [2, 3]),
        ((9, None, None, None), [1, 2, 3]),
        ((1, None, "TxProfile", None), [1, 2, 3]),
    ],
)
def test_what_is_cleared_matches_all_that_is_given(
    wanted: tuple[int | None, int | None, str | None, int | None], left: list[int]
) -> None:
    profiles = installed((1, a_profile(1)), (1, a_profile(2, "TxProfile", 4)), (0, a_profile(3, level=0)))
    assert profiles.clear(*wanted) == (len(left) < 3)
    assert [number for number in (1, 2, 3) if profiles.clear(number, None, None, None)] == left


# --- composites ---------------------------------------------------------------------------------------------


def test_a_composite_shows_what_differs() -> None:
    profiles = installed((1, a_profile(limits={0: 5000, 60: 5000, 120: 0})))
    limit = partial(profiles.limit, 1, began=NOW)
    assert list(composite(limit, NOW, 600)) == [Period(0, 5000), Period(120, 0)]
    assert list(composite(limit, NOW, 120)) == [Period(0, 5000)]
    assert list(composite(limit, NOW, 0)) == []


def test_a_change_counts_from_the_next_whole_second() -> None:
    assert whole_seconds(timedelta(seconds=1.2)) == 2
    assert whole_seconds(timedelta(seconds=1)) == 1
    start = NOW - timedelta(milliseconds=300)
    profiles = installed((1, a_profile(kind="Absolute", startSchedule=text(0), limits={0: 5000, 10: 0})))
    limits = list(composite(partial(profiles.limit, 1, began=start), start, 60))
    assert limits == [Period(1, 5000), Period(11, 0)]


schedules = st.dictionaries(st.integers(1, 5000), st.integers(0, 50_000), max_size=5).map(
    lambda later: dict(sorted({0: 7000, **later}.items()))
)
profiles_of_any_kind = st.lists(
    st.tuples(
        st.sampled_from(["TxDefaultProfile", "TxProfile"]),
        st.integers(0, 10),
        st.sampled_from(
            [
                {"kind": "Relative"},
                {"kind": "Absolute", "startSchedule": text(0.1)},
                {"kind": "Recurring", "recurrencyKind": "Daily", "startSchedule": text(-23.5)},
            ]
        ),
        st.one_of(st.just({}), st.integers(1, 5000).map(lambda seconds: {"duration": seconds})),
        schedules,
    ),
    max_size=5,
)


@given(profiles_of_any_kind, st.integers(0, 5000))
def test_a_composite_says_of_every_second_what_the_profiles_say(
    drawn: list[tuple[str, int, dict[str, str], dict[str, int], dict[int, int]]], second: int
) -> None:
    profiles = ChargingProfiles(1)
    for number, (purpose, level, kind, duration, limits) in enumerate(drawn):
        kinds: dict[str, object] = dict(kind)
        profiles.install(read(a_profile(number, purpose, level, **kinds, **duration, limits=limits)))  # type: ignore[arg-type]

    def limit(moment: datetime) -> Limit:
        said = profiles.limit(1, moment, NOW)
        return said._replace(power_w=22_000 if said.power_w is None else said.power_w)

    parts = list(composite(limit, NOW, 6000))
    assert parts[0].start_s == 0
    assert all(one.start_s < other.start_s and one.power_w != other.power_w for one, other in pairwise(parts))
    shown = [part for part in parts if part.start_s <= second][-1]
    assert shown.power_w == limit(NOW + timedelta(seconds=second)).power_w


@given(profiles_of_any_kind, st.integers(0, 6000))
def test_nothing_changes_before_it_is_said_to(
    drawn: list[tuple[str, int, dict[str, str], dict[str, int], dict[int, int]]], second: int
) -> None:
    profiles = ChargingProfiles(1)
    for number, (purpose, level, kind, duration, limits) in enumerate(drawn):
        kinds: dict[str, object] = dict(kind)
        profiles.install(read(a_profile(number, purpose, level, **kinds, **duration, limits=limits)))  # type: ignore[arg-type]
    moment = NOW + timedelta(seconds=second)
    limit = profiles.limit(1, moment, NOW)
    assert limit.until > moment
    if limit.until != FOR_EVER:
        before = limit.until - timedelta(microseconds=1)
        assert profiles.limit(1, before, NOW).power_w == limit.power_w
