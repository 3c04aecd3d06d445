from datetime import UTC, datetime

import pytest

from cascade.database import Database
from cascade.roaming.tokens import Token
from cpo_central.drivers.tokens import TokenStore
from cpo_central.drivers.users import UserConflictError, UserStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(database: Database) -> UserStore:
    await TokenStore(database).put([Token(id_tag="Anna-1"), Token(id_tag="Anna-2"), Token(id_tag="Bob-1")])
    return UserStore(database)


async def test_a_person_has_the_tokens_last_given(store: UserStore) -> None:
    anna = await store.add("Anna", "anna@example.org", ["ANNA-1", "anna-1"], NOW)
    assert anna.tokens == ["Anna-1"]
    changed = await store.change(anna.user_id, name="Anna", email=None, tokens=["Anna-2"])
    assert changed == store.get(anna.user_id) == anna._replace(email=None, tokens=["Anna-2"])
    bob = await store.add("Bob", "ANNA@example.org", ["Anna-1"], NOW)
    assert await store.page_after(0, 10) == [changed, bob]
    assert await store.page_after(anna.user_id, 10) == [bob]


async def test_what_is_another_s_changes_nothing(store: UserStore) -> None:
    anna = await store.add("Anna", "anna@example.org", ["Anna-1"], NOW)
    bob = await store.add("Bob", None, ["Bob-1"], NOW)
    for email, tokens in (("Anna@Example.org", ["Bob-1"]), (None, ["Bob-1", "anna-1"]), (None, ["Eve-1"])):
        with pytest.raises(UserConflictError):
            await store.change(bob.user_id, name="Bobby", email=email, tokens=tokens)
        with pytest.raises(UserConflictError):
            await store.add("Eve", email, tokens, NOW)
    assert await store.page_after(0, 10) == [anna, bob]


async def test_only_who_has_no_tokens_is_deleted(store: UserStore) -> None:
    anna = await store.add("Anna", None, ["Anna-1"], NOW)
    with pytest.raises(UserConflictError, match="take them away"):
        await store.remove(anna.user_id)
    await store.change(anna.user_id, name="Anna", email=None, tokens=[])
    assert await store.remove(anna.user_id)
    assert not await store.remove(anna.user_id)
    assert await store.change(anna.user_id, name="Anna", email=None, tokens=[]) is None
    assert (await store.add("Bob", None, [], NOW)).user_id > anna.user_id
