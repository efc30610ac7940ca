"""The contract of `Records`, and the projection of the ledger into SQL."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import ceil
from multiprocessing import get_context

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select

from freehold.core.decision import Decision, Inputs
from freehold.core.errors import StoreFailed
from freehold.core.inference import Call, Inference
from freehold.core.ports import Records
from freehold.core.usage import Usage
from freehold.store import schema
from freehold.store.database import Database
from freehold.store.inferences import Entry, SqlInferences, Total
from freehold.store.memory import MemoryRecords

ANSWERED = Inference(
    id="1",
    at=1_000,
    outcome="answered",
    route="support",
    key="ann",
    team="bank",
    subject="customer-7",
    stream=True,
    decision=Decision(inputs=Inputs(settings="s", asked="support", candidates=("a/x", "b/y")), order=("a/x", "b/y")),
    calls=(
        Call(deployment="a/x", start=1, end=2, status=503, error="provider_overloaded"),
        Call(deployment="b/y", start=3, first_byte=4, end=9, status=200),
    ),
    deployment="b/y",
    status=200,
    usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=3),
    cost=1_500,
    ttft=4,
    duration=9,
    finish="stop",
    warnings=("dropped logprobs",),
)
REFUSED = Inference(id="2", at=2_000, outcome="refused", route="nope", status=404, error="model_not_found", message="?")
CUT = Inference(id="3", at=3_000, outcome="cut", route="support", key="bob", deployment="a/x", status=200, duration=7)


def entries(*records: Inference, start: int = 1) -> list[Entry]:
    return [(str(i), msgspec.json.encode(record)) for i, record in enumerate(records, start)]


@pytest.fixture
def store(database: Database) -> SqlInferences:
    return SqlInferences(database)


@pytest.fixture
def records(behind: Database | None) -> Records:
    kept = (CUT, ANSWERED, REFUSED)
    if behind is None:
        memory = MemoryRecords()
        for inference in kept:
            memory.add(inference)
        return memory
    store = SqlInferences(behind)
    store.project("node", "", entries(*kept))
    return store


def test_a_record_is_read_back_whole(records: Records) -> None:
    assert records.get("1") == ANSWERED
    assert records.get("none") is None


def test_the_latest_come_first(records: Records) -> None:
    assert list(records.latest(2)) == [CUT, REFUSED]
    assert list(records.latest(10)) == [CUT, REFUSED, ANSWERED]


def test_a_projected_record_has_the_columns_that_people_query(store: SqlInferences, database: Database) -> None:
    store.project("node", "", [("17", ANSWERED)])

    with database.read() as connection:
        (row,) = connection.execute(select(schema.inferences)).mappings().all()
    assert dict(row) == {
        "id": "1",
        "at": 1_000,
        "outcome": "answered",
        "route": "support",
        "dialect": "openai-chat",
        "deployment": "b/y",
        "key": "ann",
        "team": "bank",
        "subject": "customer-7",
        "status": 200,
        "error": None,
        "finish": "stop",
        "stream": True,
        "calls": 2,
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_tokens": 3,
        "cost": 1_500,
        "ttft": 4,
        "duration": 9,
        "record": msgspec.json.encode(ANSWERED).decode(),
    }


def test_projecting_goes_on_where_the_last_one_ended(store: SqlInferences) -> None:
    assert store.position("node") == ""
    assert store.project("node", "", entries(ANSWERED, REFUSED)) == "2"
    assert store.position("node") == "2"
    assert store.project("node", "2", entries(CUT, start=3)) == "3"
    assert list(store.latest(9)) == [CUT, REFUSED, ANSWERED]


def test_whoever_comes_late_adds_nothing_and_hears_where_to_go_on(store: SqlInferences) -> None:
    store.project("node", "", entries(ANSWERED, REFUSED))

    assert store.project("node", "", entries(ANSWERED, REFUSED, CUT)) == "2"
    assert list(store.latest(9)) == [REFUSED, ANSWERED]


def test_a_record_that_is_already_there_stays_once(store: SqlInferences) -> None:
    store.project("node", "", entries(ANSWERED))
    store.project("node", "1", entries(ANSWERED, ANSWERED, CUT, start=2))

    assert list(store.latest(9)) == [CUT, ANSWERED]


def test_each_node_has_its_own_position(store: SqlInferences) -> None:
    store.project("one", "", entries(ANSWERED))
    store.project("two", "", entries(REFUSED, CUT))

    assert (store.position("one"), store.position("two")) == ("1", "2")


def test_records_of_something_else_are_passed_over(store: SqlInferences) -> None:
    assert store.project("node", "", [("1", None), ("2", ANSWERED), ("3", None)]) == "3"
    assert list(store.latest(9)) == [ANSWERED]


def test_nothing_new_changes_nothing(store: SqlInferences) -> None:
    store.project("node", "", entries(ANSWERED))

    assert store.project("node", "1", []) == "1"


def test_cleared_and_projected_anew_it_is_the_same(store: SqlInferences) -> None:
    store.project("node", "", entries(ANSWERED, REFUSED, CUT))
    before = list(store.latest(9))
    store.clear()
    assert (list(store.latest(9)), store.position("node")) == ([], "")

    store.project("node", "", entries(ANSWERED, REFUSED, CUT))
    assert list(store.latest(9)) == before


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"id":"1"}', b'{"id":"\xff"}', b""])
def test_a_record_that_cannot_be_read_is_named_and_nothing_is_added(store: SqlInferences, damaged: bytes) -> None:
    with pytest.raises(StoreFailed, match="record that ends at 2 is no inference"):
        store.project("node", "", [("1", ANSWERED), ("2", damaged)])

    assert (list(store.latest(9)), store.position("node")) == ([], "")


def test_what_callers_and_providers_make_up_does_not_stop_the_projection(store: SqlInferences) -> None:
    odd = Inference(
        id="odd",
        at=1,
        outcome="answered",
        route="a\0b",
        subject="\0",
        finish="s\0",
        usage=Usage(input_tokens=10**30, output_tokens=2**63),
        cost=10**40,
    )
    store.project("node", "", [("1", odd)])

    assert list(store.query(route="a\0b")) == [odd]
    assert store.totals().routes[0].cost == 2**53


def test_filters_join(store: SqlInferences) -> None:
    store.project("node", "", entries(ANSWERED, REFUSED, CUT))

    assert list(store.query(outcome="cut")) == [CUT]
    assert list(store.query(route="support")) == [CUT, ANSWERED]
    assert list(store.query(route="support", key="ann")) == [ANSWERED]
    assert list(store.query(deployment="a/x")) == [CUT]
    assert list(store.query(team="bank")) == [ANSWERED]
    assert list(store.query(since=2_000)) == [CUT, REFUSED]
    assert list(store.query(since=2_000, before=3_000)) == [REFUSED]
    assert list(store.query(limit=1)) == [CUT]
    assert list(store.query(outcome="failed")) == []


def timed(number: int) -> Inference:
    return Inference(
        id=f"{number:03}",
        at=number,
        outcome="cancelled" if number % 10 == 0 else "answered",
        route="r",
        deployment=("a", "b", "b")[number % 3],
        usage=Usage(input_tokens=number, output_tokens=1) if number % 2 else None,
        cost=number if number % 2 else None,
        duration=number * 7919 % 1000,
    )


def expected_total(name: str, mine: list[Inference]) -> Total:
    answered = sorted(i.duration for i in mine if i.outcome == "answered")
    return Total(
        name=name,
        count=len(mine),
        answered=len(answered),
        input_tokens=sum(i.usage.input_tokens for i in mine if i.usage),
        output_tokens=sum(i.usage.output_tokens for i in mine if i.usage),
        cost=sum(i.cost or 0 for i in mine),
        unpriced=sum(i.cost is None for i in mine),
        p50=answered[ceil(len(answered) * 0.50) - 1],
        p95=answered[ceil(len(answered) * 0.95) - 1],
    )


def test_totals_are_those_of_the_records_since_then(store: SqlInferences) -> None:
    made = [timed(n) for n in range(1, 200)]
    store.project("node", "", entries(*made))
    late = [i for i in made if i.at >= 20]

    totals = store.totals(since=20)

    by_deployment = {name: [i for i in late if i.deployment == name] for name in ("b", "a")}
    assert totals.deployments == tuple(expected_total(name, mine) for name, mine in by_deployment.items())
    assert totals.routes == (expected_total("r", late),)


def test_totals_of_what_was_never_answered_have_no_latency(store: SqlInferences) -> None:
    store.project("node", "", entries(REFUSED))

    refused = Total(
        name=None, count=1, answered=0, input_tokens=0, output_tokens=0, cost=0, unpriced=1, p50=None, p95=None
    )
    assert store.totals().deployments == (refused,)


def project_all(url: str, last: int, _process: int) -> None:
    """Project a ledger of `last` records in small batches."""
    database = Database.open(url)
    store = SqlInferences(database)
    position = store.position("node")
    while (reached := int(position or 0)) < last:
        batch = [timed(n) for n in range(reached + 1, min(reached + 8, last) + 1)]
        position = store.project("node", position, entries(*batch, start=reached + 1))
    database.close()


def test_processes_that_project_at_once_neither_skip_nor_repeat(url: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        list(processes.map(partial(project_all, url, 500), range(4)))

    database = Database.open(url)
    assert [i.id for i in SqlInferences(database).latest(1_000)] == [f"{n:03}" for n in range(500, 0, -1)]
    assert SqlInferences(database).position("node") == "500"
    database.close()


def test_many_inferences_are_read_at_once(store: SqlInferences) -> None:
    records = [replace(ANSWERED, id=f"i{n}") for n in range(1_200)]
    store.project("main", "", entries(*records))

    assert store.many([f"i{n}" for n in range(1_200)] + ["absent"]) == {r.id: r for r in records}
    assert store.many([]) == {}
