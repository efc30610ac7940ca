"""Requests of Gemini that other projects really sent: read, told apart, and sent on with nothing lost; and the same
prompts as other wires had them."""

import json
from typing import Any

import pytest
from gemini_world import ALL, REQUESTS, asked, target, valid_request
from recorded import Row, compact, name, needs_recordings, rows

from freehold.core.request import CallPart, MediaPart, ReasoningPart, Request, ResultPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.gemini_generate.spelling import camel
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

pytestmark = needs_recordings
each = pytest.mark.parametrize("row", REQUESTS, ids=name)
FREE = frozenset({"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"})
"""Members that hold what the caller names."""


def decoded(row: Row) -> Request:
    return GEMINI_GENERATE.decode_request(compact(asked(row)), target(row))


def camelled(value: Any) -> Any:
    """A body in the names that Google documents: an oracle of the test's own."""
    if isinstance(value, list):
        return [camelled(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {camel(n): v for n, v in value.items()}
    return {n: v if n in FREE else camelled(v) for n, v in named.items()}


def body_of(row: Row) -> dict[str, Any]:
    return camelled(asked(row))


def parts_of(row: Row) -> list[dict[str, Any]]:
    return [part for content in body_of(row)["contents"] for part in content.get("parts") or ()]


def test_there_are_a_hundred_and_sixty_recorded_requests() -> None:
    assert len(REQUESTS) >= 160
    assert sum("streamGenerateContent" in target(row) for row in REQUESTS) >= 20


@each
def test_a_recorded_request_is_sent_on_as_it_was_written(row: Row) -> None:
    body = asked(row)
    assert body is not None
    for text in (compact(body), json.dumps(body).encode(), json.dumps(body, indent=2).encode()):
        request = GEMINI_GENERATE.decode_request(text, target(row))
        sent = json.loads(GEMINI_GENERATE.encode_request(request, model="gemini-x", quirks=Quirks()))
        assert sent == body | ({"model": "models/gemini-x"} if "model" in body else {})


@each
def test_a_recorded_request_is_read_for_what_it_asks(row: Row) -> None:
    body, request = body_of(row), decoded(row)
    config = body.get("generationConfig") or {}

    assert request.stream == ("streamGenerateContent" in target(row))
    assert request.framing == ("array" if request.stream and "alt=sse" not in target(row) else "sse")
    if row["request"]["url"]:
        assert f"/models/{request.model}:" in row["request"]["url"]
    assert request.max_output_tokens == (config.get("maxOutputTokens") or None)
    tools = body.get("tools") or []
    declared = [t for t in (tools if isinstance(tools, list) else [tools]) if "functionDeclarations" in t]
    assert ("tools" in request.needs) == bool(declared)
    assert ("json_schema" in request.needs) == ("responseSchema" in config or "responseJsonSchema" in config)
    assert ("n" in request.needs) == (config.get("candidateCount", 1) > 1)
    every = [*parts_of(row), *(p for q in parts_of(row) for p in (q.get("functionResponse") or {}).get("parts") or ())]
    media = [p.get("inlineData") or p.get("fileData") for p in every if "inlineData" in p or "fileData" in p]
    assert ("image" in request.needs) == any(m.get("mimeType", "").startswith("image/") for m in media)
    assert request.prompt_tokens > 0


@each
def test_the_conversation_of_a_recorded_request_is_read_whole(row: Row) -> None:
    said = GEMINI_GENERATE.messages(decoded(row))
    parts = [part for message in said for part in message.parts]
    every = parts_of(row)

    everything = "\n".join(message.text for message in said)
    system = (body_of(row).get("systemInstruction") or {}).get("parts") or []
    texts = [p["text"] for p in [*system, *every] if "text" in p and not p.get("thought")]
    assert all(text in everything for text in texts)
    calls = [p["functionCall"] for p in every if "functionCall" in p]
    read = [p for p in parts if isinstance(p, CallPart)]
    assert [(p.name, json.loads(p.arguments)) for p in read] == [(c["name"], c.get("args") or {}) for c in calls]
    assert [p.id for p, c in zip(read, calls, strict=True) if "id" in c] == [c["id"] for c in calls if "id" in c]
    assert len({p.id for p in read}) == len(read)
    seals = [p.seal.data for p in read if p.seal is not None]
    assert seals == [p["thoughtSignature"] for p in every if "functionCall" in p and "thoughtSignature" in p]
    results = [p["functionResponse"] for p in every if "functionResponse" in p]
    answered = [p for p in parts if isinstance(p, ResultPart)]
    assert [p.name for p in answered] == [r["name"] for r in results]
    assert {p.id for p in answered} <= {p.id for p in read}
    assert sum(isinstance(p, MediaPart) for p in parts) == sum("inlineData" in p or "fileData" in p for p in every)
    thoughts = "".join(p.text for p in parts if isinstance(p, ReasoningPart))
    assert thoughts == "".join(p["text"] for p in every if p.get("thought"))


@each
@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-flash-preview"])
def test_a_recorded_request_read_and_written_again_is_valid_and_asks_the_same(row: Row, model: str) -> None:
    prompt = GEMINI_GENERATE.read(decoded(row))
    written = GEMINI_GENERATE.write(prompt, model=model, quirks=Quirks())
    again, body = json.loads(written.body), body_of(row)

    valid_request(again)
    old, new = parts_of(row), [p for c in again["contents"] for p in c["parts"]]
    calls = [(p["functionCall"]["name"], p["functionCall"].get("args") or {}) for p in old if "functionCall" in p]
    assert [(p["functionCall"]["name"], p["functionCall"]["args"]) for p in new if "functionCall" in p] == calls
    signed = [p["thoughtSignature"] for p in old if "functionCall" in p and "thoughtSignature" in p]
    kept = [p.get("thoughtSignature") for p in new if "functionCall" in p]
    assert [s for s in kept if s and s in signed] == signed
    before = [p["functionResponse"]["name"] for p in old if "functionResponse" in p]
    assert sorted(p["functionResponse"]["name"] for p in new if "functionResponse" in p) == sorted(before)
    config, told = again.get("generationConfig", {}), body.get("generationConfig") or {}
    for member in ("temperature", "topP", "topK", "maxOutputTokens", "candidateCount"):
        if told.get(member) not in (None, 1):
            assert config[member] == told[member]
    tools = body.get("tools") or []
    for tool in tools if isinstance(tools, list) else [tools]:
        for builtin in tool.keys() - {"functionDeclarations"}:
            assert f"tools[{builtin}] (builtin)" in written.losses
    for member in ("safetySettings", "cachedContent", "modelArmorConfig"):
        assert (member in prompt.losses) == (member in body)


@each
@pytest.mark.parametrize("provider", [OPENAI_CHAT, ANTHROPIC_MESSAGES], ids=lambda d: d.name)
def test_a_recorded_request_is_translated_and_its_calls_are_answered_by_their_ids(row: Row, provider: Any) -> None:
    request = decoded(row)
    written = translate(request, GEMINI_GENERATE, provider, model="m", quirks=Quirks(), account="other")

    again = provider.decode_request(written.body)
    parts = [part for message in provider.messages(again) for part in message.parts]
    calls = [p for p in parts if isinstance(p, CallPart)]
    old = [p["functionCall"] for p in parts_of(row) if "functionCall" in p]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [(c["name"], c.get("args") or {}) for c in old]
    answered = [p.id for p in parts if isinstance(p, ResultPart)]
    assert set(answered) <= {c.id for c in calls}
    assert len(answered) == sum("functionResponse" in p for p in parts_of(row))
    assert again.stream == request.stream
    assert again.max_output_tokens == request.max_output_tokens or provider is ANTHROPIC_MESSAGES


def cases() -> list[Any]:
    """Prompts that were sent to Gemini and over another wire: (case, wire, the other's row, Gemini's)."""
    ours = {row["case"]: row for row in ALL if row.get("case") and asked(row)}
    found = [row for row in rows("openai-chat", "anthropic-messages") if row.get("case") in ours]
    return [
        pytest.param(row, ours[row["case"]], id=f"{row['case']}-{row['wire']}-{row['id']}")
        for row in found
        if isinstance((row["request"] or {}).get("body"), dict)
    ]


@pytest.mark.parametrize(("theirs", "ours"), cases())
def test_a_prompt_that_was_recorded_over_another_wire_means_the_same_when_it_is_translated(
    theirs: Row, ours: Row
) -> None:
    dialect = {d.name: d for d in (OPENAI_CHAT, ANTHROPIC_MESSAGES)}[theirs["wire"]]
    request = dialect.decode_request(compact(theirs["request"]["body"]))
    written = translate(request, dialect, GEMINI_GENERATE, model="gemini-2.5-flash", quirks=Quirks(), account="gemini")
    body, recorded = json.loads(written.body), body_of(ours)

    valid_request(body)

    def calls(contents: list[Any]) -> list[Any]:
        parts = [p for c in contents for p in c["parts"] if "functionCall" in p]
        return [(p["functionCall"]["name"], p["functionCall"].get("args") or {}) for p in parts]

    def declared(tools: list[Any]) -> list[str]:
        return [f["name"] for t in tools for f in t.get("functionDeclarations", ())]

    assert calls(body["contents"]) == calls(recorded["contents"])
    if declared(body.get("tools", [])) and declared(recorded.get("tools", [])):
        assert declared(body["tools"]) == declared(recorded["tools"])
    roles = [c["role"] for c in body["contents"]]
    assert roles[0] == "user"
    assert roles[-1] == recorded["contents"][-1].get("role", "user")
    for content in body["contents"]:
        answers = [p for p in content["parts"] if "functionResponse" in p]
        assert len(answers) in {0, len(content["parts"])}, "answers stand in a content of their own"
