import math
from itertools import groupby, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.plan import (
    ACTIONS,
    ERLANG,
    HEARTBEAT_EVERY_S,
    METER_VALUES_EVERY_S,
    SESSION_S,
    Driver,
    Drivers,
    Load,
    Profile,
    Report,
    arrivals,
    background,
)

profiles: st.SearchStrategy[Profile] = st.sampled_from(["normal", "high"])
seeds = st.integers(0, 2**32)

SESSION = ["Preparing", "StartTransaction", "Charging", "StopTransaction", "Finishing", "Available"]
"""What a whole session says, its meter values left out."""


def word(report: Report) -> str:
    return report.status or report.action


def of_one(reports: list[Report], charge_point: int) -> list[Report]:
    return [
        report for report in reports if report.charge_point == charge_point and report.action != "Heartbeat"
    ]


@given(st.floats(0.5, 500.0), st.floats(0.01, 2.0), st.integers(1, 9), seeds)
def test_arrivals_come_in_order_within_the_plan_at_the_charge_points_that_there_are(
    rate: float, until_s: float, charge_points: int, seed: int
) -> None:
    drivers = Drivers(["A", "B"], ["X"], 0.5)
    plan = list(arrivals(rate, until_s, charge_points, drivers, seed))
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(plan))
    assert all(0.0 < arrival.at_s < until_s for arrival in plan)
    assert {arrival.charge_point for arrival in plan} <= set(range(charge_points))
    assert all(arrival.driver.admitted is (arrival.driver.tag != "X") for arrival in plan)
    assert plan == list(arrivals(rate, until_s, charge_points, drivers, seed))


def test_arrivals_are_a_poisson_process() -> None:
    gaps = [
        later.at_s - earlier.at_s for earlier, later in pairwise(arrivals(1000.0, 20.0, 1, Drivers(["A"]), 7))
    ]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1e-3, rel=0.03)
    # an exponential distribution deviates from its mean by its mean
    assert deviation == pytest.approx(mean, rel=0.03)


def test_another_seed_is_another_plan() -> None:
    one, other = (list(arrivals(100.0, 1.0, 5, Drivers(["A"]), seed)) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize(("share", "denied"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_the_share_of_denials_is_kept(share: float, denied: float) -> None:
    drivers = Drivers(["A"] if share < 1 else [], ["X"] if share else [], share)
    chance = Random(3)  # noqa: S311 - nothing is kept secret by it
    drawn = [drivers.draw(chance) for _ in range(4000)]
    assert sum(driver == Driver("X", admitted=False) for driver in drawn) / 4000 == pytest.approx(
        denied, abs=0.03
    )


@pytest.mark.parametrize(
    ("tags", "denied_tags", "share", "fault"),
    [
        (["A"], ["X"], -0.1, "no share"),
        (["A"], ["X"], 1.1, "no share"),
        (["A"], ["X"], math.nan, "no share"),
        ([], ["X"], 0.5, "nobody can be accepted"),
        (["A"], [], 0.5, "nobody can be denied"),
    ],
)
def test_drivers_of_whom_none_can_be_drawn_are_refused(
    tags: list[str], denied_tags: list[str], share: float, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Drivers(tags, denied_tags, share)


def test_time_must_go_by() -> None:
    with pytest.raises(ValueError, match="not above 0"):
        Load("normal", 0.0)


@given(profiles, st.floats(1.0, 2000.0), st.integers(0, 4), st.floats(0.1, 90.0), st.floats(0.0, 5.0), seeds)
def test_the_background_comes_in_order_within_the_plan(
    profile: Profile, compression: float, charge_points: int, until_s: float, settle_s: float, seed: int
) -> None:
    reports = background(Load(profile, compression), charge_points, until_s, settle_s, ["A", "B"], seed)
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(reports))
    assert all(0.0 <= report.at_s < until_s for report in reports)
    assert {report.charge_point for report in reports} <= set(range(charge_points))
    assert {report.tag for report in reports if report.action == "StartTransaction"} <= {"A", "B"}
    assert reports == background(Load(profile, compression), charge_points, until_s, settle_s, ["A", "B"], seed)


@given(profiles, st.floats(60.0, 2000.0), st.floats(1.0, 200.0), seeds)
def test_a_charge_point_tells_one_whole_session_after_another(
    profile: Profile, compression: float, until_s: float, seed: int
) -> None:
    told = [
        word(report)
        for report in of_one(background(Load(profile, compression), 1, until_s, 1.0, ["A"], seed), 0)
    ]
    changes = [name for name in told if name != "MeterValues"]
    assert changes == (SESSION * (len(changes) // len(SESSION) + 1))[: len(changes)]
    # the meter is read while charging only
    for earlier, later in pairwise(told):
        if later == "MeterValues":
            assert earlier in {"Charging", "MeterValues"}


def test_meter_values_rise_from_one_to_the_next_and_to_the_stop() -> None:
    reports = of_one(background(Load("high"), 1, 300.0, 1.0, ["A"], 5), 0)
    sessions = [
        [report.meter_wh for report in session]
        for metered, session in groupby(reports, lambda report: report.meter_wh > 0)
        if metered
    ]
    assert len(sessions) > 3
    assert all(earlier < later for session in sessions for earlier, later in pairwise(session))
    # half an hour at 11 kW, in the sessions that are there from their beginning to their end
    assert [session[-1] for session in sessions[1:-1]] == [5500] * (len(sessions) - 2)


@pytest.mark.parametrize("profile", ["normal", "high"])
def test_a_charge_point_is_in_a_session_for_its_erlang_of_the_time_and_so_from_the_beginning(
    profile: Profile,
) -> None:
    charge_points, until_s = 250, 240.0
    reports = background(Load(profile), charge_points, until_s, 0.0, ["A"], 11)
    busy_s = 0.0
    busy_at_first = 0
    by_charge_point = sorted(reports, key=lambda report: report.charge_point)
    for _, told in groupby(by_charge_point, lambda report: report.charge_point):
        since = None
        for report in told:
            match report.action:
                case "StartTransaction":
                    since = report.at_s
                    busy_at_first += since == 0.0
                case "StopTransaction":
                    assert since is not None
                    busy_s += report.at_s - since
                    since = None
                case _:
                    pass
        busy_s += 0.0 if since is None else until_s - since
    assert busy_s / (charge_points * until_s) == pytest.approx(ERLANG[profile], abs=0.03)
    assert busy_at_first / charge_points == pytest.approx(ERLANG[profile], abs=0.07)


def test_the_proportions_are_those_of_real_sessions() -> None:
    load = Load("normal", 60.0)
    charge_points, until_s = 200, 300.0
    reports = background(load, charge_points, until_s, 1.0, ["A"], 13)
    counts = {action: sum(report.action == action for report in reports) for action in ACTIONS}
    in_life_s = charge_points * until_s * load.compression
    sessions = in_life_s * ERLANG["normal"] / SESSION_S
    under_way = charge_points * ERLANG["normal"]
    assert counts["StartTransaction"] == pytest.approx(sessions + under_way, rel=0.07)
    assert counts["StopTransaction"] == pytest.approx(sessions, rel=0.07)
    assert counts["StatusNotification"] == pytest.approx(4 * sessions + 2 * under_way, rel=0.07)
    assert counts["Heartbeat"] == pytest.approx(in_life_s / HEARTBEAT_EVERY_S, rel=0.01)
    assert counts["MeterValues"] == pytest.approx(sessions * (SESSION_S / METER_VALUES_EVERY_S - 1), rel=0.07)


def test_sessions_under_way_at_the_beginning_are_opened_while_the_traffic_settles() -> None:
    reports = background(Load("high", 1.0), 200, 30.0, 10.0, ["A"], 17)
    begun = [report.at_s for report in reports if report.action == "StartTransaction"]
    # in half a minute of life hardly any other begins
    assert len(begun) == pytest.approx(180, abs=20)
    assert sum(at_s < 5.0 for at_s in begun) == pytest.approx(len(begun) / 2, abs=20)
