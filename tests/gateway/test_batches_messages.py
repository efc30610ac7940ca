"""Batches of messages through a running gateway with the real Anthropic SDK: made, polled, read, cancelled."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from gateway_world import house
from scripted_upstream import KEEP, Upstream, completion, providers, sized

anthropic = pytest.importorskip("anthropic")
ANSWER = sized(completion("good"))
SOON = 60


def request(name: str, model: str = "r", **more: Any) -> dict[str, Any]:
    params = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": name}], **more}
    return {"custom_id": name, "params": params}


class World:
    """A gateway before a provider that answers when it may, and a client."""

    def __init__(self, client: Any, hold: Event, reached: Event) -> None:
        self.client = client
        self.batches = client.messages.batches
        self.hold = hold
        self.reached = reached

    def ended(self, id_: str) -> Any:
        end = time.monotonic() + SOON
        while (batch := self.batches.retrieve(id_)).processing_status != "ended":
            assert time.monotonic() < end, batch
            time.sleep(0.02)
        return batch

    def results(self, id_: str) -> dict[str, Any]:
        return {r.custom_id: r.result for r in self.batches.results(id_)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    hold, reached = Event(), Event()

    def say(_: int) -> "list[bytes | Event]":
        reached.set()
        return [hold, ANSWER, KEEP]

    with (
        Upstream(say) as provider,
        house(tmp_path, providers(provider.port, more="[batches]\nat_once = 1\n")) as home,
        anthropic.Anthropic(base_url=home.started.url, api_key="none", max_retries=0) as client,
    ):
        yield World(client, hold, reached)


def test_messages_are_answered_and_each_result_is_told_as_anthropic_does(world: World) -> None:
    made = world.batches.create(requests=[request("a"), request("b", model="none")])
    with pytest.raises(anthropic.NotFoundError, match="not there yet"):
        list(world.client.get(f"/v1/messages/batches/{made.id}/results", cast_to=object))
    world.hold.set()
    batch = world.ended(made.id)
    found = world.results(made.id)

    assert made.id.startswith("msgbatch_")
    assert (made.type, made.processing_status, made.request_counts.processing) == ("message_batch", "in_progress", 2)
    assert batch.request_counts.model_dump() == {
        "canceled": 0,
        "errored": 1,
        "expired": 0,
        "processing": 0,
        "succeeded": 1,
    }
    assert batch.ended_at is not None
    assert found["a"].type == "succeeded"
    assert found["a"].message.content[0].text == "good"
    assert found["b"].type == "errored"
    assert found["b"].error.error.type == "not_found_error"
    assert [b.id for b in world.batches.list(limit=1)] == [made.id]


def test_a_cancelled_batch_of_messages_tells_which_were_never_sent(world: World) -> None:
    made = world.batches.create(requests=[request("a"), request("b")])
    assert world.reached.wait(SOON)
    cancelled = world.batches.cancel(made.id)
    world.hold.set()
    batch = world.ended(made.id)

    assert cancelled.processing_status == "canceling"
    assert cancelled.cancel_initiated_at is not None
    assert {name: result.type for name, result in world.results(made.id).items()} == {"a": "succeeded", "b": "canceled"}
    assert (batch.request_counts.succeeded, batch.request_counts.canceled, batch.request_counts.errored) == (1, 1, 0)


def test_a_wrong_request_of_a_batch_is_named_and_nothing_is_kept(world: World) -> None:
    for wrong in ([request("a"), request("a")], [request("a"), request("b", stream=True)]):
        with pytest.raises(anthropic.BadRequestError, match=r"requests\.1: "):
            world.batches.create(requests=wrong)
    with pytest.raises(anthropic.BadRequestError):
        world.batches.create(requests=[])
    assert list(world.batches.list()) == []
