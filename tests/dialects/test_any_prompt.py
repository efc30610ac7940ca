"""Whatever a prompt holds, every dialect writes it as something that it can read, and what is gone has a name."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from translation import MODELS, QUIRKS, chats, target

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.dialect import Dialect
from freehold.dialects.quirks import Quirks

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
IDS = st.one_of(st.just(""), NAMES.map("call_{}".format))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(TEXTS, JSON, max_size=3).map(lambda v: msgspec.json.encode(v).decode()) | st.sampled_from(
    ["", "{}", "[]", "null", '"x"', '{"a":', "plain"]
)
SCHEMAS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            Raw(
                b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'
            ),
            Raw(b'{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","properties":{"b":{"$ref":"#/$defs/A"}}}}}'),
            Raw(b'{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}'),
            Raw(b'{"type":["object","null"]}'),
            Raw(b"{}"),
            Raw(b"true"),
        ]
    ),
    st.dictionaries(TEXTS, JSON, max_size=3).map(lambda v: Raw(msgspec.json.encode(v))),
)
SEALS = st.none() | st.builds(
    Seal,
    form=st.sampled_from(["anthropic", "gemini", "openai", "openrouter"]),
    data=st.sampled_from(["c2ln", '{"type":"reasoning.text","signature":"s"}']),
    account=st.sampled_from(["", "acme"]),
    id=st.sampled_from(["", "rs_1"]),
    redacted=st.booleans(),
)
CACHES = st.sampled_from(["", "", "5m", "1h"])
MEDIA = st.builds(
    MediaPart,
    kind=st.sampled_from(["image", "audio", "file"]),
    url=st.sampled_from(
        ["", "data:image/png;base64,iVBORw0KGgo=", "https://x.org/i.png", "data:,", "gs://b/o", "iVBOR"]
    ),
    media_type=st.sampled_from(["", "image/png", "audio/wav", "application/pdf", "video/mp4"]),
    file_id=st.sampled_from(["", "file_1"]),
    name=TEXTS,
    cache=CACHES,
)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, text=TEXTS, cache=CACHES, seal=SEALS),
    st.builds(TextPart, text=TEXTS),
    MEDIA,
    st.builds(CallPart, id=IDS, name=NAMES, arguments=ARGUMENTS, custom=st.booleans(), cache=CACHES, seal=SEALS),
    st.builds(
        ResultPart, id=IDS, text=TEXTS, media=st.lists(MEDIA, max_size=2).map(tuple), name=st.just("") | NAMES,
        error=st.booleans(), cache=CACHES,
    ),
    st.builds(ReasoningPart, text=TEXTS, seal=SEALS),
)  # fmt: skip
SPOKEN = st.builds(TextPart, text=TEXTS, cache=CACHES, seal=SEALS) | MEDIA
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool"]),
    parts=st.lists(PARTS, max_size=4).map(tuple),
    name=st.just("") | NAMES,
) | st.builds(Message, role=st.just("system"), parts=st.lists(SPOKEN, max_size=3).map(tuple))
TOOLS = st.builds(
    Tool,
    name=NAMES,
    kind=st.sampled_from(["function", "function", "custom", "builtin"]),
    description=TEXTS,
    schema=SCHEMAS,
    strict=st.none() | st.booleans(),
    cache=CACHES,
)
SMALL = st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0])
PROMPTS = st.builds(
    Prompt,
    messages=st.lists(MESSAGES, min_size=1, max_size=5).map(tuple),
    stream=st.booleans(),
    wants_usage=st.booleans(),
    tools=st.lists(TOOLS, max_size=3, unique_by=lambda tool: tool.name).map(tuple),
    tool_choice=st.none() | st.builds(ToolChoice, st.sampled_from(["auto", "none", "required"])),
    parallel_tools=st.none() | st.booleans(),
    format=st.none()
    | st.builds(Format, kind=st.sampled_from(["json_object", "json_schema"]), name=NAMES, schema=SCHEMAS),
    max_output_tokens=st.none() | st.integers(1, 100_000),
    temperature=SMALL,
    top_p=st.none() | st.sampled_from([0.1, 1.0]),
    top_k=st.none() | st.integers(1, 100),
    stop=st.lists(TEXTS.filter(bool), max_size=6).map(tuple),
    seed=st.none() | st.integers(-(2**31), 2**31),
    presence_penalty=SMALL,
    frequency_penalty=SMALL,
    choices=st.integers(1, 3),
    logprobs=st.booleans(),
    top_logprobs=st.none() | st.integers(0, 20),
    thinking=st.none()
    | st.builds(
        Thinking,
        enabled=st.booleans(),
        effort=st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "max"]),
        budget=st.none() | st.integers(0, 50_000),
        summary=st.sampled_from(["", "auto"]),
    ),
    verbosity=st.sampled_from(["", "low", "high"]),
    service_tier=st.sampled_from(["", "flex", "auto", "priority"]),
    subject=st.none() | NAMES,
    metadata=st.dictionaries(NAMES, TEXTS, max_size=2),
)


def squeezed(text: str) -> str:
    """A text without its white space, which dialects may trim at the edges of a turn."""
    return "".join(text.split())


def asks(prompt: Prompt) -> bool:
    """Whether there is anything to answer."""
    parts = [part for message in prompt.messages for part in message.parts]
    return any(isinstance(p, CallPart | ResultPart) or (isinstance(p, TextPart) and p.text.strip()) for p in parts)


def texts(prompt: Prompt) -> str:
    """All that is said, by whomever."""
    return squeezed(
        "".join(p.text for m in prompt.messages for p in m.parts if not isinstance(p, MediaPart | CallPart))
    )


def calls(prompt: Prompt) -> Counter[str]:
    return Counter(part.name for m in prompt.messages for part in m.parts if isinstance(part, CallPart))


def arguments(prompt: Prompt) -> Counter[str]:
    """Those that are objects: any other sort has to be wrapped somewhere."""
    found = Counter[str]()
    for part in (part for m in prompt.messages for part in m.parts if isinstance(part, CallPart) and not part.custom):
        try:
            value: Any = msgspec.json.decode(part.arguments or "{}")
        except msgspec.DecodeError:
            continue
        if isinstance(value, dict):
            found[msgspec.json.encode(value, order="deterministic").decode()] += 1
    return found


TEXT_ONLY = ("openai-completions", "ollama-generate")
EVERY = [pytest.param(dialect, id=dialect.name) for dialect in chats()]


@pytest.mark.parametrize("dialect", EVERY)
@given(prompt=PROMPTS, model=st.sampled_from(["", "gemini-3-pro-preview", "gpt-5.2", "claude-3-5-haiku-latest"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_what_is_written_is_read_again_and_what_is_gone_has_a_name(
    dialect: Dialect, prompt: Prompt, model: str
) -> None:
    assume(asks(prompt))
    for quirks in (Quirks(), QUIRKS):
        written = dialect.write(prompt, model=model or MODELS.get(dialect.name, "m"), quirks=quirks)
        request = dialect.decode_request(written.body, target(dialect, prompt.stream))
        dialect.read(request)

        assert len(set(written.losses)) == len(written.losses), "each loss is named once"
        assert all(isinstance(loss, str) and loss for loss in written.losses)


PLAIN = st.builds(TextPart, text=TEXTS)
CALLED = st.builds(CallPart, id=IDS, name=NAMES, arguments=ARGUMENTS, custom=st.booleans())
RESULT = st.builds(ResultPart, id=IDS, text=TEXTS, name=st.just("") | NAMES, error=st.booleans())
TURNS = st.one_of(
    st.builds(Message, role=st.just("system"), parts=st.tuples(PLAIN)),
    st.builds(Message, role=st.just("user"), parts=st.lists(PLAIN | RESULT, max_size=4).map(tuple)),
    st.builds(Message, role=st.just("assistant"), parts=st.lists(PLAIN | CALLED, max_size=4).map(tuple)),
    st.builds(Message, role=st.just("tool"), parts=st.lists(RESULT, max_size=4).map(tuple)),
)


@pytest.mark.parametrize("dialect", EVERY)
@given(turns=st.lists(TURNS, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_every_text_call_and_result_of_a_conversation_arrives(dialect: Dialect, turns: list[Message]) -> None:
    prompt = Prompt(messages=tuple(turns))
    assume(asks(prompt))
    written = dialect.write(prompt, model=MODELS.get(dialect.name, "m"), quirks=QUIRKS)
    again = dialect.read(dialect.decode_request(written.body, target(dialect, False)))

    for text in (squeezed(p.text) for m in prompt.messages for p in m.parts if isinstance(p, TextPart | ResultPart)):
        assert text in texts(again)
    if dialect.name in TEXT_ONLY and calls(prompt):
        assert written.losses
    else:
        assert calls(prompt) == calls(again)
        assert arguments(prompt) <= arguments(again)
