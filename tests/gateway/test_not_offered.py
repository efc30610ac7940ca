"""Pages that clients know from providers and that are not here: an error in the client's dialect, with the way out."""

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from gateway_world import House, get, house, post

OPENAI = ("error", "message")
SHAPES: dict[str, tuple[tuple[str, ...], str]] = {
    "/v1/responses/compact": (OPENAI, "shorter `input`"),
    "/v1/conversations": (OPENAI, "previous_response_id"),
    "/v1/conversations/conv_1/items": (OPENAI, "previous_response_id"),
    "/v1/chat/completions/chatcmpl-1": (OPENAI, "/v1/responses"),
    "/v1/audio/speech": (OPENAI, "hears"),
    "/v1/complete": (OPENAI, "/v1/messages"),
    "/v1/chat": (OPENAI, "/v2/chat"),
    "/v1/nothing": (OPENAI, "Nothing is served at /v1/nothing"),
    "/v1/messages/nothing": (OPENAI, "Nothing is served at /v1/messages/nothing"),
    "/v1beta/cachedContents": (OPENAI, "by what a prompt begins with"),
    "/v1beta/models/m:batchGenerateContent": (OPENAI, "/v1/batches"),
    "/v1/projects/p/locations/l/publishers/google/models/m:predict": (OPENAI, "ask the provider"),
    "/v1beta/nothing": (OPENAI, "Nothing is served"),
    "/api/pull": (("error",), "your Ollama server"),
    "/api/nothing": (("error",), "Nothing is served"),
    "/v2/nothing": (("message",), "Nothing is served"),
    "/model/m/invoke": (("message",), "`converse`"),
}


@pytest.fixture
def home(tmp_path: Path) -> Any:
    with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize("path", SHAPES)
def test_a_page_that_is_not_offered_says_so_in_the_shape_of_its_dialect(home: House, path: str) -> None:
    where, why = SHAPES[path]
    answer = home.ask(post({"model": "auto"}, path=path))
    message: Any = answer.json
    for name in where:
        message = message[name]

    assert answer.status == 404
    assert why in message
    assert path[:40] in message


def test_the_members_around_the_message_are_those_of_each_dialect(home: House) -> None:
    messages = home.ask(post({}, "anthropic-version: 2023-06-01", path="/v1/skills")).json
    gemini = home.ask(post({}, path="/v1beta/files")).json

    assert (messages["type"], messages["error"]["type"]) == ("error", "not_found_error")
    assert "own tools" in messages["error"]["message"]
    assert (gemini["error"]["code"], gemini["error"]["status"]) == (404, "NOT_FOUND")


def test_the_sdks_hear_of_it_as_what_is_not_found(home: House) -> None:
    url = home.started.url
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="previous_response_id"):
            client.conversations.create()
        with pytest.raises(openai.NotFoundError, match="not compacted"):
            client.responses.compact(model="auto", input="hi")
    with (
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client,
        pytest.raises(anthropic.NotFoundError, match="own tools"),
    ):
        client.beta.skills.list()


def test_what_is_served_stays_what_it_was(home: House) -> None:
    asked = post({"model": "auto", "messages": [{"role": "user", "content": "hi"}]})
    assert home.ask(asked).status == 200
    wrong = home.ask(get("/v1/chat/completions"))
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert json.loads(bytes(wrong.body))["error"]["code"] == "method_not_allowed"
