from datetime import timedelta

from nap.store.keys import new_ticket_key
from nap.store.memory import MemoryStore
from tests.nap.actors import NOW


def test_a_ticket_key_can_be_given_so_that_runs_repeat() -> None:
    key = new_ticket_key()
    assert MemoryStore(NOW, ticket_key=key).ticket_key() == key


def test_without_one_each_store_makes_its_own() -> None:
    assert MemoryStore(NOW).ticket_key() != MemoryStore(NOW).ticket_key()


def test_stores_share_nothing() -> None:
    first, second = MemoryStore(NOW), MemoryStore(NOW + timedelta(days=1))
    assert first.tokens.version() != second.tokens.version()
    assert first.schema_versions() == (0, 0)
