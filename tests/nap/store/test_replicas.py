"""Replicas converge to the whitelist that their operator may see, whatever happens at the hub.

The machine publishes, deletes, agrees, disables, begins epochs, and pulls pages of any size; beside the store
it keeps a plain model of who holds which token. At any moment a replica that pulls until there is no more must
be the model's view, and no page may ever hold what its operator must not see.
"""

import asyncio
import copy
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cascade.errors import RoamingRefused
from cascade.roaming.model import id_key
from cascade.roaming.tokens import Token, TokenStatus, WhitelistPage
from nap.records import Mode
from nap.store.memory import MemoryStore
from nap.store.port import Store
from nap.store.sqlite import SqliteStore
from tests.nap.actors import NOW
from tests.nap.store.acts import enter, publish

T = TypeVar("T")

OPERATORS = ("C1", "C2", "C3")
operators = st.sampled_from(OPERATORS)
published = st.lists(
    st.builds(
        lambda id_tag, status, deleted: Token(id_tag=id_tag, status=status, deleted=deleted),
        st.sampled_from(["A1", "a1", "A2", "A3"]),
        st.sampled_from([TokenStatus.ACCEPTED, TokenStatus.BLOCKED]),
        st.booleans(),
    ),
    max_size=4,
)


class Replica:
    """A visited operator's copy of the whitelist."""

    def __init__(self) -> None:
        self.epoch = self.version = 0
        self.tokens: dict[str, Token] = {}

    def apply(self, page: WhitelistPage) -> None:
        if page.epoch != self.epoch:
            self.tokens.clear()
        self.epoch, self.version = page.epoch, page.version
        for change in page.changes:
            if change.deleted:
                self.tokens.pop(id_key(change.id_tag), None)
            else:
                self.tokens[id_key(change.id_tag)] = change


class Whitelists(RuleBasedStateMachine):
    async def open(self) -> Store:
        return MemoryStore(NOW)

    @initialize(consenting=st.sampled_from(["C1 C2 C3", "C1 C2", "C1"]))
    def begin(self, consenting: str) -> None:
        self.runner = asyncio.Runner()
        self.store = self.run(self.open())
        self.held: dict[str, tuple[str, Token]] = {}
        self.lists = {operator_id: operator_id in consenting.split() for operator_id in OPERATORS}
        self.enabled = dict.fromkeys(OPERATORS, True)
        self.bases = dict.fromkeys(OPERATORS, 0)
        self.once_listed: set[str] = set()
        self.homes: dict[str, set[str]] = {}
        self.replicas = {operator_id: Replica() for operator_id in OPERATORS}
        self.eager = {operator_id: Replica() for operator_id in OPERATORS}
        for operator_id in OPERATORS:
            consents = [Mode.WHITELIST] if self.lists[operator_id] else [Mode.HUB]
            self.run(enter(self.store, operator_id, consents=consents))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
            self.runner.close()

    # --- what happens at the hub ------------------------------------------------------------------------

    @rule(home=operators, tokens=published)
    def delta(self, home: str, tokens: list[Token]) -> None:
        self._publish(home, tokens, full=False, base_version=self.bases[home], more=False)

    @rule(home=operators, pages=st.lists(published, min_size=1, max_size=3))
    def full_list(self, home: str, pages: list[list[Token]]) -> None:
        named: set[str] = set()
        for number, tokens in enumerate(pages):
            last = number == len(pages) - 1
            self._publish(
                home, tokens, full=True, base_version=self.bases[home] if number else 0, more=not last
            )
            named.update(id_key(token.id_tag) for token in tokens)
        for key, (owner, token) in self.held.items():
            if owner == home and key not in named:
                self.held[key] = (home, token.model_copy(update={"deleted": True}))

    @rule(old=operators, new=operators)
    def hand_over(self, old: str, new: str) -> None:
        """All that one operator has given up, another one takes."""
        keys = [key for key, (owner, _) in self.held.items() if owner == old]
        self._publish(old, [], full=True, base_version=0, more=False)
        for key in keys:
            self.held[key] = (old, self.held[key][1].model_copy(update={"deleted": True}))
        tokens = [Token(id_tag=key) for key in keys]
        self._publish(new, tokens, full=False, base_version=self.bases[new], more=False)

    @rule(home=operators, tokens=published)
    def list_that_does_not_end(self, home: str, tokens: list[Token]) -> None:
        self._publish(home, tokens, full=True, base_version=0, more=True)

    def _publish(self, home: str, tokens: list[Token], *, full: bool, base_version: int, more: bool) -> None:
        taken = self.run(publish(self.store, home, *tokens, full=full, base_version=base_version, more=more))
        self.bases[home] = taken.version
        last = {id_key(token.id_tag): token for token in tokens}
        for key, token in last.items():
            owner, held = self.held.get(key, (home, token))
            if owner == home or held.deleted:
                self.held[key] = (home, token)
                self.homes.setdefault(key, set()).add(home)
        self._note_listed()

    @rule(home=operators, consents=st.booleans())
    def agree(self, home: str, consents: bool) -> None:  # noqa: FBT001 - drawn
        self.lists[home] = consents
        modes = frozenset({Mode.WHITELIST} if consents else ())
        self.run(self.store.operators.change(home, consents=modes))
        self._note_listed()

    @rule(home=operators, enabled=st.booleans())
    def enable(self, home: str, enabled: bool) -> None:  # noqa: FBT001 - drawn
        self.enabled[home] = enabled
        self.run(self.store.operators.change(home, enabled=enabled))
        self._note_listed()

    @rule()
    def new_epoch(self) -> None:
        self.run(self.store.tokens.begin_epoch(NOW))
        self.bases = dict.fromkeys(OPERATORS, 0)

    def _note_listed(self) -> None:
        for visited in OPERATORS:
            self.once_listed.update(self._visible(visited))

    def _visible(self, visited: str) -> dict[str, Token]:
        return {
            key: token
            for key, (home, token) in self.held.items()
            if home != visited and self.lists[home] and self.enabled[home] and not token.deleted
        }

    # --- what replicas see ------------------------------------------------------------------------------

    @rule(visited=operators, limit=st.integers(1, 4))
    def pull_a_page(self, visited: str, limit: int) -> None:
        self._pull(self.replicas[visited], visited, limit)

    def _pull(self, replica: Replica, visited: str, limit: int) -> bool:
        page = self.store.tokens.whitelist_page(
            visited, epoch=replica.epoch, version=replica.version, limit=limit
        )
        assert len(page.changes) <= limit
        visible = self._visible(visited)
        for change in page.changes:
            key = id_key(change.id_tag)
            if change.deleted:
                assert key in self.once_listed
                assert change == Token(id_tag=change.id_tag, deleted=True)
                if self.held[key][0] == visited:
                    assert len(self.homes[key]) > 1  # its own only where another's may still be held
            else:
                assert visible[key] == change
        replica.apply(page)
        return page.more

    @rule(visited=operators, limit=st.integers(1, 4))
    def catch_up(self, visited: str, limit: int) -> None:
        self._catch_up(self.replicas[visited], visited, limit)

    @invariant()
    def every_replica_converges(self) -> None:
        for visited in OPERATORS:
            self._catch_up(self.eager[visited], visited, 2)
            self._catch_up(copy.deepcopy(self.replicas[visited]), visited, 2)

    def _catch_up(self, replica: Replica, visited: str, limit: int) -> None:
        while self._pull(replica, visited, limit):
            pass
        assert replica.tokens == self._visible(visited)
        assert (replica.epoch, replica.version) == self.store.tokens.version()

    @rule(visited=operators)
    def lose_the_replica(self, visited: str) -> None:
        self.replicas[visited] = Replica()


class WhitelistsOnDisk(Whitelists):
    async def open(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        store = await SqliteStore.open(Path(self.folder.name) / "hub.sqlite", NOW)
        store._database._writer.execute("PRAGMA synchronous=OFF")  # no power will fail in here
        return store

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
TestWhitelistsInMemory = Whitelists.TestCase
TestWhitelistsInMemory.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=slow
)
TestWhitelistsOnDisk = WhitelistsOnDisk.TestCase
TestWhitelistsOnDisk.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=slow
)


async def test_a_page_of_a_list_that_was_begun_anew_does_not_fit_any_more() -> None:
    store = MemoryStore(NOW)
    await enter(store, "C1")
    first = await publish(store, "C1", Token(id_tag="A1"), more=True)
    await publish(store, "C1", Token(id_tag="A2"), more=True)
    with pytest.raises(RoamingRefused, match="VersionConflict"):
        await publish(store, "C1", Token(id_tag="A3"), base_version=first.version)
