"""Stored responses: each owner sees its own, chains hang together, what is deleted or expired is gone."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw
from sqlalchemy import select

from freehold.core.stored import StoredResponse
from freehold.store.database import Database
from freehold.store.responses import SqlResponses
from freehold.store.schema import response_items

NOW = 1_000


def response(id_: str, owner: str = "ann", *, items: tuple[str, ...] = (), **more: Any) -> StoredResponse:
    body = {"id": id_, "output": [{"id": item, "type": "message"} for item in items]}
    given = {"at": 1, "expires_at": 5_000, "response": Raw(msgspec.json.encode(body)), **more}
    return StoredResponse(id=id_, owner=owner, **given)


def test_a_response_is_there_for_its_owner_alone_until_it_expires(database: Database) -> None:
    store, one = SqlResponses(database), response("r1", subject="s", held=True, account="a", input=Raw(b'[{"x":1}]'))
    store.put([one])

    assert store.get("r1", owner="ann", now=NOW) == one
    assert store.get("r1", owner="bob", now=NOW) is None
    assert store.get("r1", owner="ann", now=5_000) is None


def test_two_owners_may_have_responses_of_one_id(database: Database) -> None:
    store = SqlResponses(database)
    store.put([response("r1", items=("i",)), response("r1", "bob", account="b", items=("i",))])
    store.put([response("r1", "bob", account="c", items=("i",))])

    assert store.get("r1", owner="ann", now=NOW) == response("r1", items=("i",))
    assert store.get("r1", owner="bob", now=NOW) == response("r1", "bob", account="c", items=("i",))
    assert store.remove("r1", owner="bob")
    assert [one.owner for one in store.with_items(["i"], owner="ann", now=NOW)] == ["ann"]
    assert store.with_items(["i"], owner="bob", now=NOW) == []


def test_of_what_is_put_together_twice_the_last_one_counts(database: Database) -> None:
    store = SqlResponses(database)
    store.put([response("r1", account="a"), response("r1", account="b")])

    found = store.get("r1", owner="ann", now=NOW)
    assert found is not None
    assert found.account == "b"


def test_a_chain_is_whole_or_not_there(database: Database) -> None:
    store = SqlResponses(database)
    chain = [response("r1"), response("r2", previous="r1"), response("r3", previous="r2")]
    store.put([*chain, response("r4", "bob", previous="r3")])

    assert list(store.chain("r3", owner="ann", now=NOW, most=9)) == chain
    assert list(store.chain("r3", owner="ann", now=NOW, most=2)) == chain[1:]
    assert store.chain("r4", owner="bob", now=NOW, most=9) == ()
    assert store.remove("r1", owner="ann")
    assert store.chain("r3", owner="ann", now=NOW, most=9) == ()


def test_items_are_found_by_their_ids(database: Database) -> None:
    store = SqlResponses(database)
    store.put(
        [response("r1", items=("a", "b", "b")), response("r2", items=("c",)), response("r3", "bob", items=("a",))]
    )

    assert [one.id for one in store.with_items(["b", "c", "x"], owner="ann", now=NOW)] == ["r1", "r2"]
    assert [one.id for one in store.with_items(["a"], owner="ann", now=NOW)] == ["r1"]
    assert store.with_items(["a"], owner="ann", now=5_000) == []


def test_what_is_removed_or_has_expired_leaves_nothing_behind(database: Database) -> None:
    store = SqlResponses(database)
    store.put([response("r1", items=("a",)), response("r2", items=("b",), expires_at=NOW), response("r3", "bob")])

    assert not store.remove("r1", owner="bob")
    assert store.remove("r1", owner="ann")
    assert not store.remove("r1", owner="ann")
    assert (store.expire(NOW), store.expire(NOW)) == (1, 0)
    assert store.get("r3", owner="bob", now=NOW) is not None
    with database.read() as connection:
        assert connection.execute(select(response_items)).all() == []


def test_the_bytes_of_what_is_removed_are_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = Database.open(path)
    store = SqlResponses(database)
    store.put([response(f"r{n}", input=Raw(b'["secret-%d"]' % n)) for n in range(50)])
    files = [path, path.with_name("store.db-wal")]
    assert any(b"secret-7" in f.read_bytes() for f in files)
    store.remove("r7", owner="ann")

    assert not any(b'secret-7"' in f.read_bytes() for f in files if f.exists())
    assert any(b"secret-8" in f.read_bytes() for f in files if f.exists())
    database.close()


def test_what_a_process_worked_on_is_known_by_its_name(database: Database) -> None:
    store = SqlResponses(database)
    store.put([response("r1", node="main", status="queued"), response("r2", node="other"), response("r3")])

    assert [one.id for one in store.abandoned("main")] == ["r1"]
