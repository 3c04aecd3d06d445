"""A whitelist replica over real sockets and databases: whatever breaks off, it ends as the list of the hub."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from cascade.roaming.tokens import PullWhitelist, Token, TokenStatus
from cpo_central.app import Central
from cpo_central.roaming import replication
from cpo_central.settings import CentralSettings
from nap import distribution
from nap.records import Mode
from nap.store.sqlite import SqliteStore
from tests.faults.processes.network import FaultyProxy
from tests.nap.actors import ALL_MODES, NOW, SECRET, World
from tests.nap.store import acts

VISITED = "V"
HOMES = ("A", "B")
TAGS = tuple(f"TAG{number}" for number in range(12))
STEPS = 30


class Case:
    """A hub with two home operators, and a central system that keeps a replica.

    Args:
        folder: for the databases.
        seed: of what happens.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._folder = folder
        self._hub = World(folder / "hub.sqlite", call_timeout_s=0.3, send_timeout_s=0.3, drain_grace_s=0.5)
        self._net = FaultyProxy(0)
        self._published = dict.fromkeys(HOMES, 0)

    async def start(self) -> None:
        await self._start_hub()
        for name in (*HOMES, VISITED):
            await self._hub.enter(name)
        await self._net.start()
        await self._start_central()

    async def stop(self) -> None:
        await self._central.stop()
        await self._net.stop()
        await self._hub.stop()

    async def _start_hub(self) -> None:
        await self._hub.start()
        self._net._upstream = urlsplit(self._hub.app.url).port or 0

    async def _start_central(self) -> None:
        settings: dict[str, Any] = {
            "operator_id": VISITED,
            "database": self._folder / "central.sqlite",
            "port": 0,
            "hub_url": f"ws://127.0.0.1:{self._net.port}/ocpp",
            "hub_credential": SecretStr(SECRET),
            "modes": ("whitelist",),
            "call_timeout_s": 0.3,
            "relink_base_s": 0.002,
            "relink_cap_s": 0.02,
        }
        self._central = Central(CentralSettings(**settings))
        await self._central.start()

    # --- what happens -----------------------------------------------------------------------------------------

    async def happen(self) -> None:
        """Many things, one after the other, each before the one before it has come to rest."""
        calm = [self._change] * 8 + [self._publish_all] * 2 + [self._agree]
        anew = [self._begin_epoch, self._restart_hub, self._restart_central]
        broken = [self._reset, self._stall, self._halve]
        for _ in range(STEPS):
            await self._rng.choice([*calm, *anew, *broken])()
            for _ in range(self._rng.choice([0, 3, 30, 300])):
                await asyncio.sleep(0)
        self._net.halves_next = False
        self._net.flow()

    def _token(self) -> Token:
        id_tag = self._rng.choice(TAGS)
        if self._rng.random() < 0.3:
            return Token(id_tag=id_tag, deleted=True)
        return Token(id_tag=id_tag, status=self._rng.choice([TokenStatus.ACCEPTED, TokenStatus.BLOCKED]))

    async def _publish(self, home: str, *tokens: Token, full: bool) -> None:
        base = 0 if full else self._published[home]
        if base == 0 and not full:
            return
        published = await acts.publish(self._hub.app.store, home, *tokens, full=full, base_version=base)
        self._published[home] = published.version
        self._hub.app._distribution.wake()

    async def _change(self) -> None:
        tokens = [self._token() for _ in range(self._rng.randint(1, 3))]
        await self._publish(self._rng.choice(HOMES), *tokens, full=False)

    async def _publish_all(self) -> None:
        tokens = [self._token() for _ in range(self._rng.randint(0, 9))]
        await self._publish(self._rng.choice(HOMES), *tokens, full=True)

    async def _agree(self) -> None:
        consents = frozenset(ALL_MODES) - {self._rng.choice([Mode.WHITELIST, Mode.HUB])}
        await self._hub.app.store.operators.change(self._rng.choice(HOMES), consents=consents)
        self._hub.app._distribution.wake()

    async def _begin_epoch(self) -> None:
        await self._hub.app.store.tokens.begin_epoch(NOW)
        self._published = dict.fromkeys(HOMES, 0)
        self._hub.app._distribution.wake()

    async def _restart_hub(self) -> None:
        self._net.reset()
        await self._hub.stop()
        await self._start_hub()

    async def _restart_central(self) -> None:
        await self._central.stop()
        await self._start_central()

    async def _reset(self) -> None:
        self._net.reset()

    async def _stall(self) -> None:
        if self._rng.random() < 0.5:
            self._net.stall()
        else:
            self._net.flow()

    async def _halve(self) -> None:
        self._net.halves_next = True

    # --- how it ends ------------------------------------------------------------------------------------------

    async def converge(self) -> None:
        """Wait until the replica is as the hub's list, and stays so with one change more, which is pushed."""
        await self._same()
        await self._publish("A", *[Token(id_tag=f"NEW{number}") for number in range(5)], full=True)
        await self._same()

    async def _same(self) -> None:
        async with asyncio.timeout(20):
            while self._replica() != self._list():  # noqa: ASYNC110 - two databases tell nobody
                await asyncio.sleep(0.005)

    def _list(self) -> tuple[int, list[Any]]:
        assert isinstance(self._hub.app.store, SqliteStore)
        reader = self._hub.app.store._database.reader
        query = "SELECT id_tag, status FROM tokens WHERE listed = 1 AND home != ? ORDER BY id_key"
        epoch, _ = self._hub.app.store.tokens.version()
        return epoch, reader.execute(query, (VISITED,)).fetchall()

    def _replica(self) -> tuple[int, list[Any]]:
        database = self._central._database
        assert self._central._hub._replication is not None
        epoch = self._central._hub._replication._whitelist.current.epoch
        query = "SELECT id_tag, status FROM whitelist WHERE epoch = ? ORDER BY id_key"
        return epoch, database.reader.execute(query, (epoch,)).fetchall()


@pytest.fixture
async def case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Case]:
    """Running, with pages so small that every list has several."""
    monkeypatch.setattr(distribution, "RETRY_S", 0.02)
    monkeypatch.setattr(distribution, "PAGE_MAX", 2)
    monkeypatch.setattr(replication, "PullWhitelist", partial(PullWhitelist, limit=3))
    made = Case(tmp_path, request.param)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("case", [0, 4, 5, 9, 13], indirect=True)
@pytest.mark.usefixtures("logs")
async def test_a_replica_ends_as_the_list_of_the_hub(case: Case) -> None:
    await case.happen()
    await case.converge()
