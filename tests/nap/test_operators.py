import asyncio
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cascade.client import BusyError, basic, dial, link_url
from cascade.errors import LinkLostError
from cascade.frames import Call
from cascade.link import TAKEN_OVER
from cascade.ocpp16 import SUBPROTOCOL
from nap.operators import DISABLED, GOING_AWAY, new_credential
from nap.store.sqlite import SqliteStore
from tests.conftest import LogLines
from tests.nap.actors import NOW, SECRET, SECRET_HASH, Partner, World, operator
from tests.nap.conftest import StartHub


async def http(world: World, path: str, authorization: str | None = None) -> str:
    """What the hub answers to a request for an upgrade, as it comes, without the date."""
    address = urlsplit(world.app.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: hub",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return re.sub(r"Date: .*\r\n", "", answer.decode())


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        pytest.param("/ocpp/C1", None, id="no credential"),
        pytest.param("/ocpp/C1", basic("C1", "wrong"), id="wrong credential"),
        pytest.param("/ocpp/C1", basic("C2", SECRET), id="credential of another"),
        pytest.param("/ocpp/C1", basic("", SECRET), id="no user"),
        pytest.param("/ocpp/C1", f"Bearer {SECRET}", id="bearer"),
        pytest.param("/ocpp/C1", "Basic !", id="not Base64"),
        pytest.param("/ocpp/C9", basic("C9", SECRET), id="unknown operator"),
        pytest.param("/ocpp/c1", basic("c1", SECRET), id="other case"),
        pytest.param("/ocpp/C3", basic("C3", SECRET), id="disabled operator"),
        pytest.param("/ocpp/C4", basic("C4", SECRET), id="its hash is damaged"),
    ],
)
async def test_who_is_not_let_in_learns_nothing_but_that(
    world: World, path: str, authorization: str | None
) -> None:
    await world.enter("C1")
    await world.enter("C2")
    await world.enter("C3", enabled=False)
    await world.app.store.operators.add((operator("C4"), "not a hash"), now=NOW)
    answer = await http(world, path, authorization)
    assert status(answer) == 401
    assert answer == await http(world, "/ocpp/nobody", basic("nobody", "x"))


async def test_other_paths_are_not_there(world: World) -> None:
    for path in ("/", "/ocpp", "/ocpp/", "/ocpp/C1/more", "/other/C1"):
        assert status(await http(world, path, basic("C1", SECRET))) == 404


async def test_health_needs_no_credential(world: World) -> None:
    await world.link("C1")
    answer = await http(world, "/health")
    assert status(answer) == 200
    assert json.loads(answer.rpartition("\r\n\r\n")[2]) == {"status": "ok", "linked_operators": 1}


async def test_without_a_common_subprotocol_the_link_is_closed(world: World) -> None:
    await world.enter("C1")
    headers = {"Authorization": basic("C1", SECRET)}
    async with connect(link_url(world.app.url, "C1"), additional_headers=headers) as connection:
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    assert connection.close_code == 1002


async def test_a_new_credential_fits_its_hash_and_no_other() -> None:
    (first, first_hash), (second, _) = new_credential(), new_credential()
    assert PasswordHasher().verify(first_hash, first)
    assert first != second
    assert len(first) >= 32


async def test_the_credential_of_the_store_counts_at_each_link(world: World) -> None:
    first = await world.link("C1")
    await world.unlink(first)
    new_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("new")
    await world.app.store.operators.change("C1", secret_hash=new_hash)
    with pytest.raises(LinkLostError, match="401"):
        await Partner("C1").dial(world.app.url, secret=SECRET)
    renewed = Partner("C1")
    await renewed.dial(world.app.url, secret="new")
    world.partners.append(renewed)
    await renewed.settle()


async def test_a_credential_that_was_right_before_is_not_hashed_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.link("C1")
    await world.unlink(first)

    def never(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(world.app.links._credentials, "_matches", never)
    await world.relink(Partner("C1"))


async def test_many_can_come_at_once(world: World) -> None:
    names = [f"C{n}" for n in range(12)]
    await asyncio.gather(*(world.link(name) for name in names))
    linked = [standing.operator.operator_id for standing in world.app.store.operators.standings()]
    assert linked == sorted(names)


async def test_the_newest_link_takes_over(world: World, logs: LogLines) -> None:
    home_before = await world.link("C1")
    visited = await world.link("C2")
    home_now = await world.link("C1")
    await home_before.gone
    assert home_before.connection.close_code == TAKEN_OVER
    await home_now.claim("AB")
    assert await visited.status_of("AB1") == "Accepted"
    assert len(home_now.asked) == 1
    assert home_before.asked == []
    assert logs.named("operator_gone") == []
    await world.app.links.settle()
    assert [s.linked for s in world.app.store.operators.standings()] == [True, True]
    assert world.app.metrics.links._value.get() == 2


async def test_a_link_is_shown_while_it_lasts(world: World) -> None:
    partner = await world.link("C1")
    await world.app.links.settle()
    (standing,) = world.app.store.operators.standings()
    assert standing.linked
    assert standing.link_changed_at is not None
    await world.unlink(partner)
    await world.app.links.settle()
    (standing,) = world.app.store.operators.standings()
    assert not standing.linked


async def test_standings_are_written_by_themselves_and_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: asyncio.Queue[set[str]] = asyncio.Queue()
    write = world.app.links._write_standings

    async def watched() -> None:
        names = set(world.app.links._standings)
        await write()
        written.put_nowait(names)

    monkeypatch.setattr(world.app.links, "_write_standings", watched)
    names = {f"C{n}" for n in range(5)}
    await asyncio.gather(*(world.enter(name) for name in names))
    await asyncio.gather(*(world.relink(Partner(name)) for name in names))
    seen: set[str] = set()
    async with asyncio.timeout(10):
        while seen != names:
            seen |= await written.get()
    assert all(standing.linked for standing in world.app.store.operators.standings())


async def test_a_hub_that_has_stopped_shows_nobody_as_linked(world: World) -> None:
    await world.link("C1")
    await world.stop()
    store = await SqliteStore.open(world.settings.database, NOW)
    (standing,) = store.operators.standings()
    assert not standing.linked
    assert standing.link_changed_at is not None
    await store.close()
    await world.start()


async def test_hundreds_come_back_at_once_as_the_hub_asks_them_to(start_hub: StartHub) -> None:
    world = await start_hub(admissions_per_s=200.0, admission_patience_s=0.1)
    names = [f"C{n}" for n in range(100)]
    entered = ((operator(name), SECRET_HASH) for name in names)
    await world.app.store.operators.add(*entered, now=NOW)
    told: list[float] = []

    async def come(name: str) -> None:
        while True:
            try:
                return await world.relink(Partner(name))
            except BusyError as busy:
                told.append(busy.retry_after_s)
                await asyncio.sleep(busy.retry_after_s / 100)  # too early for most: they are told again

    await asyncio.gather(*(come(name) for name in names))
    assert told
    assert set(world.app._bus.links()) == set(names)


async def test_who_guesses_a_credential_does_not_keep_others_out(world: World) -> None:
    await world.enter("C1")
    await world.enter("C2")

    async def guess(number: int) -> None:
        with pytest.raises(LinkLostError, match=r"401|lets nobody in"):
            await Partner("C1").dial(world.app.url, secret=f"guess {number}")

    guesses = asyncio.gather(*(guess(number) for number in range(100)))
    await world.relink(Partner("C2"))
    await guesses


async def test_an_operator_that_is_disabled_elsewhere_is_cut_off_and_kept_out(world: World) -> None:
    partner, other = await world.link("C1"), await world.link("C2")
    command_line = await SqliteStore.open(world.settings.database, NOW)
    await command_line.operators.change("C1", enabled=False)
    async with asyncio.timeout(10):
        await partner.gone
    assert partner.connection.close_code == DISABLED
    with pytest.raises(LinkLostError, match="401"):
        await Partner("C1").dial(world.app.url)
    await other.settle()
    await command_line.operators.change("C1", enabled=True)
    await command_line.close()
    await world.relink(Partner("C1"))


async def test_stopping_lets_what_is_in_work_be_answered(world: World, logs: LogLines) -> None:
    home, visited = await world.link("C1"), await world.link("C2")
    await home.claim("AB")
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: Call) -> dict[str, Any]:
        asked.set()
        await may_answer.wait()
        return {"idTagInfo": {"status": "Accepted"}}

    home.authorize = slowly
    answer = asyncio.create_task(visited.status_of("AB1"))
    await asked.wait()
    stopping = asyncio.create_task(world.stop())
    assert (await logs.event("draining"))["grace_s"] == 5.0
    may_answer.set()
    await stopping
    assert await answer == "Accepted"
    assert visited.connection.close_code == home.connection.close_code == GOING_AWAY


async def test_a_standing_that_cannot_be_written_does_not_cost_the_link(world: World, logs: LogLines) -> None:
    await world.enter("C1")
    world.refuse_writes()
    await world.relink(Partner("C1"))
    assert (await logs.event("standing_not_written"))["operator"] == "C1"


async def test_a_socket_that_only_opens_is_a_link_too(world: World) -> None:
    await world.enter("C1")
    connection = await dial(
        link_url(world.app.url, "C1"),
        subprotocols=[SUBPROTOCOL],
        max_size=1 << 20,
        authorization=basic("C1", SECRET),
    )
    await connection.send('[2,"1","Heartbeat",{}]')
    answer = json.loads(await connection.recv())
    assert answer[:2] == [3, "1"]
    await connection.close()
