"""What a run will do, drawn from a seed before it begins: who asks when, and what other charge points do. Pure.

Authorizations arrive as a Poisson process. Background traffic is that of charging sessions at the two loads of
ITU-T E.500. At normal load, the mean of the thirty highest days of a year, subscribers' expectations must be
met. At high load, the fifth highest day, they need not be, but repeated attempts must not spread. E.500 defines
the days, not how busy a charge point is on them: 0.5 and 0.9 erlang are our assumption, one erlang being a
session all the time.

A session takes half an hour, is told by status notifications at each change, and has meter values every minute;
a charge point sends a heartbeat every five minutes, in a session or not. All of it goes by faster than in life
by a factor, the compression: in a measurement of seconds nothing would happen otherwise. The proportions stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from random import Random
from typing import Literal, NamedTuple, get_args

Profile = Literal["normal", "high"]

ERLANG: dict[Profile, float] = {"normal": 0.5, "high": 0.9}
"""The share of time that a charge point is in a session."""
SESSION_S = 1800.0
METER_VALUES_EVERY_S = 60.0
HEARTBEAT_EVERY_S = 300.0
POWER_W = 11_000

Action = Literal["StatusNotification", "Heartbeat", "StartTransaction", "MeterValues", "StopTransaction"]
ACTIONS: tuple[Action, ...] = get_args(Action)


class Driver(NamedTuple):
    """Who presents a tag, and whether it must be accepted."""

    tag: str
    admitted: bool


@dataclass(frozen=True, slots=True)
class Drivers:
    """Who may come.

    Raises:
        ValueError: nobody can be drawn, or a share is none.
    """

    tags: Sequence[str]
    """Must be accepted."""
    denied_tags: Sequence[str] = ()
    """Must not be."""
    deny_share: float = 0.0
    """How many of those that come must not be accepted, from 0 to 1."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.deny_share <= 1.0:
            raise ValueError(f"deny_share: {self.deny_share} is no share")
        if self.deny_share < 1.0 and not self.tags:
            raise ValueError("tags: nobody can be accepted")
        if self.deny_share > 0.0 and not self.denied_tags:
            raise ValueError("denied_tags: nobody can be denied")

    def draw(self, chance: Random) -> Driver:
        """Whoever comes next."""
        admitted = chance.random() >= self.deny_share
        return Driver(chance.choice(self.tags if admitted else self.denied_tags), admitted)


class Arrival(NamedTuple):
    """A driver presents a tag."""

    at_s: float
    """From the beginning of the warm-up."""
    charge_point: int
    driver: Driver


def arrivals(rate: float, until_s: float, charge_points: int, drivers: Drivers, seed: int) -> Iterator[Arrival]:
    """Poisson arrivals, each at a charge point drawn at random.

    Args:
        rate: a second; above 0.
        until_s: the plan's end, in seconds from its beginning.
        charge_points: how many there are; at least 1.
        drivers: who may come.
        seed: the same plan for the same seed.
    """
    chance = Random(f"arrivals {seed}")  # noqa: S311 - nothing is kept secret by it
    at_s = chance.expovariate(rate)
    while at_s < until_s:
        yield Arrival(at_s, chance.randrange(charge_points), drivers.draw(chance))
        at_s += chance.expovariate(rate)


class Report(NamedTuple):
    """A charge point of the background tells its central system something."""

    at_s: float
    charge_point: int
    action: Action
    status: str = ""
    """The new one, in a StatusNotification."""
    meter_wh: int = 0
    tag: str = ""
    """Whose session it is, in a StartTransaction."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much traffic a charge point of the background makes.

    Raises:
        ValueError: time does not go by.
    """

    profile: Profile
    compression: float = 60.0
    """How many times faster than in life sessions go by; above 0."""

    def __post_init__(self) -> None:
        if self.compression <= 0.0:
            raise ValueError(f"compression: {self.compression} is not above 0")

    @property
    def session_s(self) -> float:
        """How long a session takes in the measurement."""
        return SESSION_S / self.compression

    @property
    def idle_s(self) -> float:
        """How long a charge point waits for the next, on average: exponentially distributed."""
        erlang = ERLANG[self.profile]
        return self.session_s * (1.0 - erlang) / erlang


def background(
    load: Load, charge_points: int, until_s: float, settle_s: float, tags: Sequence[str], seed: int
) -> list[Report]:
    """What charge points tell, in the order of time.

    The traffic is stationary from the beginning: a charge point is in a session then with the probability that
    it is at any time. As the central system has to know of these sessions, they are opened during `settle_s`.

    Args:
        load: how much.
        charge_points: how many there are.
        until_s: the plan's end, in seconds from its beginning.
        settle_s: the time for opening sessions that are under way.
        tags: whose sessions they are.
        seed: the same plan for the same seed.
    """
    reports = [
        report
        for charge_point in range(charge_points)
        for report in _timeline(
            load,
            charge_point,
            until_s,
            settle_s,
            tags,
            Random(f"background {seed} {charge_point}"),  # noqa: S311 - nothing is kept secret by it
        )
        if report.at_s < until_s
    ]
    # what a charge point tells at one moment stays in its order
    return sorted(reports, key=lambda report: report.at_s)


def _timeline(
    load: Load, charge_point: int, until_s: float, settle_s: float, tags: Sequence[str], chance: Random
) -> Iterator[Report]:
    every_s = HEARTBEAT_EVERY_S / load.compression
    for at_s in _ticks(chance.uniform(0.0, every_s), every_s, until_s):
        yield Report(at_s, charge_point, "Heartbeat")
    if chance.random() < ERLANG[load.profile]:
        begin_s = chance.uniform(0.0, settle_s)
        duration_s = chance.uniform(0.0, load.session_s)
    else:
        begin_s = chance.expovariate(1.0 / load.idle_s)
        duration_s = load.session_s
    while begin_s < until_s:
        yield from _session(load, charge_point, begin_s, duration_s, chance.choice(tags))
        begin_s += duration_s + chance.expovariate(1.0 / load.idle_s)
        duration_s = load.session_s


def _ticks(first_s: float, every_s: float, until_s: float) -> Iterator[float]:
    """Moments at regular distances, before `until_s`."""
    return takewhile(lambda at_s: at_s < until_s, (first_s + tick * every_s for tick in count()))


def _session(load: Load, charge_point: int, begin_s: float, duration_s: float, tag: str) -> Iterator[Report]:
    """From the plug to the free connector (OCPP 1.6, section 4.9)."""

    def meter_wh(passed_s: float) -> int:
        return int(passed_s * load.compression * POWER_W / 3600)

    end_s = begin_s + duration_s
    every_s = METER_VALUES_EVERY_S / load.compression
    yield Report(begin_s, charge_point, "StatusNotification", status="Preparing")
    yield Report(begin_s, charge_point, "StartTransaction", tag=tag)
    yield Report(begin_s, charge_point, "StatusNotification", status="Charging")
    for at_s in _ticks(begin_s + every_s, every_s, end_s):
        yield Report(at_s, charge_point, "MeterValues", meter_wh=meter_wh(at_s - begin_s))
    yield Report(end_s, charge_point, "StopTransaction", meter_wh=meter_wh(duration_s))
    yield Report(end_s, charge_point, "StatusNotification", status="Finishing")
    yield Report(end_s, charge_point, "StatusNotification", status="Available")
