"""The real Google SDK against a running gateway: answers, streams, tools, forms, counts, models, errors."""

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_world import House, house
from scripted_upstream import (
    DONE,
    END,
    KEEP,
    STREAM,
    Upstream,
    always,
    chunked,
    completion,
    delta,
    providers,
    sized,
    turns,
)
from test_gemini_http import ANSWER, FRAMES, gemini_house

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    genai: Any = pytest.importorskip("google.genai")
    types: Any = pytest.importorskip("google.genai.types")
    errors: Any = pytest.importorskip("google.genai.errors")


@pytest.fixture
def client() -> Iterator[Callable[[House], Any]]:
    """A client of a gateway, with only address and key changed."""
    made: list[Any] = []

    def connect(home: House) -> Any:
        options = types.HttpOptions(base_url=home.started.url)
        made.append(genai.Client(api_key="unused", http_options=options))
        return made[-1]

    yield connect
    for one in made:
        one.close()


CALL = {
    "id": "t1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
}
CALLING = json.loads(completion())
CALLING["choices"][0] |= {
    "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "finish_reason": "tool_calls",
}


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def test_an_answer_and_a_stream_of_chat_completions(tmp_path: Path, client: Callable[[House], Any]) -> None:
    told = [delta(content="go"), delta(content="od"), delta(finish="stop"), DONE]
    with (
        Upstream(turns([sized(completion()), KEEP], [STREAM, chunked(*told), END, KEEP])) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        google = client(home)
        config = types.GenerateContentConfig(system_instruction="be brief", temperature=0.5, max_output_tokens=50)
        answer = google.models.generate_content(model="r", contents="hi", config=config)
        chunks = list(google.models.generate_content_stream(model="r", contents="hi"))

    assert answer.text == "good"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.total_token_count) == (10, 15)
    assert "".join(chunk.text or "" for chunk in chunks) == "good"
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    asked = json.loads(up.asked[0])
    assert asked["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert (asked["temperature"], asked["max_completion_tokens"]) == (0.5, 50)


def test_functions_are_called_by_the_sdk_and_their_answers_find_their_calls(
    tmp_path: Path, client: Callable[[House], Any]
) -> None:
    calling = sized(json.dumps(CALLING).encode())
    with (
        Upstream(turns([calling, KEEP], [sized(completion("it rains")), KEEP])) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        config = types.GenerateContentConfig(tools=[get_weather])
        answer = client(home).models.generate_content(model="r", contents="weather in Oslo?", config=config)

    assert answer.text == "it rains"
    first, second = (json.loads(body) for body in up.asked)
    (tool,) = first["tools"]
    assert tool["function"]["name"] == "get_weather"
    assert tool["function"]["parameters"]["properties"] == {"city": {"type": "string"}}
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][1]["tool_calls"] == [CALL]
    assert second["messages"][2] == {"role": "tool", "tool_call_id": "t1", "content": "rain in Oslo"}


def test_a_form_of_the_answer_is_a_json_schema_for_chat_completions(
    tmp_path: Path, client: Callable[[House], Any]
) -> None:
    pydantic: Any = pytest.importorskip("pydantic")
    city = pydantic.create_model("City", name=(str, ...), people=(int, ...))
    with (
        Upstream(always(sized(completion('{"name":"Oslo","people":700000}')), KEEP)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=city)
        answer = client(home).models.generate_content(model="r", contents="a city", config=config)

    assert (answer.parsed.name, answer.parsed.people) == ("Oslo", 700_000)
    schema = json.loads(up.asked[0])["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert schema["properties"]["people"]["type"] == "integer"
    assert set(schema["required"]) == {"name", "people"}


def test_a_chat_is_continued_with_all_that_was_said_in_a_stream(tmp_path: Path, client: Callable[[House], Any]) -> None:
    told = [delta(reasoning_content="hm"), delta(content="go"), delta(content="od"), delta(finish="stop"), DONE]
    with (
        Upstream(turns([STREAM, chunked(*told), END, KEEP], [sized(completion("more")), KEEP])) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        chat = client(home).chats.create(model="r")
        assert "".join(chunk.text or "" for chunk in chat.send_message_stream("hi")) == "good"
        assert chat.send_message("and?").text == "more"

    said = json.loads(up.asked[1])["messages"]
    assert [(m["role"], m["content"]) for m in said] == [("user", "hi"), ("assistant", "good"), ("user", "and?")]


def test_gemini_behind_the_gateway_is_as_without_it(tmp_path: Path, client: Callable[[House], Any]) -> None:
    known = {name: value for name, value in ANSWER.items() if name != "unheard"}
    with (
        Upstream(turns([sized(json.dumps(known).encode()), KEEP], [STREAM, chunked(*FRAMES), END, KEEP])) as up,
        gemini_house(tmp_path, up) as home,
    ):
        google = client(home)
        config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_level="low"))
        answer = google.models.generate_content(model="r", contents="hi", config=config)
        chunks = list(google.models.generate_content_stream(model="r", contents="hi"))

    assert answer.candidates[0].content.parts[0].thought_signature == b"sig"
    assert answer.usage_metadata.thoughts_token_count == 2
    assert "".join(chunk.text or "" for chunk in chunks) == "good"
    assert json.loads(up.asked[0])["generationConfig"]["thinkingConfig"] == {"thinking_level": "LOW"}


def test_tokens_are_counted_and_models_are_listed(tmp_path: Path, client: Callable[[House], Any]) -> None:
    with house(tmp_path) as home:
        google = client(home)
        assert google.models.count_tokens(model="sim/simulated", contents="hello").total_tokens > 0
        names = {model.name for model in google.models.list(config={"page_size": 1})}
        one = google.models.get(model="sim/simulated")
    assert names == {"models/auto", "models/simulated", "models/sim/simulated"}
    assert one.name == "models/sim/simulated"


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_one_of_the_sdks(tmp_path: Path, client: Callable[[House], Any], stream: bool) -> None:
    with house(tmp_path) as home:
        models = client(home).models
        ask = models.generate_content_stream if stream else models.generate_content
        with pytest.raises(errors.ClientError) as refused:
            list(ask(model="sim/simulatd", contents="hi"))
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")
    assert "sim/simulated" in refused.value.message


def test_an_error_in_the_middle_of_a_stream_is_raised_after_what_was_said(
    tmp_path: Path, client: Callable[[House], Any]
) -> None:
    heard: list[str] = []
    with (
        Upstream(always(STREAM, chunked(FRAMES[0]))) as up,
        gemini_house(tmp_path, up) as home,
        pytest.raises(errors.ServerError) as broken,
    ):
        heard += (chunk.text for chunk in client(home).models.generate_content_stream(model="r", contents="hi"))
    assert heard == ["go"]
    assert (broken.value.code, broken.value.status) == (502, "UNAVAILABLE")
