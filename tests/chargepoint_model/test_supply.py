import asyncio
import math

from chargepoint_model.charging_profiles import ChargingProfiles
from chargepoint_model.model_time import ModelTime
from chargepoint_model.supply import Offer, Supply
from tests.chargepoint_model.test_charging_profiles import a_profile, read

NEVER = asyncio.Event()


class Rig:
    """The supply of a connector on a clock that passes only while somebody waits."""

    def __init__(self) -> None:
        self.time = ModelTime(math.inf)
        self.profiles = ChargingProfiles(1)
        self.supply = Supply(1, time=self.time, profiles=self.profiles, power_w=22_000)
        self.supply.begin()

    def limit(self, limits: dict[int, int]) -> None:
        assert self.profiles.install(read(a_profile(limits=limits)))

    async def draw(self, seconds: float) -> int:
        await self.time.wait(seconds, until=NEVER)
        self.supply.flow(drawn=True)
        return self.supply.meter_wh


async def test_without_a_limit_a_vehicle_draws_what_it_can() -> None:
    rig = Rig()
    assert rig.supply.offer() == Offer(22_000, None)
    assert await rig.draw(3600) == 22_000


async def test_the_energy_is_exact_however_seldom_it_is_looked_at() -> None:
    limits = {0: 7200, 100: 0, 200: 3600, 250: 50_000}
    often, seldom = Rig(), Rig()
    for rig in (often, seldom):
        rig.limit(limits)
    for _ in range(40):
        await often.draw(7.5)
    exact = (7200 * 100 + 3600 * 50 + 22_000 * 50) // 3600
    assert await seldom.draw(300) == exact == often.supply.meter_wh


async def test_what_is_offered_and_when_that_changes() -> None:
    rig = Rig()
    rig.limit({0: 7200, 100: 0})
    assert rig.supply.offer() == Offer(7200, 100)
    await rig.draw(30.5)
    assert rig.supply.offer() == Offer(7200, 69.5)
    await rig.draw(69.5)
    assert rig.supply.offer() == Offer(0, None)


async def test_when_a_vehicle_has_what_it_wants() -> None:
    rig = Rig()
    rig.limit({0: 3600, 100: 0, 200: 7200})
    assert rig.supply.seconds_until(0) == 0
    assert rig.supply.seconds_until(100) == 100
    assert rig.supply.seconds_until(102) == 201
    rig.limit({0: 3600, 100: 0})
    assert rig.supply.seconds_until(102) is None


async def test_what_is_not_drawn_is_not_metered() -> None:
    rig = Rig()
    await rig.time.wait(100, until=NEVER)
    rig.supply.flow(drawn=False)
    assert rig.supply.meter_wh == 0
    assert await rig.draw(36) == 220


async def test_nobody_is_supplied_who_is_barred() -> None:
    rig = Rig()
    rig.supply.barred = True
    assert rig.supply.offer().power_w == 0
    assert rig.supply.seconds_until(1) is None
    rig.supply.begin()
    assert rig.supply.offer().power_w == 22_000, "it was that session's"


async def test_no_two_sessions_begin_in_the_same_moment() -> None:
    rig, moments = Rig(), set()
    for _ in range(10):
        rig.supply.begin()
        moments.add(rig.supply.began_at)
    assert len(moments) == 10
