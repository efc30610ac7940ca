"""Odd requests and answers of Gemini: refused by name, or carried; never an accident."""

from contextlib import suppress
from typing import Any

from gemini_world import HI, STREAM_PATH, every, read, request, sse, write
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import compact

from freehold.core.errors import InvalidRequest, ProviderError
from freehold.dialects.dialect import Source
from freehold.dialects.gemini_generate.counting import counted, encode_count, opened
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

MEMBERS = [
    "contents", "parts", "role", "text", "thought", "thoughtSignature", "inlineData", "file_data", "mimeType",
    "fileUri",
    "functionCall", "function_response", "name", "args", "response", "id", "systemInstruction", "tools", "toolConfig",
    "functionDeclarations", "parameters", "functionCallingConfig", "mode", "allowedFunctionNames", "generationConfig",
    "thinkingConfig", "thinkingLevel", "responseSchema", "labels", "mediaResolution", "executableCode", "candidates",
    "content", "finishReason", "index", "usageMetadata", "promptTokenCount", "partialArgs", "jsonPath", "stringValue",
    "willContinue", "promptFeedback", "blockReason", "groundingMetadata", "error", "data", "type", "properties",
]  # fmt: skip
words = st.sampled_from(["user", "model", "STOP", "ANY", "x", "", "Zmgx", "ZmgxLg==", "OBJECT", "$.a[0]", "none"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70_000) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=5)


@given(objects, st.lists(objects, max_size=3))
@settings(max_examples=300)
def test_an_odd_request_is_refused_by_name_or_carried(body: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    with suppress(InvalidRequest):
        members = {"contents": [{**HI[0], "parts": turns}], **body}
        asked = GEMINI_GENERATE.decode_request(compact(members), STREAM_PATH.format("m"))
        GEMINI_GENERATE.messages(asked)
        GEMINI_GENERATE.encode_request(asked, model="gemini-3-pro", quirks=Quirks())
        prompt = GEMINI_GENERATE.read(asked)
        OPENAI_CHAT.write(prompt, model="m", quirks=Quirks())
        for model in ("gemini-2.0-flash", "gemini-3-pro"):
            GEMINI_GENERATE.write(prompt, model=model, quirks=Quirks())


@given(st.lists(objects, max_size=3))
@settings(max_examples=300)
def test_an_odd_answer_is_broken_or_passes_and_says_the_same_at_any_split(chunks: list[dict[str, Any]]) -> None:
    body = sse(*chunks)
    events, error = read([body])
    again, other = read(every(body, 3))
    assert (again, type(other)) == (events, type(error))
    write(events)
    write(events, how="array")
    foreign = GEMINI_GENERATE.encoder(request(), id="i", at=0, source=Source("openai-chat", "a"))
    for event in events:
        foreign.encode(event)
    foreign.end()
    with suppress(ProviderError):
        GEMINI_GENERATE.decode_answer(compact(chunks), Quirks())


@given(values)
def test_an_odd_count_is_none_or_a_number(value: Any) -> None:
    counted(compact(value))
    with suppress(InvalidRequest):
        asked = GEMINI_GENERATE.decode_request(opened(compact(value)), "/v1beta/models/m:countTokens")
        encode_count(asked, "m", Quirks())
