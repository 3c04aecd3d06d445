import asyncio

import pytest

from cascade.errors import RoamingRefused
from cascade.roaming.tokens import Token, TokenStatus, WhitelistApplied, WhitelistChanged
from nap import distribution
from nap.records import Mode
from nap.store.sqlite import SqliteStore
from tests.conftest import LogLines
from tests.nap.actors import NOW, Partner, World
from tests.nap.conftest import StartHub

AB1, AB2 = Token(id_tag="AB1"), Token(id_tag="AB2")


async def apply(message: WhitelistChanged) -> WhitelistApplied:
    return WhitelistApplied(epoch=message.epoch, version=message.to_version)


async def pushes(partner: Partner) -> int:
    await partner.settle()
    return len(partner.asked)


async def test_changes_are_pushed_to_who_pulled_and_to_nobody_else(world: World) -> None:
    home, pulled, idle = [await world.link(name) for name in ("C1", "C2", "C3")]
    await home.pull()
    page = await pulled.pull()
    published = await home.publish(AB1)
    pushed = await pulled.next(WhitelistChanged)
    assert (pushed.epoch, pushed.from_version, pushed.to_version) == (
        page.epoch,
        page.version,
        published.version,
    )
    assert pushed.changes == (AB1,)
    assert await pushes(idle) == 0
    assert await pushes(home) == 0


async def test_each_push_begins_where_the_last_one_ended(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()
    base, versions = 0, [page.version]
    for status in (TokenStatus.ACCEPTED, TokenStatus.BLOCKED, TokenStatus.ACCEPTED):
        token = Token(id_tag="AB1", status=status)
        base = (await home.publish(token, full=False, base_version=base)).version
        pushed = await visited.next(WhitelistChanged)
        assert (pushed.from_version, pushed.changes) == (versions[-1], (token,))
        versions.append(pushed.to_version)
    assert versions == sorted(set(versions))


async def test_what_concerns_an_operator_not_is_not_pushed_and_leaves_no_gap(world: World) -> None:
    home, visited, quiet = (
        await world.link("C1"),
        await world.link("C2"),
        await world.link("C3", consents=[Mode.HUB]),
    )
    page = await visited.pull()
    await quiet.publish(Token(id_tag="QQ1"))
    await visited.publish(Token(id_tag="CD1"))
    await home.publish(AB1)
    pushed = await visited.next(WhitelistChanged)
    assert (pushed.from_version, pushed.changes) == (page.version, (AB1,))
    assert await pushes(visited) == 1


async def test_many_changes_come_in_pages_in_order(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await visited.pull()
    may_apply = asyncio.Event()

    async def apply_later(message: WhitelistChanged) -> WhitelistApplied:
        await may_apply.wait()
        return WhitelistApplied(epoch=message.epoch, version=message.to_version)

    visited.answers[WhitelistChanged] = apply_later
    tags = [f"A{n:04}" for n in range(1200)]
    base, more = 0, True
    for start in range(0, 1200, 400):
        more = start < 800
        page = [Token(id_tag=tag) for tag in tags[start : start + 400]]
        base = (await home.publish(*page, base_version=base, more=more)).version
    may_apply.set()
    seen: list[str] = []
    last = None
    while len(seen) < 1200:
        pushed = await visited.next(WhitelistChanged)
        assert last in {None, pushed.from_version}
        assert len(pushed.changes) <= 500
        last = pushed.to_version
        seen += [token.id_tag for token in pushed.changes]
    assert seen == tags
    assert last == base


async def test_who_has_not_pulled_to_the_end_is_not_pushed_to(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    first = await home.publish(AB1, AB2)
    page = await visited.pull(limit=1)
    assert page.more
    await home.publish(Token(id_tag="AB3"), full=False, base_version=first.version)
    assert await pushes(visited) == 0
    page = await visited.pull(page.epoch, page.version)
    assert [token.id_tag for token in page.changes] == ["AB2", "AB3"]


async def test_a_withdrawn_consent_takes_the_tokens_back(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(AB1, Token(id_tag="AB2", parent_id_tag="FLEET"))
    await visited.pull()
    command_line = await SqliteStore.open(world.settings.database, NOW)
    await command_line.operators.change("C1", consents=frozenset({Mode.HUB}))
    pushed = await visited.next(WhitelistChanged)
    assert pushed.changes == (Token(id_tag="AB1", deleted=True), Token(id_tag="AB2", deleted=True))
    await command_line.operators.change("C1", consents=frozenset({Mode.WHITELIST}))
    pushed = await visited.next(WhitelistChanged)
    assert {token.id_tag for token in pushed.changes if not token.deleted} == {"AB1", "AB2"}
    await command_line.close()


async def test_a_replica_that_is_elsewhere_is_left_alone_until_it_pulls(world: World) -> None:
    async def stay(message: WhitelistChanged) -> WhitelistApplied:
        return WhitelistApplied(epoch=message.epoch, version=message.from_version)

    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()
    visited.answers[WhitelistChanged] = stay
    first = await home.publish(AB1)
    await visited.next(WhitelistChanged)
    await home.publish(AB2, full=False, base_version=first.version)
    assert await pushes(visited) == 1
    page = await visited.pull(page.epoch, page.version)
    assert page.changes == (AB1, AB2)


async def test_a_replica_that_refuses_is_left_alone_and_the_others_go_on(world: World, logs: LogLines) -> None:
    async def refuse(_: WhitelistChanged) -> WhitelistApplied:
        raise RoamingRefused("Full", "no room")

    home, bad, good = [await world.link(name) for name in ("C1", "C2", "C3")]
    bad.answers[WhitelistChanged] = refuse
    await bad.pull()
    await good.pull()
    first = await home.publish(AB1)
    failed = await logs.event("whitelist_push_refused")
    assert (failed["visited"], failed["because"]) == ("C2", "Full: no room")
    await good.next(WhitelistChanged)
    await home.publish(AB2, full=False, base_version=first.version)
    await good.next(WhitelistChanged)
    assert await pushes(bad) == 1


async def test_a_new_epoch_has_the_replica_start_over(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.publish(AB1)
    page = await visited.pull()
    epoch = await world.app.store.tokens.begin_epoch(NOW)
    world.app._distribution.wake()
    told = await visited.next(WhitelistChanged)
    assert (told.epoch, told.from_version, told.to_version, told.changes) == (epoch, 0, 0, ())
    await home.publish(AB1, AB2)
    assert await pushes(visited) == 1
    again = await visited.pull(page.epoch, page.version)
    assert (again.epoch, again.changes) == (epoch, (AB1, AB2))


async def test_who_no_longer_wants_the_whitelist_is_told_to_ask_and_then_no_more(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()
    await world.app.store.operators.change("C2", wants=(Mode.HUB,))
    published = await home.publish(AB1)
    told = await visited.next(WhitelistChanged)
    assert (told.epoch, told.from_version, told.to_version, told.changes) == (page.epoch, 0, 0, ())
    await home.publish(AB2, full=False, base_version=published.version)
    assert await pushes(visited) == 1


async def test_who_may_have_the_whitelist_after_all_is_told_to_ask_for_it(world: World) -> None:
    home, visited = await world.link("C1"), await world.link("C2", wants=[Mode.HUB])
    published = await home.publish(AB1)
    with pytest.raises(RoamingRefused, match="NotAgreed"):
        await visited.pull()
    await world.app.store.operators.change("C2", wants=(Mode.HUB, Mode.WHITELIST))
    await home.publish(AB2, full=False, base_version=published.version)
    told = await visited.next(WhitelistChanged)
    assert (told.from_version, told.to_version, told.changes) == (0, 0, ())
    assert set((await visited.pull()).changes) == {AB1, AB2}


@pytest.mark.parametrize("silent", [True, False], ids=["no answer", "an error"])
async def test_a_replica_that_does_not_answer_is_told_again(
    start_hub: StartHub, logs: LogLines, monkeypatch: pytest.MonkeyPatch, *, silent: bool
) -> None:
    monkeypatch.setattr(distribution, "RETRY_S", 0.01)
    world = await start_hub(call_timeout_s=0.2)
    answered = asyncio.Event()

    async def fail_once(message: WhitelistChanged) -> WhitelistApplied:
        if not answered.is_set():
            answered.set()
            if silent:
                await asyncio.Event().wait()
            raise LookupError("its disk is full")
        return await apply(message)

    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()
    visited.answers[WhitelistChanged] = fail_once
    first = await home.publish(AB1)
    failed = await visited.next(WhitelistChanged)
    assert (await logs.event("whitelist_push_failed"))["visited"] == "C2"
    assert await visited.next(WhitelistChanged) == failed
    assert failed.from_version == page.version
    await home.publish(AB2, full=False, base_version=first.version)
    assert (await visited.next(WhitelistChanged)).from_version == first.version


async def test_the_answer_to_a_push_is_not_for_the_replica_that_has_pulled_since(world: World) -> None:
    may_answer = asyncio.Event()

    async def stay(message: WhitelistChanged) -> WhitelistApplied:
        await may_answer.wait()
        return WhitelistApplied(epoch=message.epoch, version=0)

    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()
    visited.answers[WhitelistChanged] = stay
    first = await home.publish(AB1)
    await visited.next(WhitelistChanged)
    assert (await visited.pull(page.epoch, page.version)).changes == (AB1,)
    may_answer.set()
    await visited.settle()
    visited.answers[WhitelistChanged] = apply
    await home.publish(AB2, full=False, base_version=first.version)
    pushed = await visited.next(WhitelistChanged)
    assert (pushed.from_version, pushed.changes) == (first.version, (AB2,))


async def test_a_lost_link_ends_pushing_and_the_next_one_pulls_on(world: World, logs: LogLines) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    page = await visited.pull()

    async def hang_up(_: WhitelistChanged) -> WhitelistApplied:
        await visited.link.close()
        raise RoamingRefused("Gone", "gone")

    visited.answers[WhitelistChanged] = hang_up
    await home.publish(AB1)
    await logs.event("operator_gone")
    again = Partner("C2")
    await world.relink(again)
    assert await pushes(again) == 0
    assert (await again.pull(page.epoch, page.version)).changes == (AB1,)
