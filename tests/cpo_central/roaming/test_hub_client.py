import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from cascade.database import Database
from cascade.errors import BadValueError, PeerError, RoamingRefused
from cascade.frames import Call, Payload
from cascade.link import TAKEN_OVER
from cascade.ocpp16 import SUBPROTOCOL
from cascade.roaming.endpoints import PublishEndpoint
from cascade.roaming.model import id_key
from cascade.roaming.tokens import (
    PublishTokens,
    PullWhitelist,
    Token,
    TokenStatus,
    WhitelistApplied,
    WhitelistChanged,
    WhitelistPage,
)
from cpo_central.commands.records import block_token, list_tokens, put_tokens
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.whitelist import ListVersion, WhitelistStore
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings
from tests.conftest import LogLines
from tests.cpo_central.actors import Charger, Hub, told
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


def page(*changes: Token, epoch: int = 1, version: int = 1, more: bool = False) -> WhitelistPage:
    return WhitelistPage(epoch=epoch, version=version, more=more, changes=changes)


def push(*changes: Token, start: int, end: int, epoch: int = 1) -> WhitelistChanged:
    return WhitelistChanged(epoch=epoch, from_version=start, to_version=end, changes=changes)


# --- the link -----------------------------------------------------------------------------------------------


async def test_link_up(start: Start, hub: Hub, logs: LogLines) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"))]
    central = await start(hub=hub, id_tag_prefixes=("C2-",), peer_port=0)
    await logs.event("published")
    assert (await logs.event("whitelist"))["version"] == 1
    assert (await logs.event("hub_linked"))["window"] == 256
    (boot,) = hub.calls("BootNotification")
    assert len(boot.payload["chargePointVendor"]) <= 20
    assert len(boot.payload["chargePointModel"]) <= 20
    assert isinstance(hub.heard[1][1], PublishEndpoint | PullWhitelist)
    (endpoint,) = hub.messages(PublishEndpoint)
    assert endpoint.url == f"ws://127.0.0.1:{central.peer_port}/peer"
    assert endpoint.id_tag_prefixes == ("C2-",)
    assert (await logs.event("listening"))["peer_url"] == endpoint.url


async def test_a_hub_that_speaks_plain_ocpp_gets_one_call_at_a_time(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    await hub.stop()
    hub.subprotocols = [SUBPROTOCOL]
    await hub.start()
    await start(hub=hub)
    assert (await logs.event("hub_linked"))["window"] == 1
    await logs.event("published")


async def test_two_that_link_as_one_do_not_take_the_link_from_each_other_all_the_time(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    await start(hub=hub, relink_cap_s=60)
    await logs.event("published")
    await hub.links["C2"].close(TAKEN_OVER, "a newer link of this operator has taken over")
    relinking = await logs.event("relinking")
    assert relinking["because"] == "another process links as us: let only one use our credential"
    assert relinking["wait_s"] >= 60


async def test_a_hub_that_comes_back_is_told_everything_anew(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    central = await start(hub=hub)
    await logs.event("published")
    await hub.stop()
    await logs.event("hub_unlinked")
    cp = await charger(central)
    assert await cp.authorize("HOME0001") == {"status": "Invalid"}
    assert logs.named("authorization")[0]["reason"] == "whitelist: not listed; hub: not linked"
    hub.infos["HOME0001"] = {"status": "Accepted"}
    await hub.start()
    await told(logs, "published", 2)
    assert await cp.authorize("HOME0001") == {"status": "Accepted"}
    assert len(hub.messages(PublishEndpoint)) == 2


async def test_a_wrong_credential_is_said_and_tried_again(
    start: Start, hub: Hub, logs: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cpo_central.actors.CREDENTIAL", "another")
    await start(hub=hub)
    assert "HTTP 401" in (await told(logs, "relinking", 2))[1]["because"]
    monkeypatch.undo()


async def test_a_hub_that_does_not_accept_us_is_asked_again(start: Start, hub: Hub, logs: LogLines) -> None:
    hub.boot_status = "Pending"
    await start(hub=hub)
    assert "Pending" in (await logs.event("relinking"))["because"]
    hub.boot_status = "Accepted"
    await logs.event("hub_linked")


async def test_a_hub_that_fails_at_our_boot_is_asked_again(start: Start, hub: Hub, logs: LogLines) -> None:
    async def fail(_: Call) -> Payload:
        hub.answers.clear()
        raise BadValueError("no")

    hub.answers["BootNotification"] = fail
    await start(hub=hub)
    await logs.event("hub_linked")
    assert "PropertyConstraintViolation" in logs.named("relinking")[0]["because"]


async def test_heartbeats_at_the_hubs_interval(start: Start, hub: Hub) -> None:
    hub.heartbeat_interval_s = 1
    await start(hub=hub)
    await hub.until(lambda hub: len(hub.calls("Heartbeat")) >= 1)


async def test_a_hub_that_does_not_answer_heartbeats_is_dialled_again(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    never: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()

    async def silence(_: Call) -> Payload:
        hub.heartbeat_interval_s = 300
        return await never

    hub.heartbeat_interval_s = 1
    hub.answers["Heartbeat"] = silence
    await start(hub=hub, call_timeout_s=0.1)
    await logs.event("hub_silent")
    await told(logs, "hub_linked", 2)


async def test_a_step_without_an_answer_is_repeated(start: Start, hub: Hub, logs: LogLines) -> None:
    async def fail(_: str, __: PublishEndpoint) -> PublishEndpoint:
        hub.roaming_answers.clear()
        raise BadValueError("not now")

    hub.roaming_answers[PublishEndpoint] = fail
    await start(hub=hub)
    assert "not now" in (await logs.event("hub_step_failed"))["because"]
    await logs.event("published")
    assert len(hub.messages(PublishEndpoint)) == 2


async def test_a_hub_that_refuses_one_step_gets_the_others(start: Start, hub: Hub, logs: LogLines) -> None:
    async def refuse(_: str, __: object) -> PublishEndpoint:
        raise RoamingRefused("NotAgreed", "whitelist is not among your modes")

    hub.roaming_answers[PullWhitelist] = refuse
    await start(hub=hub)
    assert "NotAgreed" in (await logs.event("hub_refused"))["because"]
    await logs.event("published")


async def test_a_prefix_that_we_do_not_get_is_said(start: Start, hub: Hub, logs: LogLines) -> None:
    from cascade.roaming.endpoints import EndpointPublished, RejectedPrefix

    async def refuse(_: str, __: PublishEndpoint) -> EndpointPublished:
        rejected = RejectedPrefix(id_tag_prefix="C1-", code="PrefixTaken", detail="it is another's")
        return EndpointPublished(accepted=(), rejected=(rejected,), ticket_key=hub.public_key)

    hub.roaming_answers[PublishEndpoint] = refuse
    await start(hub=hub, id_tag_prefixes=("C1-",))
    assert (await logs.event("prefix_rejected"))["prefix"] == "C1-"


# --- our tokens ---------------------------------------------------------------------------------------------


async def test_tokens_are_published_in_full_then_in_deltas(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start(hub=hub)
    await logs.event("published")
    (first,) = hub.messages(PublishTokens)
    assert (first.full, first.base_version, first.more, first.tokens) == (True, 0, False, ())
    database = central._settings.database
    await put_tokens(database, [read_token({"idTag": "C2-00001"}), read_token({"idTag": "C2-00002"})])
    await told(logs, "published", 2)
    await block_token(database, "c2-00001")
    lines = await told(logs, "published", 3)
    assert [(line["tokens"], line["rejected"]) for line in lines] == [(0, 0), (2, 0), (1, 0)]
    deltas = hub.messages(PublishTokens)[1:]
    assert all(not delta.full for delta in deltas)
    assert {token.id_tag: token.status for token in hub.published["C2"].values()} == {
        "C2-00001": TokenStatus.BLOCKED,
        "C2-00002": TokenStatus.ACCEPTED,
    }


async def test_an_empty_delta_shows_whether_the_hub_still_knows(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start(hub=hub)
    await logs.event("published")
    await put_tokens(central._settings.database, [read_token({"idTag": "C2-00001"})])
    await told(logs, "published", 2)
    await hub.stop()
    hub.versions.clear()  # the hub comes back from an old backup
    hub.published.clear()
    hub.heard.clear()
    await hub.start()
    await told(logs, "published", 3)
    delta, full = hub.messages(PublishTokens)
    assert (delta.full, delta.tokens) == (False, ())
    assert full.full
    assert list(hub.published["C2"]) == ["C2-00001"]


async def test_a_full_list_comes_in_pages(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start()
    await put_tokens(
        central._settings.database, [read_token({"idTag": f"C2-{number:05}"}) for number in range(1001)]
    )
    await central.stop()
    await start(hub=hub)
    line = await logs.event("published")
    assert (line["tokens"], line["version"]) == (1001, 3)
    pages = hub.messages(PublishTokens)
    assert [(p.full, p.base_version, p.more, len(p.tokens)) for p in pages] == [
        (True, 0, True, 500),
        (True, 1, True, 500),
        (True, 2, False, 1),
    ]
    assert len(hub.published["C2"]) == 1001


async def test_a_large_change_comes_in_several_deltas(start: Start, hub: Hub, logs: LogLines) -> None:
    central = await start(hub=hub)
    await logs.event("published")
    await put_tokens(
        central._settings.database, [read_token({"idTag": f"C2-{number:05}"}) for number in range(500)]
    )
    line = (await told(logs, "published", 2))[1]
    assert line["tokens"] == 500
    assert [len(delta.tokens) for delta in hub.messages(PublishTokens)] == [0, 500, 0]


async def test_what_the_hub_rejects_is_kept_with_its_reason(start: Start, hub: Hub, logs: LogLines) -> None:
    hub.rejects["C1-00001"] = "PrefixTaken"
    central = await start(hub=hub)
    await logs.event("published")
    database = central._settings.database
    await put_tokens(database, [read_token({"idTag": "C1-00001"}), read_token({"idTag": "C2-00001"})])
    lines = await told(logs, "published", 2)
    assert (lines[1]["tokens"], lines[1]["rejected"]) == (2, 1)
    assert (await logs.event("token_rejected"))["id_tag"] == "C1…01"
    reasons = {record["idTag"]: record["rejectedByHub"] for record in await list_tokens(database)}
    assert reasons == {"C1-00001": "PrefixTaken: it is another's", "C2-00001": None}
    hub.rejects.clear()
    await put_tokens(database, [read_token({"idTag": "C1-00001"})])
    await told(logs, "published", 3)
    assert {record["rejectedByHub"] for record in await list_tokens(database)} == {None}


async def test_a_hub_that_refuses_a_publication_is_told_the_next_change(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    central = await start(hub=hub)
    await logs.event("published")

    async def refuse(_: str, __: PublishTokens) -> PublishTokens:
        hub.roaming_answers.clear()
        raise RoamingRefused("Busy", "come back")

    hub.roaming_answers[PublishTokens] = refuse
    await put_tokens(central._settings.database, [read_token({"idTag": "C2-00001"})])
    await logs.event("hub_refused")
    await put_tokens(central._settings.database, [read_token({"idTag": "C2-00002"})])
    await told(logs, "published", 2)
    assert sorted(hub.published["C2"]) == ["C2-00001", "C2-00002"]


# --- the whitelist ------------------------------------------------------------------------------------------


async def status(cp: Charger, id_tag: str) -> str:
    answer: str = (await cp.authorize(id_tag))["status"]
    return answer


async def test_the_replica_decides_and_survives(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [
        page(Token(id_tag="HOME0001"), epoch=7, version=1, more=True),
        page(Token(id_tag="HOME0002", status=TokenStatus.BLOCKED), epoch=7, version=2),
    ]
    central = await start(hub=hub)
    line = await logs.event("whitelist")
    assert (line["epoch"], line["version"], line["changes"]) == (7, 2, 2)
    asked = hub.messages(PullWhitelist)
    assert [(pull.epoch, pull.version) for pull in asked] == [(0, 0), (7, 1)]
    await hub.stop()
    await central.stop()
    cp = await charger(await start())
    assert await status(cp, "home0001") == "Accepted"
    assert await status(cp, "HOME0002") == "Blocked"
    assert logs.named("authorization")[0]["decided_by"] == "whitelist"
    assert hub.calls("Authorize") == []


async def test_pushes_are_applied_in_order_only(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"), version=3)]
    cp = await charger(await start(hub=hub, modes=("whitelist",)))
    await logs.event("whitelist")
    hub.pages = [page(version=3)]
    blocked = Token(id_tag="HOME0001", status=TokenStatus.BLOCKED)
    answer = await hub.ask("C2", push(blocked, Token(id_tag="NEW00001"), start=3, end=5), WhitelistApplied)
    assert answer == WhitelistApplied(epoch=1, version=5)
    assert await status(cp, "HOME0001") == "Blocked"
    assert await status(cp, "NEW00001") == "Accepted"
    gone = Token(id_tag="NEW00001", deleted=True)
    assert (await hub.ask("C2", push(gone, start=5, end=6), WhitelistApplied)).version == 6
    assert await status(cp, "NEW00001") == "Invalid"
    again = await hub.ask("C2", push(gone, start=5, end=6), WhitelistApplied)
    assert again.version == 6
    assert len(hub.messages(PullWhitelist)) == 1
    hub.pages = [page(Token(id_tag="MISSED01"), version=9)]
    ahead = await hub.ask("C2", push(start=8, end=9), WhitelistApplied)
    assert ahead.version == 6
    await told(logs, "whitelist", 4)
    assert await status(cp, "MISSED01") == "Accepted"
    assert hub.messages(PullWhitelist)[-1].version == 6


async def test_a_new_epoch_replaces_the_list_once_it_is_complete(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(Token(id_tag="STAYS001"), Token(id_tag="GOES0001"), version=4)]
    central = await start(hub=hub, modes=("whitelist",))
    await logs.event("whitelist")
    cp = await charger(central)
    half, seen = asyncio.Event(), asyncio.Event()

    async def begin_anew(_: str, message: PullWhitelist) -> WhitelistPage:
        if message.epoch == 1:
            return page(Token(id_tag="STAYS001"), epoch=2, version=1, more=True)
        seen.set()
        await half.wait()
        return page(Token(id_tag="NEW00001"), epoch=2, version=2)

    hub.roaming_answers[PullWhitelist] = begin_anew
    await hub.ask("C2", push(epoch=2, start=1, end=2), WhitelistApplied)
    await seen.wait()
    assert await status(cp, "GOES0001") == "Accepted"
    assert await status(cp, "NEW00001") == "Invalid"
    half.set()
    await told(logs, "whitelist", 2)
    assert await status(cp, "STAYS001") == "Accepted"
    assert await status(cp, "GOES0001") == "Invalid"
    assert await status(cp, "NEW00001") == "Accepted"


async def test_a_new_epoch_that_was_interrupted_starts_clean(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    async def break_off(_: str, message: PullWhitelist) -> WhitelistPage:
        if message.epoch == 0:
            return page(Token(id_tag="OUTDATED"), epoch=2, version=1, more=True)
        hub.roaming_answers.clear()
        raise BadValueError("not now")

    hub.roaming_answers[PullWhitelist] = break_off
    hub.pages = [page(Token(id_tag="NEW00001"), epoch=2, version=2)]
    cp = await charger(await start(hub=hub, modes=("whitelist",)))
    await logs.event("whitelist")
    assert await status(cp, "OUTDATED") == "Invalid"
    assert await status(cp, "NEW00001") == "Accepted"


async def test_a_push_that_overtakes_a_pull_is_not_undone(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"), version=1)]
    central = await start(hub=hub, modes=("whitelist",))
    await logs.event("whitelist")
    overtaken = asyncio.Event()

    async def slow(_: str, message: PullWhitelist) -> WhitelistPage:
        if not overtaken.is_set():
            await overtaken.wait()
            return page(Token(id_tag="HOME0001"), version=2)
        return page(version=message.version)

    hub.roaming_answers[PullWhitelist] = slow
    await hub.ask("C2", push(start=8, end=9), WhitelistApplied)  # makes it pull
    await hub.until(lambda hub: len(hub.messages(PullWhitelist)) == 2)
    blocked = Token(id_tag="HOME0001", status=TokenStatus.BLOCKED)
    assert (await hub.ask("C2", push(blocked, start=1, end=3), WhitelistApplied)).version == 3
    overtaken.set()
    await hub.until(lambda hub: len(hub.messages(PullWhitelist)) == 3)
    assert hub.messages(PullWhitelist)[-1].version == 3
    assert await status(await charger(central), "HOME0001") == "Blocked"


async def test_the_page_that_was_asked_for_meanwhile_is_not_applied_after_a_push(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"), version=1)]
    central = await start(hub=hub, modes=("whitelist",))
    await logs.event("whitelist")
    overtaken = asyncio.Event()

    async def slow(_: str, message: PullWhitelist) -> WhitelistPage:
        await overtaken.wait()
        if message.version == 3:
            return page(version=3)
        return page(Token(id_tag="HOME0001"), version=message.version + 1, more=message.version == 1)

    hub.roaming_answers[PullWhitelist] = slow
    await hub.ask("C2", push(start=8, end=9), WhitelistApplied)  # makes it pull
    await hub.until(lambda hub: len(hub.messages(PullWhitelist)) == 2)
    blocked = Token(id_tag="HOME0001", status=TokenStatus.BLOCKED)
    assert (await hub.ask("C2", push(blocked, start=1, end=3), WhitelistApplied)).version == 3
    overtaken.set()
    await told(logs, "whitelist", 3)
    assert [pull.version for pull in hub.messages(PullWhitelist)[1:]] == [1, 2, 3]
    assert await status(await charger(central), "HOME0001") == "Blocked"


async def test_the_next_page_is_asked_for_while_one_is_written(
    start: Start, hub: Hub, logs: LogLines, settings: Callable[..., CentralSettings], charger: Connect
) -> None:
    with closing(sqlite3.connect(settings().database, isolation_level=None)) as other:

        async def hold_up(_: str, message: PullWhitelist) -> WhitelistPage:
            if message.version == 0:
                other.execute("BEGIN IMMEDIATE")  # nothing can be written from now on
            number = message.version + 1
            return page(Token(id_tag=f"HOME000{number}"), version=number, more=number < 3)

        hub.roaming_answers[PullWhitelist] = hold_up
        central = await start(hub=hub, modes=("whitelist",))
        await hub.until(lambda hub: len(hub.messages(PullWhitelist)) == 2)
        await (await hub.has_link("C2")).call("Authorize", {"idTag": "ANY"})  # what was answered has come
        assert [pull.version for pull in hub.messages(PullWhitelist)] == [0, 1]
        other.execute("ROLLBACK")
    assert (await logs.event("whitelist"))["changes"] == 3
    cp = await charger(central)
    assert [await status(cp, f"HOME000{number}") for number in (1, 2, 3)] == ["Accepted"] * 3


async def test_a_list_of_which_a_page_was_not_written_is_pulled_again(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    async def fail_once(_: str, message: PullWhitelist) -> WhitelistPage:
        if message.version == 1:
            return page(Token(id_tag="HOME0002"), version=2)
        is_first = len(hub.messages(PullWhitelist)) == 1
        central._database._writer.execute(f"PRAGMA query_only={'ON' if is_first else 'OFF'}")
        return page(Token(id_tag="HOME0001"), version=1, more=True)

    hub.roaming_answers[PullWhitelist] = fail_once
    central = await start(hub=hub, modes=("whitelist",))
    assert (await logs.event("whitelist"))["changes"] == 2
    assert "PullWhitelist" in {line["what"] for line in logs.named("hub_step_failed")}
    assert [pull.version for pull in hub.messages(PullWhitelist)] == [0, 1, 0, 1]
    cp = await charger(central)
    assert [await status(cp, f"HOME000{number}") for number in (1, 2)] == ["Accepted"] * 2


async def test_a_push_that_could_not_be_written_is_pulled(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(version=1)]
    central = await start(hub=hub, modes=("whitelist",))
    await logs.event("whitelist")
    hub.pages = [page(Token(id_tag="HOME0001"), version=2)]
    central._database._writer.execute("PRAGMA query_only=ON")
    with pytest.raises(PeerError):
        await hub.ask("C2", push(Token(id_tag="HOME0001"), start=1, end=2), WhitelistApplied)
    central._database._writer.execute("PRAGMA query_only=OFF")
    await told(logs, "whitelist", 2)
    assert await status(await charger(central), "HOME0001") == "Accepted"


async def test_a_list_that_is_no_longer_ours_to_use_is_forgotten(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"), version=1)]
    central = await start(hub=hub, modes=("whitelist",))
    await logs.event("whitelist")

    async def refuse(_: str, __: PullWhitelist) -> WhitelistPage:
        raise RoamingRefused("NotAgreed", "whitelist is not among your modes")

    hub.roaming_answers[PullWhitelist] = refuse
    await hub.ask("C2", push(start=0, end=0), WhitelistApplied)  # makes it pull
    await logs.event("hub_refused")
    cp = await charger(central)
    assert await status(cp, "HOME0001") == "Invalid"
    hub.roaming_answers.clear()
    await hub.ask("C2", push(start=0, end=9), WhitelistApplied)
    await told(logs, "whitelist", 2)
    assert await status(cp, "HOME0001") == "Accepted"


async def test_a_hub_whose_pages_lead_nowhere_is_not_asked_for_ever(
    start: Start, hub: Hub, logs: LogLines
) -> None:
    hub.pages = [page(Token(id_tag="HOME0001"), version=5, more=False)]
    await start(hub=hub)
    await logs.event("whitelist")
    hub.pages = [page(version=5, more=True)]
    await hub.ask("C2", push(start=8, end=9), WhitelistApplied)
    await told(logs, "whitelist", 2)
    assert len(hub.messages(PullWhitelist)) == 2


async def test_without_the_mode_no_list_is_kept(start: Start, hub: Hub, logs: LogLines) -> None:
    await start(hub=hub, modes=("hub",))
    await logs.event("published")
    assert hub.messages(PullWhitelist) == []
    with pytest.raises(RoamingRefused, match="UnknownMessageId"):
        await hub.ask("C2", push(start=0, end=1), WhitelistApplied)


# --- the whitelist's store ----------------------------------------------------------------------------------


START, END = ListVersion(0, 0), ListVersion(0, 5)


async def committed(database: Database) -> None:
    """Wait until all that has been begun is written."""
    await database.write(lambda connection: connection.total_changes)


@pytest.mark.parametrize("complete", [END, ListVersion(7, 5)])
async def test_a_write_that_nobody_waits_for_any_more_counts(database: Database, complete: ListVersion) -> None:
    whitelist = WhitelistStore(database)
    token = Token(id_tag="HOME0001")
    writing: asyncio.Task[object]
    if complete.epoch == START.epoch:
        writing = asyncio.create_task(whitelist.apply(START, complete.version, [token]))
    else:
        await whitelist.grow(complete.epoch, [token])
        writing = asyncio.create_task(whitelist.replace(complete))
    await asyncio.sleep(0)  # it has begun
    writing.cancel()  # as when the link is lost
    await committed(database)
    assert writing.cancelled()
    assert whitelist.current == complete
    assert whitelist.find("HOME0001") == token.standing
    assert await whitelist.apply(complete, 6, [Token(id_tag="HOME0001", deleted=True)])
    assert whitelist.find("HOME0001") is None


async def test_a_change_of_another_list_is_none(database: Database) -> None:
    whitelist = WhitelistStore(database)
    assert await whitelist.apply(START, 5, [])
    assert not await whitelist.apply(START, 6, [Token(id_tag="HOME0001")])
    assert (whitelist.current, whitelist.find("HOME0001")) == (END, None)


@limits(max_examples=30)
@given(
    st.lists(
        st.builds(
            lambda id_tag, status, deleted: Token(id_tag=id_tag, status=status, deleted=deleted),
            st.sampled_from(["A1", "a1", "A2", "A3"]),
            st.sampled_from(TokenStatus),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_changes_are_applied_in_their_order(changes: list[Token]) -> None:
    held: dict[str, Token] = {}
    for token in changes:
        held[id_key(token.id_tag)] = token

    async def apply(path: Path) -> list[object]:
        database = open_database(path)
        whitelist = WhitelistStore(database)
        await whitelist.apply(START, 1, changes)
        found = [whitelist.find(key) for key in ("A1", "A2", "A3")]
        await database.close()
        return list(found)

    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(apply(Path(folder) / "central.sqlite"))
    last = [held.get(key) for key in ("A1", "A2", "A3")]
    assert found == [token.standing if token and not token.deleted else None for token in last]


# --- asking the hub -----------------------------------------------------------------------------------------


async def test_the_hub_decides(start: Start, hub: Hub, logs: LogLines, charger: Connect) -> None:
    hub.infos["HOME0001"] = {"status": "Accepted", "parentIdTag": "GROUP"}
    central = await start(hub=hub)
    await logs.event("hub_linked")
    cp = await charger(central)
    assert await cp.authorize("HOME0001") == {"status": "Accepted", "parentIdTag": "GROUP"}
    assert await cp.authorize("HOME0002") == {"status": "Invalid"}
    accepted, invalid = await told(logs, "authorization", 2)
    (first, _) = hub.calls("Authorize")
    assert accepted["reference"] == first.message_id
    assert accepted["id_tag"] == "HO…01"
    assert accepted["charge_point"] == "CP-1"
    assert (accepted["decided_by"], invalid["decided_by"]) == ("hub", "hub")
    assert 0 < float(str(accepted["upstream_ms"])) <= float(str(accepted["total_ms"]))


async def test_a_hub_that_cannot_answer_denies(
    start: Start, hub: Hub, logs: LogLines, charger: Connect
) -> None:
    async def fail(_: Call) -> Payload:
        raise BadValueError("no")

    hub.answers["Authorize"] = fail
    central = await start(hub=hub)
    await logs.event("hub_linked")
    assert await (await charger(central)).authorize("HOME0001") == {"status": "Invalid"}
    line = await logs.event("authorization")
    assert line["decided_by"] == "none"
    assert "PropertyConstraintViolation" in line["reason"]


async def test_what_the_hub_may_not_ask(start: Start, hub: Hub) -> None:
    await start(hub=hub)
    link = await hub.has_link("C2")
    with pytest.raises(PeerError) as caught:
        await link.call("Heartbeat", {})
    assert caught.value.code == "NotSupported"
