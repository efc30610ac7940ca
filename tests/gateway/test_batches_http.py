"""Batches through a running gateway with the real OpenAI SDK: made, polled, read, cancelled, expired; keys hold."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import openai
import pytest
from gateway_world import House, house
from msgspec.structs import replace
from openai import OpenAI
from scripted_upstream import KEEP, Upstream, always, completion, providers, sized

from batch_world import asked, begin, line, lines, results, until
from freehold.core.principal import Budget
from freehold.governance.keys import mint, revoke

ANSWER = sized(completion("good"))
SIM = """
[simulated.sim]
reply = "Hello there"
price = { input = "1.00", output = "2.00" }
[routes.r]
deployments = ["here"]
[deployments.here]
provider = "sim"
model = "simulated"
price = { input = "1.00", output = "2.00" }
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, SIM) as made:
        yield made


def caller(home: House, key: str = "none") -> OpenAI:
    return OpenAI(base_url=home.base_url, api_key=key, max_retries=0)


@pytest.fixture
def client(home: House) -> Iterator[OpenAI]:
    with caller(home) as made:
        yield made


def with_key(home: House, **more: Any) -> OpenAI:
    key, text = mint(more.pop("name", "ann"), now=0, random=os.urandom, **more)
    home.keys(key)
    return caller(home, text)


def test_each_line_is_answered_under_its_id_billed_and_recorded(home: House, client: OpenAI) -> None:
    names = [f"n{n}" for n in range(40)]
    file = client.files.create(file=("in.jsonl", lines(*(line(n, model="r") for n in names))), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"job": "night"},
        output_expires_after={"anchor": "created_at", "seconds": 7200},
    )
    done = until(client, batch.id)
    good = results(client, done.output_file_id)

    assert batch.status == "validating"
    assert (done.status, done.metadata, done.error_file_id) == ("completed", {"job": "night"}, None)
    assert done.request_counts is not None
    assert done.request_counts.model_dump() == {"total": 40, "completed": 40, "failed": 0}
    assert done.expires_at == done.created_at + 86_400
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at  # type: ignore[operator]
    assert [r["custom_id"] for r in good] == names
    assert {r["response"]["body"]["choices"][0]["message"]["content"] for r in good} == {"Hello there"}
    assert all(r["error"] is None for r in good)
    made = client.files.retrieve(done.output_file_id or "")
    assert (made.purpose, made.expires_at) == ("batch_output", made.created_at + 7200)
    records = {f"batch_req_{r.id}": r for r in home.records()}
    assert {r["id"] for r in good} == records.keys()
    assert {(r.purpose, r.outcome, r.route) for r in records.values()} == {("batch", "answered", "r")}
    assert all(r.cost for r in records.values())
    assert home.gateway.engine.home.spools.batches() == []


@pytest.mark.parametrize(
    ("endpoint", "body", "said"),
    [
        ("/v1/responses", {"input": "hi"}, lambda b: b["output"][0]["content"][0]["text"]),
        (
            "/v1/messages",
            {"max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]},
            lambda b: b["content"][0]["text"],
        ),
        ("/v1/completions", {"prompt": "hi"}, lambda b: b["choices"][0]["text"]),
    ],
)
def test_a_batch_speaks_the_dialect_of_its_endpoint(client: OpenAI, endpoint: str, body: Any, said: Any) -> None:
    one = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "r", **body}}
    done = until(client, begin(client, one, endpoint=endpoint).id)
    (found,) = results(client, done.output_file_id)

    assert said(found["response"]["body"]) == "Hello there"


def test_embeddings_are_made_in_a_batch(tmp_path: Path) -> None:
    vectors = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    with (
        Upstream(always(sized(json.dumps(vectors).encode()), KEEP)) as provider,
        house(tmp_path, providers(provider.port)) as home,
        caller(home) as client,
    ):
        one = {
            "custom_id": "a",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "r", "input": "hi", "encoding_format": "float"},
        }
        done = until(client, begin(client, one, endpoint="/v1/embeddings").id)
        (found,) = results(client, done.output_file_id)

    assert found["response"]["body"]["data"][0]["embedding"] == [0.5, 1.0]


def test_a_batch_of_responses_continues_one_that_is_kept(client: OpenAI) -> None:
    first = client.responses.create(model="r", input="hi")
    body = {"model": "r", "input": "and now?", "previous_response_id": first.id}
    one = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    done = until(client, begin(client, one, endpoint="/v1/responses").id)
    (found,) = results(client, done.output_file_id)

    assert found["response"]["body"]["previous_response_id"] == first.id
    kept = client.responses.retrieve(found["response"]["body"]["id"])
    assert kept.output_text == "Hello there"


def test_what_is_wrong_with_lines_is_told_by_their_numbers_and_nothing_is_sent(home: House, client: OpenAI) -> None:
    wrong = [
        json.dumps(line("a")),
        "{not json",
        "",
        json.dumps(line("a")),
        json.dumps(line("b") | {"method": "GET"}),
        json.dumps(line("c", url="/v1/embeddings")),
        json.dumps(line("d", stream=True)),
        json.dumps(line("")),
        json.dumps({"custom_id": "e"}),
        json.dumps(line("f") | {"body": [1]}),
    ]
    done = until(client, begin(client, content="\n".join(wrong).encode()).id)

    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert done.errors is not None
    assert [(e.line, e.code) for e in done.errors.data or []] == [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "invalid_method"),
        (6, "mismatched_endpoint"),
        (7, "invalid_body"),
        (8, "invalid_custom_id"),
        (9, "invalid_request"),
        (10, "invalid_body"),
    ]
    assert done.failed_at is not None
    assert home.records() == []
    empty = until(client, begin(client, content=b"\n\n").id)
    assert [e.code for e in (empty.errors and empty.errors.data) or []] == ["empty_file"]


def test_a_batch_that_cannot_be_is_refused_at_once(client: OpenAI) -> None:
    file = client.files.create(file=("a", b"{}"), purpose="user_data")
    good = client.files.create(file=("a", b"{}"), purpose="batch")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"input_file_id": "file-none"}, "No such File object"),
        ({"input_file_id": file.id}, "purpose of the file must be 'batch'"),
        ({"endpoint": "/v1/images"}, "endpoint: expected one of"),
        ({"completion_window": "48h"}, "completion_window"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ]
    for change, said in cases:
        asked_for: Any = {
            "input_file_id": good.id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            **change,
        }
        with pytest.raises(openai.APIStatusError, match=said):
            client.batches.create(**asked_for)
    assert list(client.batches.list()) == []


def test_lines_that_fail_are_in_the_error_file_with_what_was_answered(tmp_path: Path) -> None:
    no = sized(b'{"error": {"message": "bad temperature", "type": "invalid_request_error"}}', status=400)

    def say(number: int) -> "list[bytes | Event]":
        return [no if number == 1 else ANSWER, KEEP]

    with (
        Upstream(say) as provider,
        house(tmp_path, providers(provider.port, more="[batches]\nat_once = 1\n")) as home,
        caller(home) as client,
    ):
        names = ["a", "b", "c", "d"]
        done = until(client, begin(client, *(line(n, model="none" if n == "d" else "r") for n in names)).id)
        good, bad = results(client, done.output_file_id), results(client, done.error_file_id)

    assert done.status == "completed"
    assert [r["custom_id"] for r in good] == ["a", "c"]
    assert [(r["custom_id"], r["response"]["status_code"]) for r in bad] == [("b", 400), ("d", 404)]
    assert bad[0]["response"]["body"]["error"]["message"] == "bad temperature"
    assert bad[1]["response"]["body"]["error"]["code"] == "model_not_found"
    assert done.request_counts is not None
    assert done.request_counts.model_dump() == {"total": 4, "completed": 2, "failed": 2}


def test_the_service_tier_goes_on_as_the_caller_wrote_it(tmp_path: Path) -> None:
    with (
        Upstream(always(ANSWER, KEEP)) as provider,
        house(tmp_path, providers(provider.port)) as home,
        caller(home) as client,
    ):
        until(client, begin(client, line("a", model="r", service_tier="flex"), line("b", model="r", text="x")).id)
        bodies = {json.loads(body)["messages"][0]["content"]: json.loads(body) for body in provider.asked}

    assert bodies["hi"]["service_tier"] == "flex"
    assert "service_tier" not in bodies["x"]


def test_a_cancelled_batch_sends_nothing_more_and_keeps_what_was_answered(tmp_path: Path) -> None:
    hold, reached = Event(), Event()

    def say(_: int) -> "list[bytes | Event]":
        reached.set()
        return [hold, ANSWER, KEEP]

    with (
        Upstream(say) as provider,
        house(tmp_path, providers(provider.port, more="[batches]\nat_once = 1\n")) as home,
        caller(home) as client,
    ):
        batch = begin(client, *(line(n, model="r", text=n) for n in ("a", "b", "c")))
        assert reached.wait(60)
        with pytest.raises(openai.BadRequestError, match="cancel it first"):
            client.files.delete(batch.input_file_id)
        cancelling = client.batches.cancel(batch.id)
        again = client.batches.cancel(batch.id)
        hold.set()
        done = until(client, batch.id)
        good, bad = results(client, done.output_file_id), results(client, done.error_file_id)
        with pytest.raises(openai.BadRequestError, match="Cannot cancel a batch with status 'cancelled'"):
            client.batches.cancel(batch.id)
        assert client.files.delete(batch.input_file_id).deleted
        heard = asked(provider.asked)

    assert cancelling.status == again.status == "cancelling"
    assert done.status == "cancelled"
    assert done.cancelling_at is not None
    assert done.cancelled_at is not None
    assert heard == ["a"]
    assert [r["custom_id"] for r in good] == ["a"]
    assert [(r["custom_id"], r["error"]["code"]) for r in bad] == [("b", "batch_cancelled"), ("c", "batch_cancelled")]


def test_lines_that_were_not_sent_in_time_expire(tmp_path: Path) -> None:
    hold, reached = Event(), Event()

    def say(_: int) -> "list[bytes | Event]":
        reached.set()
        return [hold, ANSWER, KEEP]

    with (
        Upstream(say) as provider,
        house(tmp_path, providers(provider.port, more="[batches]\nat_once = 1\n")) as home,
        caller(home) as client,
    ):
        batch = begin(client, *(line(n, model="r", text=n) for n in ("a", "b", "c")))
        assert reached.wait(60)
        home.gateway.engine.home.batches.change(batch.id, lambda b: replace(b, expires_at=b.at))
        lane = home.gateway.batches.lane
        home.do(lambda: lane.changed(batch.id))
        home.until(lambda: lane._runs[batch.id]._batch.expires_at == lane._runs[batch.id]._batch.at)
        hold.set()
        done = until(client, batch.id)
        good, bad = results(client, done.output_file_id), results(client, done.error_file_id)
        heard = asked(provider.asked)

    assert done.status == "expired"
    assert done.expired_at is not None
    assert heard == ["a"]
    assert [r["custom_id"] for r in good] == ["a"]
    assert [(r["custom_id"], r["error"]["code"]) for r in bad] == [("b", "batch_expired"), ("c", "batch_expired")]


def test_a_key_sees_its_own_batches_alone_and_an_admin_all(home: House) -> None:
    ann, bob, root = with_key(home), with_key(home, name="bob"), with_key(home, name="root", admin=True)
    batch = begin(ann, line("a", model="r"))
    done = until(ann, batch.id)

    assert list(bob.batches.list()) == []
    for look in (bob.batches.retrieve, bob.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            look(batch.id)
    with pytest.raises(openai.NotFoundError):
        bob.files.content(done.output_file_id or "")
    with pytest.raises(openai.NotFoundError):
        bob.batches.create(input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h")
    assert [b.id for b in root.batches.list()] == [b.id for b in ann.batches.list()] == [batch.id]
    assert results(root, done.output_file_id) == results(ann, done.output_file_id)
    assert {r.key for r in home.records()} == {home.gateway.engine.home.batches.get(batch.id).owner}  # type: ignore[union-attr]


def test_batches_are_listed_page_by_page(client: OpenAI) -> None:
    made = [begin(client, line("a", model="r")).id for _ in range(3)]

    assert [b.id for b in client.batches.list(limit=2)] == sorted(made, reverse=True)


def test_a_key_at_its_rate_limit_waits_and_goes_on(home: House) -> None:
    client = with_key(home, requests_per_minute=120)
    done = until(client, begin(client, *(line(f"{n}", model="r") for n in range(122))).id)

    assert done.request_counts is not None
    assert done.request_counts.model_dump() == {"total": 122, "completed": 122, "failed": 0}
    refused = [r for r in home.records() if r.outcome == "refused"]
    assert refused
    assert {r.error for r in refused} == {"rate_limit_exceeded"}


def test_a_line_beyond_the_budget_is_that_lines_error(home: House) -> None:
    client = with_key(home, budget=Budget(limit=1_000))
    done = until(client, begin(client, line("a", model="r"), line("b", model="r")).id)
    bad = results(client, done.error_file_id)

    assert done.status == "completed"
    assert [r["response"]["status_code"] for r in bad] == [429, 429]
    assert {r["response"]["body"]["error"]["code"] for r in bad} == {"insufficient_quota"}


def test_a_key_that_is_revoked_asks_for_nothing_more(tmp_path: Path) -> None:
    hold, reached = Event(), Event()

    def say(_: int) -> "list[bytes | Event]":
        reached.set()
        return [hold, ANSWER, KEEP]

    with (
        Upstream(say) as provider,
        house(tmp_path, providers(provider.port, more="[batches]\nat_once = 1\n")) as home,
        with_key(home) as client,
        with_key(home, name="root", admin=True) as root,
    ):
        batch = begin(client, *(line(n, model="r", text=n) for n in ("a", "b")))
        assert reached.wait(60)
        (ann,) = (key for key in home.gateway.engine.home.keys.all() if key.name == "ann")
        home.keys(revoke(ann, now=1))
        hold.set()
        done = until(root, batch.id)
        bad = results(root, done.error_file_id)
        heard = asked(provider.asked)

    assert heard == ["a"]
    assert [(r["custom_id"], r["response"]["status_code"]) for r in bad] == [("b", 401)]
