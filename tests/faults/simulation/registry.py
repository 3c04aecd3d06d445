"""What changes while drivers charge: tokens at their homes, agreements at the hub, and the hub's epoch."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cascade.errors import StoreError
from cascade.roaming.tokens import Token, TokenStatus
from nap.records import Mode
from nap.store.sqlite import SqliteStore
from tests.faults.simulation.ages import HUB
from tests.faults.simulation.disk import SimulatedDatabase
from tests.faults.simulation.node import Node
from tests.faults.simulation.parties import OPERATORS, TAGS

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

WITHIN_S = 70.0
TOKENS_CHANGE, AGREEMENTS_CHANGE, EPOCH_CHANGES = 0.4, 0.2, 0.15
"""In how many of all schedules."""
NOTICED_WITHIN_S = 0.2
WANDERERS = tuple(f"M-{number:04}" for number in range(5))
"""Tokens that come and go, and move from one operator to another; nobody charges with them."""
CONSENTS = (
    frozenset(Mode),
    frozenset(Mode) - {Mode.WHITELIST},
    frozenset(Mode) - {Mode.HUB},
    frozenset(Mode) - {Mode.REDIRECT},
    frozenset({Mode.PEER}),
)
WANTS = (
    (Mode.HUB, Mode.REDIRECT, Mode.WHITELIST, Mode.PEER),
    (Mode.REDIRECT, Mode.HUB, Mode.WHITELIST, Mode.PEER),
    (Mode.REDIRECT, Mode.WHITELIST, Mode.PEER),
    (Mode.HUB, Mode.PEER),
)


class Registry:
    """The changes of a schedule.

    Args:
        world: where they happen.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        node = Node("the command line", world.clocks[HUB])
        self._ministry = SqliteStore(SimulatedDatabase(world.hub_disk, node, world.rng))
        self._database = self._ministry._database
        self._agreements_change = False

    def happenings(self) -> list[Coroutine[Any, Any, None]]:
        """Each is one change."""
        rng = self._world.rng
        changes: list[Coroutine[Any, Any, None]] = []
        if rng.random() < TOKENS_CHANGE:
            changes += [self._change_token() for _ in range(rng.randint(3, 12))]
            changes += [self._replace_list() for _ in range(rng.randint(0, 2))]
            changes += [self._show_card() for _ in range(rng.randint(3, 8))]
        self._agreements_change = rng.random() < AGREEMENTS_CHANGE
        if self._agreements_change:
            changes += [self._change_agreement() for _ in range(rng.randint(1, 4))]
        if rng.random() < EPOCH_CHANGES:
            changes.append(self._restore())
        return changes

    async def heal(self) -> None:
        """Agree again to what the CDRs under way need."""
        for name in OPERATORS if self._agreements_change else ():
            await self._agree(name, frozenset(Mode), None)

    # --- tokens ---------------------------------------------------------------------------------------------

    async def _change_token(self) -> None:
        """A token comes, or its state changes."""
        rng = self._world.rng
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S))
        home = rng.choice(OPERATORS)
        token = Token(
            id_tag=rng.choice((*TAGS[home], *WANDERERS)),
            status=rng.choice((TokenStatus.ACCEPTED, TokenStatus.ACCEPTED, TokenStatus.BLOCKED)),
            expiry_date=rng.choice((None, None, self._world.now() + timedelta(seconds=rng.choice((5, 3000))))),
            parent_id_tag=rng.choice((None, f"{home}-FAMILY")),
        )
        await self._world.insist(home, lambda life: life.change(lambda tokens: tokens.put([token])))

    async def _replace_list(self) -> None:
        """A central system comes back with another list of drivers, and knows nothing of what it published."""
        world, rng = self._world, self._world.rng
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S))
        home = rng.choice(OPERATORS)
        central, world.centrals[home] = world.centrals[home], None
        if central is None:
            return
        await world.kill(central)
        gone = [id_tag for id_tag in WANDERERS if rng.random() < 0.6]
        disk = world.disks[home].connection
        disk.executemany("DELETE FROM own_token WHERE id_key = ?", [(id_tag,) for id_tag in gone])
        disk.execute("DELETE FROM meta WHERE key IN ('published_version', 'published_change')")
        world.start_central(home)

    async def _show_card(self) -> None:
        """A driver is authorized, and leaves."""
        rng = self._world.rng
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S))
        visited, home = rng.sample(OPERATORS, 2)
        request = {"idTag": rng.choice((*TAGS[home], *WANDERERS))}
        await self._world.insist(visited, lambda life: life.answer("CP-C", "Authorize", request))

    # --- agreements and the epoch ---------------------------------------------------------------------------

    async def _change_agreement(self) -> None:
        rng = self._world.rng
        await asyncio.sleep(rng.uniform(0.0, WITHIN_S))
        await self._agree(rng.choice(OPERATORS), rng.choice(CONSENTS), rng.choice(WANTS))

    async def _agree(self, name: str, consents: frozenset[Mode], wants: tuple[Mode, ...] | None) -> None:
        """Write an agreement, as the command line does, which a hub that runs notices a little later."""
        world = self._world
        world.ages.agreements += 1
        world.ages.agreements_change += 1
        await self._insist(lambda: self._ministry.operators.change(name, consents=consents, wants=wants))
        await self._have_noticed()
        world.ages.agreements_change -= 1

    async def _have_noticed(self) -> None:
        world = self._world
        await asyncio.sleep(world.rng.uniform(0.0, NOTICED_WITHIN_S))
        if world.hub is not None:
            await asyncio.wait({world.hub.node.spawn(world.hub.look())})

    async def _restore(self) -> None:
        """Begin an epoch: of a hub that comes back, maybe with tokens of an earlier moment, or that runs."""
        world, rng = self._world, self._world.rng
        at, later = sorted((rng.uniform(0.0, WITHIN_S), rng.uniform(0.0, WITHIN_S)))
        await asyncio.sleep(at)
        tables = [(table, self._rows(table)) for table in ("prefixes", "tokens", "operators")]
        await asyncio.sleep(later - at)
        world.outcome.faults["begin an epoch"] = world.outcome.faults.get("begin an epoch", 0) + 1
        how = rng.choice(("restored", "restarted", "runs"))
        if how == "runs":
            await self._insist(self._begin_epoch)
            await self._have_noticed()
            return
        hub, world.hub = world.hub, None
        if hub is None:
            return
        await world.kill(hub)
        if how == "restored":
            await self._insist(lambda: asyncio.gather(self._put_back(tables), self._begin_epoch()))
        else:
            await self._insist(self._begin_epoch)
        world.start_hub()

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return self._database.reader.execute(f"SELECT * FROM {table}").fetchall()

    async def _put_back(self, tables: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        self._world.ages.agreements += 1

        def job(db: Any) -> None:  # noqa: ANN401 - a connection
            db.execute("PRAGMA defer_foreign_keys=ON")
            for table, rows in tables:
                db.execute(f"DELETE FROM {table}")
                for row in rows:
                    db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

        await self._database.write(job)

    async def _begin_epoch(self) -> int:
        return await self._ministry.tokens.begin_epoch(self._world.clocks[HUB]())

    async def _insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await act()
            except StoreError:
                await asyncio.sleep(0.5)
            else:
                return
