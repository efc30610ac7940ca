"""A prompt that is too long: told in the words that each client knows, whoever says so, and never cut off."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from gateway_world import chat, house, post
from scripted_upstream import KEEP, Upstream, always, completion, providers, sized

LONG = [{"role": "user", "content": "word " * 2000}]
GOOD: list[bytes | threading.Event] = [sized(completion()), KEEP]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "r", "messages": LONG},
    "/v1/responses": {"model": "r", "input": LONG},
    "/v1/messages": {"model": "r", "max_tokens": 9, "messages": LONG},
    "/v1beta/models/r:generateContent": {"contents": [{"role": "user", "parts": [{"text": "word " * 2000}]}]},
}
TOO_SMALL = "context_window = 1000\n"


def small(port: int) -> str:
    """Two deployments at one provider: of `r`, the small one alone; of `both`, a large one too."""
    base = providers(port, more='[routes.both]\ndeployments = ["d0", "large"]\nordered = true\n')
    base = base.replace('model = "m0"\n', 'model = "m0"\n' + TOO_SMALL)
    return base + '[deployments.large]\nprovider = "up0"\nmodel = "large"\ncontext_window = 100000\n'


@pytest.mark.parametrize("path", ASKED)
def test_a_prompt_that_fits_no_deployment_is_refused_before_any_call_in_the_words_of_the_callers_dialect(
    tmp_path: Path, path: str
) -> None:
    with Upstream(always(*GOOD)) as up, house(tmp_path, small(up.port)) as home:
        answer = home.ask(post(ASKED[path], path=path))
        record = home.record(answer)

    assert (answer.status, up.asked) == (400, [])
    assert (record.outcome, record.error) == ("refused", "context_length_exceeded")
    error = answer.error
    assert "d0: its context of 1000 tokens is too small" in error["message"]
    match path:
        case "/v1/messages":
            assert (answer.json["type"], error["type"]) == ("error", "invalid_request_error")
            words, _, maximum = error["message"].partition(" maximum.")[0].partition(" tokens > ")
            assert words.removeprefix("prompt is too long: ").isdecimal()
            assert maximum == "1000"
        case "/v1beta/models/r:generateContent":
            assert error["status"] == "INVALID_ARGUMENT"
            assert error["message"].startswith("The input token count (")
            assert "exceeds the maximum number of tokens allowed (1000)" in error["message"]
        case _:
            assert (error["code"], error["type"]) == ("context_length_exceeded", "invalid_request_error")
            assert error["message"].startswith("This model's maximum context length is 1000 tokens. However, ")


def test_a_prompt_too_long_for_one_goes_whole_to_another_that_has_room(tmp_path: Path) -> None:
    with Upstream(always(*GOOD)) as up, house(tmp_path, small(up.port)) as home:
        answer = home.ask(post({"model": "both", "messages": LONG}))

    assert answer.headers["x-freehold-deployment"] == "large"
    assert json.loads(up.asked[0])["messages"] == LONG


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


TOLD = {
    "openai": (400, said("This model's maximum context length is 8 tokens.", code="context_length_exceeded")),
    "deepseek": (400, said("This model's maximum context length is 8 tokens. However, you requested 9 tokens")),
    "vllm": (400, b'{"object":"error","message":"This model\'s maximum context length is 8 tokens","code":400}'),
    "llama.cpp": (400, said("the request exceeds the available context size", type="exceed_context_size_error")),
    "ollama": (400, said("prompt too long; exceeded max context length by 5 tokens")),
    "perplexity": (400, said("The total length of all messages is too long.", type="too_many_prompt_tokens")),
    "cohere": (400, b'{"message":"too many tokens: size limit exceeded by 5 tokens","error_type":"TOO_MANY_TOKENS"}'),
    "xai": (400, b'{"code":"x","error":"This model\'s maximum prompt length is 8 but the request contains 9 tokens."}'),
    "mistral": (400, b'{"message":"Prompt contains 9 tokens, too large for model with 8 maximum context length"}'),
    "anthropic": (400, b'{"type":"error","error":{"type":"invalid_request_error",'
                       b'"message":"prompt is too long: 9 tokens > 8 maximum"}}'),
    "anthropic, with the answer": (400, said("input length and `max_tokens` exceed context limit: 6 + 3 > 8")),
    "gemini": (400, said("The input token count (9) exceeds the maximum number of tokens allowed (8).")),
    "bedrock": (400, b'{"message":"Input is too long for requested model."}'),
    "too large": (413, said("Please reduce the length of the messages or completion.")),
}  # fmt: skip


@pytest.mark.parametrize("status_and_body", TOLD.values(), ids=TOLD.keys())
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1beta/models/r:generateContent"])
def test_whatever_a_provider_calls_it_the_caller_hears_it_in_words_that_it_knows(
    tmp_path: Path, status_and_body: tuple[int, bytes], path: str
) -> None:
    status, body = status_and_body
    with Upstream(always(sized(body, status=status), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(ASKED[path], path=path))
        record = home.record(answer)

    assert (answer.status, record.error, len(up.asked)) == (status, "context_length_exceeded", 1)
    match path:
        case "/v1/chat/completions":
            assert answer.error["code"] == "context_length_exceeded"
        case "/v1/messages":
            assert answer.error["message"].startswith("prompt is too long: ")
        case _:
            assert answer.error["message"].startswith("The input token count")


@pytest.mark.parametrize(
    "message",
    [
        "context_management: Extra inputs are not permitted",
        "max_tokens is too large: 9. This model supports at most 8 completion tokens",
        "The model does not support a context of tools",
        "'messages' must contain the word 'json'",
    ],
)
def test_what_is_wrong_otherwise_is_not_taken_for_it(tmp_path: Path, message: str) -> None:
    with Upstream(always(sized(said(message), status=400), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")
        assert home.record(answer).error == "provider_rejected"
    assert bytes(answer.body) == said(message)


def test_another_deployment_is_asked_when_a_provider_says_that_a_prompt_is_too_long(tmp_path: Path) -> None:
    with (
        Upstream(always(sized(TOLD["openai"][1], status=400), KEEP)) as one,
        Upstream(always(*GOOD)) as two,
        house(tmp_path, providers(one.port, two.port)) as home,
    ):
        answer = home.ask(post(chat("r")))
        record = home.record(answer)

    assert (answer.status, bytes(answer.body)) == (200, completion())
    assert [(c.deployment, c.error) for c in record.calls] == [("d0", "context_length_exceeded"), ("d1", None)]
