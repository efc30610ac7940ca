"""Where batches stand: one process holds each, a line is claimed before it is sent, an old holder changes nothing."""

from itertools import count

import pytest
from msgspec.structs import replace

from freehold.core.batch import Batch, Hold, LineResult
from freehold.core.errors import Changed
from freehold.store.batches import SqlBatches
from freehold.store.database import Database

BATCH = Batch(
    id="batch_1",
    owner="k",
    at=1,
    home="h",
    endpoint="/v1/x",
    input_file="f",
    expires_at=9,
    status="in_progress",
    total=5,
)


@pytest.fixture
def store(database: Database) -> SqlBatches:
    made = SqlBatches(database)
    made.add(BATCH)
    return made


def take(store: SqlBatches, holder: str = "one", *, now: int = 10, until: int = 20) -> Hold:
    ((_, hold),) = store.take(holder, home="h", now=now, until=until, most=8)
    return hold


def test_a_batch_has_one_holder_until_its_hold_runs_out_or_is_let_go(store: SqlBatches) -> None:
    first = take(store)

    assert store.take("two", home="h", now=19, until=30, most=8) == []
    assert store.take("two", home="elsewhere", now=20, until=30, most=8) == []
    second = take(store, "two", now=20, until=30)
    assert second.epoch == first.epoch + 1
    store.release("one")  # holds nothing any more
    assert store.take("one", home="h", now=29, until=40, most=8) == []
    store.release("two")
    assert take(store, "one", now=21, until=40).epoch == second.epoch + 1


def test_every_step_prolongs_the_hold(store: SqlBatches) -> None:
    hold = take(store)
    store.advance(hold, done=(), again=(), more=0, ids=str, until=50)

    assert store.take("two", home="h", now=49, until=60, most=8) == []


def test_one_who_lost_the_hold_changes_nothing(store: SqlBatches) -> None:
    old = take(store)
    take(store, "two", now=20, until=30)

    with pytest.raises(Changed):
        store.advance(old, done=(), again=(), more=1, ids=str, until=50)
    with pytest.raises(Changed):
        store.move(old, lambda b: replace(b, status="finalizing"), until=50)
    with pytest.raises(Changed):
        store.close(old, lambda b: replace(b, status="completed"))
    assert store.get("batch_1") == BATCH
    assert store.unfinished("batch_1") == []


def test_lines_are_claimed_in_order_finished_once_and_claimed_anew(store: SqlBatches) -> None:
    names = count()

    def ids() -> str:
        return f"i{next(names)}"

    hold = take(store)
    batch, claims = store.advance(hold, done=(), again=(), more=2, ids=ids, until=50)
    assert [(c.number, c.inference) for c in claims] == [(0, "i0"), (1, "i1")]
    assert store.unfinished("batch_1") == claims
    assert batch.next == 2

    result = LineResult(0, hold.epoch, 7, 3, True)
    batch, claims = store.advance(hold, done=[result], again=[1], more=9, ids=ids, until=50)
    assert [(c.number, c.inference) for c in claims] == [(1, "i2"), (2, "i3"), (3, "i4"), (4, "i5")]
    assert store.unfinished("batch_1") == claims
    assert (batch.next, batch.completed, batch.failed) == (5, 1, 0)

    late = result._replace(offset=99)  # of one who wrote it a second time
    again, _ = store.advance(hold, done=[late], again=(), more=0, ids=ids, until=50)
    assert again == batch
    assert store.finished("batch_1") == [result]


def test_nothing_is_claimed_of_a_batch_that_is_being_cancelled_and_its_end_forgets_the_lines(store: SqlBatches) -> None:
    hold = take(store)
    store.advance(hold, done=(), again=(), more=1, ids=lambda: "a", until=50)
    store.change("batch_1", lambda b: replace(b, status="cancelling"))
    batch, claims = store.advance(hold, done=(), again=[0], more=4, ids=lambda: "b", until=50)

    assert (batch.status, claims) == ("cancelling", [])
    assert store.using("f") == "batch_1"
    over = store.close(hold, lambda b: replace(b, status="cancelled"))
    assert store.get("batch_1") == over
    assert store.unfinished("batch_1") == []
    assert store.using("f") is None
    assert store.take("two", home="h", now=99, until=100, most=8) == []
