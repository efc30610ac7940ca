"""Every member of every type that a prompt is made of, against every writer: what is said changes what is sent, or is
named as lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace
from translation import ACCOUNT, HI, PDF, PIXEL, SCHEMA, SOUND, TOOL, asked, chats, target

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import own
from freehold.dialects.translate import FORMS

TYPES = (Prompt, Tool, ToolChoice, Format, Thinking, Message, *get_args(Part))
PLAIN, ABLE = Quirks(), Quirks(reasoning_back="reasoning_content", cache_control=True)
MODELS = {
    "anthropic-messages": ("claude-opus-4-6", "claude-sonnet-4-20250514", "claude-3-5-haiku-latest"),
    "gemini-generate": ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-flash-preview"),
    "openai-responses": ("gpt-5.2", "gpt-4.1"),
    "bedrock-converse": ("anthropic.claude-opus-4-6", "amazon.nova-pro-v1:0", "amazon.nova-2-lite-v1:0",
                         "openai.gpt-oss-120b-1:0", "meta.llama3-3-70b-instruct-v1:0"),
}  # fmt: skip
WRITERS = [
    pytest.param(dialect, model, quirks, id=f"{dialect.name}-{model}-{'able' if quirks is ABLE else 'plain'}")
    for dialect in chats()
    for model in MODELS.get(dialect.name, ("m",))
    for quirks in (PLAIN, ABLE)
]


@dataclass(frozen=True)
class Case:
    """A prompt in which a member says something, the same without that, and the same without what it is a member of.

    `fulfilled`: dialects whose providers do anyhow what is asked.
    """

    name: str
    said: Prompt
    unsaid: Prompt
    bare: Prompt
    fulfilled: tuple[str, ...] = ()


def of_prompt(name: str, value: Any, **more: Any) -> Case:
    bare = asked(**more)
    return Case(f"Prompt.{name}", replace(bare, **{name: value}), bare, bare)


def of(part: Any, member: str, value: Any, role: Any = "user", **more: Any) -> Case:
    """A member of a part of a turn."""
    changed = replace(part, **{member: value})
    before = [Message("assistant", (CallPart("call_1", "f", "{}"),))] if isinstance(part, ResultPart) else []
    after = [] if role == "user" else [HI]

    def prompt(*parts: Part) -> Prompt:
        turn = Message(role, (TextPart("So", cache=""), *parts))
        return asked(HI, *before, turn, *after, tools=(TOOL,))

    return Case(f"{type(part).__name__}.{member} ({role})", prompt(changed), prompt(part), prompt(), **more)


def of_tool(member: str, value: Any, tool: Tool = TOOL, **more: Any) -> Case:
    return Case(
        f"Tool.{member} ({tool.kind})", asked(tools=(replace(tool, **{member: value}),)), asked(tools=(tool,)),
        asked(), **more,
    )  # fmt: skip


def of_choice(choice: ToolChoice, other: ToolChoice | None, member: str, **more: Any) -> Case:
    two = (TOOL, replace(TOOL, name="g"))
    bare = asked(tools=two)
    said, unsaid = replace(bare, tool_choice=choice), replace(bare, tool_choice=other)
    return Case(f"ToolChoice.{member}", said, unsaid, bare, **more)


def of_format(member: str, value: Any, form: Format, **more: Any) -> Case:
    changed = replace(form, **{member: value})
    return Case(f"Format.{member}", asked(format=changed), asked(format=form), asked(), **more)


def of_thinking(member: str, value: Any, **more: Any) -> Case:
    def prompt(thought: Thinking | None) -> Prompt:
        return asked(max_output_tokens=50_000, thinking=thought)

    return Case(f"Thinking.{member}", prompt(Thinking(**{member: value})), prompt(Thinking()), prompt(None), **more)


FORM = Format(kind="json_schema", name="n", schema=SCHEMA)
OTHER = Raw(b'{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"],"additionalProperties":false}')
GRAMMAR = Raw(
    msgspec.json.encode(
        {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}}
    )
)
CUSTOM = Tool(kind="custom", name="c", description="plain")
BUILTIN = Tool(kind="builtin", name="web_search")
IMAGE = MediaPart("image", PIXEL, "image/png")
LINK = MediaPart("image", "https://x.org/i.png")
FILE = MediaPart("file", PDF, "application/pdf")
AUDIO = MediaPart("audio", SOUND, "audio/wav")
CALL = CallPart("call_1", "f", '{"a":"x"}')
RESULT = ResultPart("call_1", "done", name="f")
STRICT_ANYHOW = (
    "anthropic-messages", "bedrock-converse", "gemini-generate", "ollama-chat", "ollama-generate", "cohere-v2",
)  # fmt: skip
"""Where a schema of the answer always binds."""
SHOWN_ANYHOW = ("ollama-chat", "ollama-generate", "cohere-v2", "bedrock-converse", "anthropic-messages")
"""Where what is thought is always told. (Claude of generations that are asked is told to.)"""
SEALS = [
    Seal("anthropic", "c2ln"), Seal("anthropic", "c2ln", redacted=True), Seal("gemini", "c2ln"),
    Seal("openai", "c2ln", id="rs_1"), Seal("openrouter", '{"type":"reasoning.encrypted","data":"c2ln"}'),
]  # fmt: skip


def cases() -> Iterator[Case]:
    yield of_prompt("messages", (Message("user", (TextPart("Other"),)),))
    yield of_prompt("stream", True)
    yield of_prompt("tools", (TOOL,))
    yield of_prompt("tools", (CUSTOM,))
    yield of_prompt("tools", (BUILTIN,))
    yield of_prompt("tool_choice", ToolChoice("required"), tools=(TOOL,))
    yield of_prompt("parallel_tools", False, tools=(TOOL,))
    yield of_prompt("format", FORM)
    yield of_prompt("format", FORM, tools=(TOOL,))
    yield of_prompt("format", Format(kind="json_object"))
    for name, value in {
        "max_output_tokens": 77, "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop": ("a",), "seed": 5,
        "presence_penalty": 0.5, "frequency_penalty": 0.5, "choices": 2, "logprobs": True, "top_logprobs": 2,
        "thinking": Thinking(effort="high"), "verbosity": "low", "service_tier": "flex", "subject": "u1",
        "metadata": {"a": "b"},
    }.items():  # fmt: skip
        yield of_prompt(name, value)
    for name, value in {"temperature": 0.5, "top_k": 5, "top_p": 0.5}.items():
        yield of_prompt(name, value, thinking=Thinking(effort="high"), max_output_tokens=9000)
    yield of_prompt("top_p", 0.5, temperature=0.5)
    yield of_prompt("thinking", Thinking(effort="high"), tools=(TOOL,), tool_choice=ToolChoice("required"))
    yield of_prompt("service_tier", "a-tier-of-somebody")
    yield of_prompt("metadata", {"a" * 300: "b"})
    yield of_prompt("subject", "é" * 300)
    yield of_prompt("stop", (" ",))
    yield of_prompt("temperature", 1.5)
    yield from of_tools()
    yield from of_turns()
    yield from of_parts()


def of_tools() -> Iterator[Case]:
    yield of_tool("name", "other")
    yield of_tool("kind", "custom")
    yield of_tool("description", "something else")
    yield of_tool("description", "something else", CUSTOM)
    yield of_tool("schema", OTHER)
    yield of_tool("strict", True)
    yield of_tool("original", GRAMMAR, CUSTOM)
    yield of_tool("original", Raw(b'{"type":"web_search","x":1}'), BUILTIN)
    yield of_tool("cache", "1h")
    yield of_tool("cache", "5m")
    yield of_choice(ToolChoice("none"), None, "mode", fulfilled=("openai-completions",))  # it has no tools at all
    yield of_choice(ToolChoice("required"), None, "mode")
    yield of_choice(ToolChoice("named", "f"), None, "mode")
    yield of_choice(ToolChoice("named", "g"), ToolChoice("named", "f"), "name")
    yield Case("Format.kind", asked(format=FORM), asked(format=Format(kind="json_object")), asked())
    yield of_format("description", "what it is", FORM)
    yield of_format("schema", OTHER, FORM)
    yield of_format("strict", True, FORM, fulfilled=STRICT_ANYHOW)
    yield of_thinking("enabled", False)
    yield of_thinking("effort", "low")
    yield of_thinking("effort", "high")
    yield of_thinking("budget", 2048)
    yield of_thinking("summary", "auto", fulfilled=SHOWN_ANYHOW)


def of_turns() -> Iterator[Case]:
    for role in ("user", "assistant", "system"):
        bare = asked(Message(role, (TextPart("Say"),)), HI)
        named = replace(bare, messages=(replace(bare.messages[0], name="ann"), HI))
        yield Case(f"Message.name ({role})", named, bare, bare)
        other = replace(bare, messages=(Message(role, (TextPart("Say"), TextPart("more"))), HI))
        yield Case(f"Message.parts ({role})", other, bare, bare)
    bare = asked(Message("user", (TextPart("Say"),)), HI)
    yield Case("Message.role", replace(bare, messages=(Message("assistant", (TextPart("Say"),)), HI)), bare, bare)


def of_parts() -> Iterator[Case]:
    for role in ("user", "assistant", "system"):
        yield of(TextPart("one"), "text", "two", role)
        yield of(TextPart("one"), "cache", "5m", role)
        for medium in (IMAGE, LINK, FILE, AUDIO):
            yield of(medium, "url", medium.url + "AAAA", role)
            yield of(medium, "cache", "1h", role)
            yield of(medium, "name", "a.bin", role)
            yield of(replace(medium, url=""), "file_id", "file_1", role)
        yield of(IMAGE, "detail", "low", role)
        yield of(LINK, "detail", "high", role)
        yield of(replace(LINK, url="https://x.org/i"), "kind", "file", role)
    for member, value in {"id": "call_2", "name": "g", "arguments": '{"a":"y"}', "custom": True, "cache": "5m"}.items():
        yield of(CALL, member, value, "assistant")
    for member, value in {"id": "call_2", "text": "two", "error": True, "cache": "5m"}.items():
        yield of(RESULT, member, value, "user")
    for medium in (IMAGE, LINK, FILE, AUDIO):
        yield of(RESULT, "media", (medium,), "user")
        marked = replace(RESULT, media=(medium,))
        yield of(marked, "media", (replace(medium, name="a.bin"),), "user")
        yield of(marked, "media", (replace(medium, cache="5m"),), "user")
    yield of(ReasoningPart("one"), "text", "two", "assistant")
    for seal in SEALS:
        for part in (TextPart("one"), CALL, ReasoningPart("one")):
            yield of(part, "seal", seal, "assistant")


TEXT_ONLY = ("openai-completions", "ollama-generate")
CASES = list(cases())
NOT_ASKED = {"Prompt.wants_usage", "Prompt.losses", "Format.name", "ResultPart.name", "MediaPart.media_type"}
"""How an answer is written; what is named already; a label that OpenAI demands and nobody reads; what its call says;
what a medium's first bytes say."""


def test_every_member_of_every_type_has_a_case() -> None:
    tried = {case.name.partition(" ")[0] for case in CASES}
    assert {f"{t.__name__}.{name}" for t in TYPES for name in t.__struct_fields__} == tried | NOT_ASKED


def wrote(dialect: Dialect, prompt: Prompt, model: str, quirks: Quirks) -> Written:
    mine = own(prompt, ACCOUNT, FORMS.get(dialect.name, ""))
    written = dialect.write(mine, model=model, quirks=quirks)
    where = target(dialect, prompt.stream).encode()
    return Written(where + written.body, (*mine.losses, *written.losses))


def vanished(case: Case, dialect: Dialect, model: str, quirks: Quirks) -> bool:
    """Whether what a case says makes no difference, though what it is said of is sent and nobody does it anyhow."""
    said, unsaid, bare = (wrote(dialect, p, model, quirks) for p in (case.said, case.unsaid, case.bare))
    lost_whole = set(unsaid.losses) - set(bare.losses)
    same = said.body == unsaid.body and set(said.losses) == set(unsaid.losses)
    return same and not lost_whole and dialect.name not in case.fulfilled


@pytest.mark.parametrize(("dialect", "model", "quirks"), WRITERS)
def test_what_a_prompt_says_is_sent_or_named_as_lost(dialect: Dialect, model: str, quirks: Quirks) -> None:
    assert [case.name for case in CASES if vanished(case, dialect, model, quirks)] == []


@pytest.mark.parametrize("dialect", [pytest.param(d, id=d.name) for d in chats() if d.name not in TEXT_ONLY])
def test_a_tool_of_plain_text_is_offered_everywhere_and_the_model_is_told_its_grammar(dialect: Dialect) -> None:
    rules = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: PATCH"}}
    original = Raw(msgspec.json.encode({"type": "custom", "custom": {"name": "apply_patch", "format": rules}}))
    tool = Tool(kind="custom", name="apply_patch", description="Edits files", original=original)
    written = dialect.write(asked(tools=(tool,)), model=MODELS.get(dialect.name, ("m",))[-1], quirks=PLAIN)

    assert all(said in written.body for said in (b"apply_patch", b"Edits files", b"lark", b"start: PATCH"))
    assert written.losses == (() if dialect.name == "openai-responses" else ("tools[apply_patch].format",))
