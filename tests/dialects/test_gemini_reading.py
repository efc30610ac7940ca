"""Requests of Gemini: read from every spelling, sent on as they came, and what is lost by name."""

import json
from base64 import b64encode
from typing import Any

import pytest
from gemini_world import HI, STREAM_PATH, WHOLE_PATH, request, sent, valid_request

from freehold.core.errors import InvalidRequest
from freehold.core.prompt import Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import (
    CallPart,
    MediaPart,
    Message,
    ReasoningPart,
    ResultPart,
    TextPart,
)
from freehold.core.seal import Seal
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.gemini_generate.foreign import UNSIGNED
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

HELLO = Message("user", (TextPart("hi"),))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def read(**members: Any) -> Prompt:
    return GEMINI_GENERATE.read(request(**members))


def written(prompt: Prompt, model: str = "gemini-2.5-flash") -> tuple[dict[str, Any], tuple[str, ...]]:
    made = GEMINI_GENERATE.write(prompt, model=model, quirks=Quirks())
    body = json.loads(made.body)
    valid_request(body)
    return body, made.losses


def tool(**more: Any) -> Tool:
    return Tool(name="weather", description="tells it", schema=json.dumps(SCHEMA).encode(), **more)  # type: ignore[arg-type]


def test_a_request_in_snake_case_means_the_same_as_one_in_camel_case() -> None:
    camel = read(
        contents=[
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "f", "args": {"a_b": 1}}, "thoughtSignature": "c2ln"}],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "ok"}}}]},
        ],
        systemInstruction={"parts": [{"text": "be brief"}]},
        generationConfig={"maxOutputTokens": 9, "topK": 3, "thinkingConfig": {"thinkingBudget": 5}},
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        tools=[{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
    )
    snake = read(
        contents=[
            {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]},
            {
                "role": "model",
                "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}, "thought_signature": "c2ln"}],
            },
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"result": "ok"}}}]},
        ],
        system_instruction={"parts": [{"text": "be brief"}]},
        generation_config={"max_output_tokens": 9, "top_k": 3, "thinking_config": {"thinking_budget": 5}},
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        tools=[{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
    )
    assert snake == camel
    assert camel.losses == ()
    assert camel.tool_choice == ToolChoice("named", "f")
    assert camel.messages == (
        Message("system", (TextPart("be brief"),)),
        Message("user", (MediaPart("image", url="data:image/png;base64,AAAA", media_type="image/png"),)),
        Message("assistant", (CallPart("call_1", "f", '{"a_b":1}', seal=Seal("gemini", "c2ln")),)),
        Message("tool", (ResultPart("call_1", "ok", name="f"),)),
    )


def test_everything_that_is_asked_is_read() -> None:
    prompt = read(
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40.0,
            "candidateCount": 2,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
            "responseModalities": ["TEXT"],
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
        },
        labels={"team": "blue"},
        serviceTier="flex",
    )
    assert (prompt.temperature, prompt.top_p, prompt.top_k, prompt.choices) == (0.5, 0.9, 40, 2)
    assert (prompt.max_output_tokens, prompt.stop, prompt.seed) == (100, ("END",), 7)
    assert (prompt.presence_penalty, prompt.frequency_penalty) == (0.1, 0.2)
    assert (prompt.logprobs, prompt.top_logprobs) == (True, 3)
    assert prompt.thinking == Thinking(effort="low", summary="auto")
    assert prompt.format is not None
    assert json.loads(bytes(prompt.format.schema or b"")) == {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}},
    }
    assert (prompt.metadata, prompt.service_tier, prompt.losses) == ({"team": "blue"}, "flex", ())


def test_what_only_gemini_knows_is_named_as_its_caller_calls_it() -> None:
    prompt = read(
        safetySettings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        cachedContent="cachedContents/1",
        tools=[{"googleSearch": {}, "codeExecution": {}}, {"urlContext": {}}],
        toolConfig={
            "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["a", "b"]},
            "retrievalConfig": {"languageCode": "de"},
        },
        generationConfig={"responseModalities": ["IMAGE"], "speechConfig": {"voiceConfig": {}}},
        contents=[{"parts": [{"toolCall": {"id": "1"}}, {"fileData": {"fileUri": "https://x.example/a.mp4"}}]}],
    )
    assert set(prompt.losses) == {
        "safetySettings",
        "cachedContent",
        "generationConfig.responseModalities",
        "generationConfig.speechConfig",
        "toolConfig.retrievalConfig",
        "toolConfig.functionCallingConfig.mode (VALIDATED)",
        "toolConfig.functionCallingConfig.allowedFunctionNames",
        "toolCall",
    }
    assert [(t.kind, t.name) for t in prompt.tools] == [
        ("builtin", "googleSearch"),
        ("builtin", "codeExecution"),
        ("builtin", "urlContext"),
    ]
    asked = request(tools=[{"googleSearch": {}}])
    lost = translate(asked, GEMINI_GENERATE, OPENAI_CHAT, model="m", quirks=Quirks(), account="x").losses
    assert lost == ("tools[googleSearch]",)


def test_calls_without_ids_get_ids_that_their_answers_find_in_order() -> None:
    calls = [{"functionCall": {"name": name, "args": {}}} for name in ("a", "b", "a")]
    answers = [{"functionResponse": {"name": n, "response": {"result": r}}} for n, r in (("a", 1), ("a", 3), ("b", 2))]
    contents = [*HI, {"role": "model", "parts": calls}, {"role": "user", "parts": answers}]
    asked = request(contents=contents)
    chat = json.loads(translate(asked, GEMINI_GENERATE, OPENAI_CHAT, model="m", quirks=Quirks(), account="x").body)[
        "messages"
    ]

    assert [(c["id"], c["function"]["name"]) for c in chat[1]["tool_calls"]] == [
        ("call_1", "a"),
        ("call_2", "b"),
        ("call_3", "a"),
    ]
    assert [(m["tool_call_id"], m["content"]) for m in chat[2:]] == [("call_1", "1"), ("call_3", "3"), ("call_2", "2")]
    assert GEMINI_GENERATE.messages(asked) == GEMINI_GENERATE.messages(asked)


def test_the_chunks_of_a_stream_that_a_caller_kept_one_by_one_are_one_turn_again() -> None:
    def model(**part: Any) -> dict[str, Any]:
        return {"role": "model", "parts": [part]}

    (_, said) = read(
        contents=[
            *HI,
            model(text="I ", thought=True),
            model(text="think", thought=True),
            model(text="", thought=True, thoughtSignature="c2ln"),
            model(text="so", thought=True),
            model(text="Hello"),
            model(text=" there"),
        ]
    ).messages
    assert said == Message(
        "assistant",
        (
            ReasoningPart("I think", Seal("gemini", "c2ln")),
            ReasoningPart("so"),
            TextPart("Hello there"),
        ),
    )


def test_files_of_google_are_file_ids_and_other_addresses_are_urls() -> None:
    parts = [
        {"fileData": {"mimeType": "application/pdf", "fileUri": uri}}
        for uri in (
            "https://generativelanguage.googleapis.com/v1beta/files/x",
            "gs://b/o.pdf",
            "https://x.example/a.pdf",
        )
    ]
    (message,) = read(contents=[{"parts": parts}]).messages
    assert [(p.file_id, p.url) for p in message.parts if isinstance(p, MediaPart)] == [
        (parts[0]["fileData"]["fileUri"], ""),
        (parts[1]["fileData"]["fileUri"], ""),
        ("", parts[2]["fileData"]["fileUri"]),
    ]


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"contents": []}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": [{"role": "assistant", "parts": []}]}, "contents"),
        ({"generationConfig": {"maxOutputTokens": -1}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"maxOutputTokens": "many"}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 1000}}, "generationConfig.candidateCount"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"stopSequences": 1}}, "generationConfig.stopSequences"),
        ({"tools": [{"functionDeclarations": [{"description": "x"}]}]}, "tools"),
    ],
)
def test_a_wrong_member_is_refused_by_its_name(members: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(**members)
    assert refused.value.param == named
    assert named.rpartition(".")[2] in refused.value.message


def test_a_path_without_a_model_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="names no model"):
        GEMINI_GENERATE.decode_request(b'{"contents":[{}]}', "/v1beta/models/:generateContent")


@pytest.mark.parametrize(
    ("path", "model", "stream", "framing"),
    [
        (WHOLE_PATH.format("gemini-3-pro"), "gemini-3-pro", False, "sse"),
        (STREAM_PATH.format("sim/simulated"), "sim/simulated", True, "sse"),
        ("/v1/models/a%2Fb:streamGenerateContent", "a/b", True, "array"),
        ("/v1beta/models/x:streamGenerateContent?key=k&alt=json", "x", True, "array"),
        ("/v1/projects/p/locations/l/publishers/google/models/g:generateContent", "g", False, "sse"),
        ("/v1beta/models/llama3:8b:generateContent", "llama3:8b", False, "sse"),
    ],
)
def test_the_path_says_which_model_and_whether_to_stream(path: str, model: str, stream: bool, framing: str) -> None:
    asked = request(path)
    assert (asked.model, asked.stream, asked.framing) == (model, stream, framing)


# sending on


def test_a_request_that_goes_on_is_verbatim_but_for_the_model_in_its_body() -> None:
    body = {"model": "models/route", "unheard_of": {"x": [1, 2.50]}, "safety_settings": []}
    assert sent(request(**body), model="gemini-3-pro") == {"contents": HI} | body | {"model": "models/gemini-3-pro"}


def test_the_path_of_a_provider_names_model_and_method() -> None:
    path = GEMINI_GENERATE.path
    assert path("", model="gemini-x", stream=False) == "/models/gemini-x:generateContent"
    assert path("", model="models/gemini-x", stream=True) == "/models/gemini-x:streamGenerateContent?alt=sse"
    vertex = "/publishers/google/models/{model}:{call}"
    assert path(vertex, model="a b", stream=False) == "/publishers/google/models/a%20b:generateContent"


def test_what_another_provider_sealed_is_not_sent_to_gemini_and_its_own_is_unwrapped() -> None:
    theirs = b64encode(b"fh1.claude.anthropic...SIG").decode()
    ours = b64encode(b"fh1.g.gemini...T1VSUw==").decode()
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": theirs},
        {"text": "well", "thoughtSignature": ours},
        {"functionCall": {"name": "f", "args": {}}, "thought_signature": theirs},
        {"text": "", "thoughtSignature": theirs},
        {"text": "own", "thoughtSignature": "b3du"},
    ]
    contents = [*HI, {"role": "model", "parts": parts}]
    for model, call in (
        ("gemini-3-pro", {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": UNSIGNED}),
        ("gemini-2.5-pro", {"functionCall": {"name": "f", "args": {}}}),
    ):
        assert sent(request(contents=contents), model=model)["contents"][1]["parts"] == [
            {"text": "well", "thoughtSignature": "T1VSUw=="},
            call,
            {"text": "own", "thoughtSignature": "b3du"},
        ]


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({"thinkingBudget": 0}, Thinking(enabled=False)),
        ({"thinkingBudget": -1}, Thinking()),
        ({"thinkingBudget": 2048, "includeThoughts": True}, Thinking(budget=2048, summary="auto")),
        ({"thinkingLevel": "high"}, Thinking(effort="high")),
        ({"includeThoughts": False}, None),
    ],
)
def test_how_much_to_think_is_read(config: dict[str, Any], asked: Thinking | None) -> None:
    assert read(generationConfig={"thinkingConfig": config}).thinking == asked
