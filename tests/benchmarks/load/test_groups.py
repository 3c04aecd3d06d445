import pytest

from benchmarks.load.groups import GroupError, Groups
from tests.benchmarks.load.central import central


async def test_a_group_has_the_charge_points_that_were_asked_for() -> None:
    async with central() as system:
        groups = Groups()
        assert await groups.open("one", system.url, "CP", 3) == 3
        assert await groups.open("two", system.url, "Q", 1) == 1
        assert sorted(system.sockets) == ["CP-1", "CP-2", "CP-3", "Q-1"]
        assert len(system.boots) == 4
        assert len(groups.take("one", 2)) == 2
        first, last = groups.split("one", 1)
        assert first + last == groups.take("one", 3)
        assert len(last) == 1
        await groups.close_all()


async def test_a_group_that_is_closed_is_gone() -> None:
    async with central() as system:
        groups = Groups()
        await groups.open("one", system.url, "CP", 2)
        [charge_point, _] = groups.take("one", 2)
        await groups.close("one")
        assert not charge_point.linked
        with pytest.raises(GroupError, match="no group one"):
            groups.take("one", 1)
        await groups.open("one", system.url, "CP", 1)
        await groups.close_all()


async def test_what_cannot_be_had_is_told() -> None:
    async with central() as system:
        groups = Groups()
        await groups.open("one", system.url, "CP", 2)
        with pytest.raises(GroupError, match="there already"):
            await groups.open("one", system.url, "CP", 2)
        with pytest.raises(GroupError, match="has 2 charge points, not 3"):
            groups.take("one", 3)
        with pytest.raises(GroupError, match="2 leave none"):
            groups.split("one", 2)
        with pytest.raises(GroupError, match="no group two"):
            await groups.close("two")
        await groups.close_all()
    with pytest.raises(GroupError, match="cannot be linked with"):
        await groups.open("one", system.url, "CP", 2)


async def test_a_url_that_is_none_is_told() -> None:
    with pytest.raises(GroupError, match="cannot be linked with"):
        await Groups().open("one", "nonsense", "CP", 1)


async def test_all_are_linked_or_none() -> None:
    async with central(subprotocol=None) as system:
        groups = Groups()
        with pytest.raises(GroupError, match="does not speak"):
            await groups.open("one", system.url, "CP", 3)
        with pytest.raises(GroupError, match="no group one"):
            groups.take("one", 1)
