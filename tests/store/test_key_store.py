"""The contract of `KeyStore`, for each store that fulfils it."""

import pytest

from freehold.core.ports import KeyStore
from freehold.core.principal import Budget, Key
from freehold.store.database import Database
from freehold.store.keys import SqlKeys
from freehold.store.memory import MemoryKeys

FULL = Key(
    id="full",
    digest=bytes(range(32)),
    name="Zoë's \N{KEY}",
    created_at=2,
    team="support",
    routes=("chat", "support-*"),
    models=("openai/*",),
    requests_per_minute=60,
    tokens_per_minute=10_000,
    budget=Budget(limit=5_000_000_000, period="month"),
    admin=True,
    expires_at=2**62,
    revoked_at=3,
    previous=b"\xff\x00",
    previous_until=4,
)
BARE = Key(id="bare", digest=b"\0", name="", created_at=1)


@pytest.fixture
def store(behind: Database | None) -> KeyStore:
    return SqlKeys(behind) if behind else MemoryKeys()


def test_a_new_store_has_no_keys(store: KeyStore) -> None:
    assert (store.all(), store.generation()) == ([], 0)


def test_keys_come_back_as_they_were_the_oldest_first(store: KeyStore) -> None:
    store.put(FULL)
    store.put(BARE)

    assert store.all() == [BARE, FULL]


def test_a_key_with_the_same_id_replaces_the_old_one(store: KeyStore) -> None:
    store.put(BARE)
    store.put(Key(id="bare", digest=b"\1", name="renamed", created_at=1))

    assert store.all() == [Key(id="bare", digest=b"\1", name="renamed", created_at=1)]


def test_every_change_is_a_new_generation(store: KeyStore) -> None:
    seen = [store.generation()]
    for key in (BARE, FULL, BARE):
        store.put(key)
        seen.append(store.generation())

    assert len(set(seen)) == 4
    assert store.generation() == seen[-1]


def test_another_process_sees_the_change(database: Database) -> None:
    before = SqlKeys(database).generation()
    other = Database.open(database.engine.url.render_as_string(hide_password=False))
    SqlKeys(other).put(BARE)
    other.close()

    assert SqlKeys(database).generation() != before
    assert SqlKeys(database).all() == [BARE]
