"""A model that is its base with examples before each question shows them to callers of every dialect."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_world import House, house, post
from messages_callers import MESSAGE
from scripted_upstream import KEEP, Upstream, completion, sized, turns

from freehold.core.tuned import Tuned
from freehold.runtime.fewshot.shots import Rules, Shot, save

CALLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "where is it"}], "odd": 1.50}),
    "anthropic-messages": ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "where is it"}]}),
    "openai-responses": ("/v1/responses", {"input": "where is it", "store": False}),
    "gemini-generate": (
        "/v1beta/models/shown:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "where is it"}]}]},
    ),
    "ollama-chat": ("/api/chat", {"messages": [{"role": "user", "content": "where is it"}], "stream": False}),
}
SHOWN = [("user", "where was it"), ("assistant", "there"), ("user", "where is it")]


@contextmanager
def shown(folder: Path, provider: str) -> Iterator[House]:
    """The deployment `base` of this provider, and the model `shown` that was made of it."""
    save(folder, Rules(base="base", count=1), [Shot("where was it", "there")])
    settings = f'[retry]\nattempts = 1\n[providers.up]\n{provider}\n[deployments.base]\nprovider = "up"\nmodel = "m"\n'
    with house(folder, settings) as home:
        about = {"digest": "d", "dataset": "s@1", "run": "r", "created_at": 1}
        made = Tuned(name="shown", method="prompt", path=str(folder), base="base", **about)  # type: ignore[arg-type]
        home.gateway.engine.home.models.put("shown", made, version=0, at=1)
        home.run(home.gateway.engine.renew())
        yield home


def said(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The turns of a request of chat completions, or of Messages."""
    return [
        (turn["role"], turn["content"] if isinstance(turn["content"], str) else turn["content"][0]["text"])
        for turn in body["messages"]
    ]


@pytest.mark.parametrize("caller", CALLERS)
def test_every_caller_gets_the_examples_also_where_the_base_speaks_its_dialect(tmp_path: Path, caller: str) -> None:
    path, body = CALLERS[caller]
    with (
        Upstream(turns([sized(completion()), KEEP])) as up,
        shown(tmp_path, f'kind = "vllm"\nbase_url = "http://127.0.0.1:{up.port}/v1"') as home,
    ):
        answer = home.ask(post(body | {"model": "shown"}, path=path))

    assert answer.status == 200, answer.body
    assert b"good" in answer.body
    assert up.heads[0].startswith(b"POST /v1/chat/completions ")
    assert said(json.loads(up.asked[0])) == SHOWN
    assert (b'"odd":1.5' in up.asked[0]) == (caller == "openai-chat")


@pytest.mark.parametrize("caller", CALLERS)
def test_the_examples_are_shown_too_where_the_base_speaks_no_chat_completions(tmp_path: Path, caller: str) -> None:
    path, body = CALLERS[caller]
    messages = 'base_url = "http://127.0.0.1:{}/v1"\ndialect = "anthropic-messages"'
    with (
        Upstream(turns([sized(json.dumps(MESSAGE).encode()), KEEP])) as up,
        shown(tmp_path, messages.format(up.port)) as home,
    ):
        answers = [home.ask(post(body | {"model": "shown"}, path=path)) for _ in range(2)]
        home.run(home.gateway.engine.renew())
        plain = home.ask(post(CALLERS["openai-chat"][1] | {"model": "base"}))

    assert [answer.status for answer in (*answers, plain)] == [200, 200, 200]
    assert [said(json.loads(asked)) for asked in up.asked] == [SHOWN, SHOWN, SHOWN[-1:]]
