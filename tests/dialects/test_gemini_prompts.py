"""Requests written for Gemini: for every generation of its models, and what is lost by name."""

import json
from typing import Any

import pytest
from gemini_world import request, valid_request

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import (
    CallPart,
    MediaPart,
    Message,
    ReasoningPart,
    ResultPart,
    TextPart,
)
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.gemini_generate.answer import MADE
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.gemini_generate.foreign import UNSIGNED
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


def test_a_conversation_becomes_contents_with_answers_right_after_their_calls_and_in_their_order() -> None:
    body, losses = written(
        Prompt(
            messages=(
                Message("system", (TextPart("be brief"),)),
                HELLO,
                Message("assistant", (TextPart("let me see"), CallPart("1", "a", "{}"), CallPart("2", "b", '{"x":1}'))),
                Message("tool", (ResultPart("2", "two"),)),
                Message("tool", (ResultPart("1", '{"n":1}'),)),
                Message("user", (TextPart("and?"),)),
                Message("system", (TextPart("still brief"),)),
                Message("user", (TextPart("well?"),)),
            )
        )
    )
    assert losses == ()
    assert body["systemInstruction"] == {"parts": [{"text": "be brief"}, {"text": "still brief"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {
            "role": "model",
            "parts": [
                {"text": "let me see"},
                {"functionCall": {"id": "1", "name": "a", "args": {}}},
                {"functionCall": {"id": "2", "name": "b", "args": {"x": 1}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "1", "name": "a", "response": {"n": 1}}},
                {"functionResponse": {"id": "2", "name": "b", "response": {"result": "two"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "and?"}, {"text": "well?"}]},
    ]


def test_ids_that_were_made_for_gemini_are_not_sent_back_to_it() -> None:
    calls = tuple(CallPart(f"{MADE}r_{n}", name, "{}") for n, name in enumerate("ab"))
    results = tuple(Message("tool", (ResultPart(c.id, c.name),)) for c in reversed(calls))
    body, _ = written(Prompt(messages=(HELLO, Message("assistant", calls), *results)))
    assert [p["functionCall"] for p in body["contents"][1]["parts"]] == [
        {"name": "a", "args": {}},
        {"name": "b", "args": {}},
    ]
    assert [p["functionResponse"] for p in body["contents"][2]["parts"]] == [
        {"name": "a", "response": {"result": "a"}},
        {"name": "b", "response": {"result": "b"}},
    ]


def test_an_error_of_a_tool_is_told_and_its_media_stand_where_the_model_takes_them() -> None:
    image = MediaPart("image", url="data:image/png;base64,AAAA", media_type="image/png")
    said = (
        HELLO,
        Message("assistant", (CallPart("1", "shot", "{}"),)),
        Message("tool", (ResultPart("1", "broken", (image,), error=True),)),
    )
    inline = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    answer = {"id": "1", "name": "shot", "response": {"error": "broken"}}
    old, _ = written(Prompt(messages=said), "gemini-2.5-flash")
    new, _ = written(Prompt(messages=said), "gemini-3-flash-preview")

    assert old["contents"][2:] == [
        {"role": "user", "parts": [{"functionResponse": answer}]},
        {"role": "user", "parts": [inline]},
    ]
    assert new["contents"][2:] == [{"role": "user", "parts": [{"functionResponse": {**answer, "parts": [inline]}}]}]


def test_only_the_first_call_of_another_model_is_marked_as_unsigned_and_only_where_signatures_are_demanded() -> None:
    signed = CallPart("3", "c", "{}", seal=Seal("gemini", "U0lH"))
    said = (
        HELLO,
        Message("assistant", (CallPart("1", "a", "{}"), CallPart("2", "b", "{}"))),
        Message("tool", (ResultPart("1", "x"), ResultPart("2", "y"))),
        Message("assistant", (signed,)),
        Message("tool", (ResultPart("3", "z"),)),
    )

    def signatures(model: str) -> list[Any]:
        body, _ = written(Prompt(messages=said), model)
        calls = [p for c in body["contents"] for p in c["parts"] if "functionCall" in p]
        return [call.get("thoughtSignature") for call in calls]

    assert signatures("gemini-3-pro-preview") == [UNSIGNED, None, "U0lH"]
    assert signatures("gemini-2.5-pro") == [None, None, "U0lH"]


def test_thoughts_go_back_with_their_signature_or_not_at_all() -> None:
    thoughts = (ReasoningPart("mine", Seal("gemini", "U0lH")), ReasoningPart("no seal"), TextPart("so"))
    body, losses = written(Prompt(messages=(HELLO, Message("assistant", thoughts))))
    assert body["contents"][1]["parts"] == [
        {"text": "mine", "thought": True, "thoughtSignature": "U0lH"},
        {"text": "so"},
    ]
    assert losses == ("reasoning of earlier turns",)


def test_media_are_sent_inline_or_by_address_and_what_cannot_be_is_lost_by_name() -> None:
    body, losses = written(
        Prompt(
            messages=(
                Message(
                    "user",
                    (
                        MediaPart("image", url="https://x.example/a.png?size=1", detail="low"),
                        MediaPart("audio", url="data:audio/wav;base64,AAAA", media_type="audio/wav"),
                        MediaPart("file", url="data:application/pdf;base64,AAAA", name="a.pdf"),
                        MediaPart("file", file_id="gs://b/o", media_type="video/mp4"),
                        MediaPart("file", file_id="file-123"),
                        MediaPart("image", url="data:image/svg+xml,%3Csvg", detail="low"),
                    ),
                ),
            )
        )
    )
    assert body["contents"][0]["parts"] == [
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a.png?size=1"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/o"}},
    ]
    assert body["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert losses == ("file name", "file by file id", "image of the type image/svg+xml")


def test_options_have_their_names_and_what_gemini_cannot_say_is_named() -> None:
    body, losses = written(
        Prompt(
            messages=(HELLO,),
            max_output_tokens=9,
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            stop=tuple("abcdef"),
            seed=7,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            choices=2,
            tools=(tool(strict=True), Tool(kind="builtin", name="web_search"), Tool(name="now")),
            tool_choice=ToolChoice("named", "weather"),
            parallel_tools=False,
            verbosity="low",
            subject="u1",
            metadata={"a": "b"},
            logprobs=True,
            service_tier="priority",
        )
    )
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "maxOutputTokens": 9,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "candidateCount": 2,
    }
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "tells it", "parametersJsonSchema": SCHEMA},
                {"name": "now"},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    assert body["serviceTier"] == "priority"
    assert set(losses) == {
        "stop (more than 5)",
        "tools[weather].strict",
        "tools[web_search] (builtin)",
        "parallel_tools",
        "verbosity",
        "subject",
        "metadata",
        "logprobs",
    }


def test_a_form_of_the_answer_is_asked_for_as_the_model_takes_it() -> None:
    form = Format(kind="json_schema", name="n", description="d", schema=json.dumps(SCHEMA).encode())  # type: ignore[arg-type]
    old, _ = written(Prompt(messages=(HELLO,), format=form), "gemini-2.0-flash")
    new, _ = written(Prompt(messages=(HELLO,), format=form), "gemini-2.5-flash")
    any_json, _ = written(Prompt(messages=(HELLO,), format=Format(kind="json_object")))

    assert old["generationConfig"]["responseSchema"] == {
        "description": "d",
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}},
        "required": ["city"],
    }
    assert new["generationConfig"]["responseJsonSchema"] == {"description": "d", **SCHEMA}
    assert any_json["generationConfig"] == {"responseMimeType": "application/json"}
    beside = Prompt(messages=(HELLO,), format=form, tools=(tool(),))
    assert written(beside, "gemini-2.5-flash")[1] == ("format (beside tools)",)
    assert written(beside, "gemini-3-flash-preview")[1] == ()


@pytest.mark.parametrize(
    ("model", "asked", "config", "lost"),
    [
        ("gemini-3-flash-preview", Thinking(effort="minimal"), {"thinkingLevel": "MINIMAL"}, ()),
        ("gemini-3-pro-preview", Thinking(effort="minimal"), {"thinkingLevel": "LOW"}, ()),
        ("gemini-3-pro-preview", Thinking(effort="medium"), {"thinkingLevel": "HIGH"}, ()),
        ("gemini-3.1-pro-preview", Thinking(effort="medium"), {"thinkingLevel": "MEDIUM"}, ()),
        (
            "gemini-3-flash-preview",
            Thinking(enabled=False),
            {"thinkingLevel": "MINIMAL"},
            ("thinking (cannot be switched off)",),
        ),
        ("gemini-flash-latest", Thinking(budget=20_000), {"thinkingLevel": "HIGH"}, ()),
        ("gemini-3-flash", Thinking(summary="auto"), {"includeThoughts": True}, ()),
        (
            "gemini-2.5-flash",
            Thinking(effort="high", summary="auto"),
            {"thinkingBudget": 24_576, "includeThoughts": True},
            (),
        ),
        ("gemini-2.5-flash", Thinking(), {"thinkingBudget": -1}, ()),
        ("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}, ()),
        ("gemini-2.5-flash", Thinking(budget=60_000), {"thinkingBudget": 24_576}, ()),
        ("gemini-2.5-flash-lite", Thinking(budget=10), {"thinkingBudget": 512}, ()),
        ("gemini-2.5-pro", Thinking(enabled=False), {"thinkingBudget": 128}, ("thinking (cannot be switched off)",)),
        ("gemini-2.5-pro", Thinking(effort="max"), {"thinkingBudget": 32_768}, ()),
        ("gemini-2.0-flash", Thinking(effort="high"), None, ("thinking",)),
        ("gemini-2.0-flash", Thinking(enabled=False), None, ()),
        ("gemma-3-27b-it", Thinking(budget=1000), None, ("thinking",)),
    ],
)
def test_each_generation_is_asked_to_think_in_its_own_words(
    model: str, asked: Thinking, config: dict[str, Any] | None, lost: tuple[str, ...]
) -> None:
    body, losses = written(Prompt(messages=(HELLO,), thinking=asked), model)
    assert (body.get("generationConfig", {}).get("thinkingConfig"), losses) == (config, lost)


def test_instructions_alone_are_something_to_answer() -> None:
    body, _ = written(Prompt(messages=(Message("system", (TextPart("say hi"),)),)))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "say hi"}]}]}


def test_a_tool_of_plain_text_has_one_argument() -> None:
    call = CallPart("1", "patch", "*** Begin", custom=True)
    body, _ = written(
        Prompt(messages=(HELLO, Message("assistant", (call,))), tools=(Tool(kind="custom", name="patch"),))
    )
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** Begin"}
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["required"] == ["input"]


def test_a_conversation_of_messages_keeps_its_signed_thoughts_out_of_gemini() -> None:
    """Only the account that signed them could read them."""
    messages = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "SIG"}, {"type": "text", "text": "yes"}],
        },
        {"role": "user", "content": "so?"},
    ]
    asked = ANTHROPIC_MESSAGES.decode_request(
        json.dumps({"model": "m", "max_tokens": 9, "messages": messages}).encode()
    )
    made = translate(
        asked, ANTHROPIC_MESSAGES, GEMINI_GENERATE, model="gemini-3-pro", quirks=Quirks(), account="gemini"
    )
    body = json.loads(made.body)
    valid_request(body)
    assert body["contents"][1] == {"role": "model", "parts": [{"text": "yes"}]}
    assert made.losses == ("reasoning signature of another provider", "reasoning of earlier turns")
