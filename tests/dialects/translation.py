"""What becomes of each thing that a request can say, from every dialect of callers to every dialect of providers.

Each feature is a small request in no dialect. It is written in the caller's dialect, read and translated as the gateway
does it, and what arrived is read again. `python tests/dialects/translation.py` writes docs/reference/translation.md.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.core.errors import FreeholdError
from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.hints import HINTS
from freehold.dialects.links import inlined
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS
from freehold.dialects.seals import wrap
from freehold.dialects.translate import FORMS, family, translate

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "translation.md"
ACCOUNT = "account"
MODELS = {
    "gemini-generate": "gemini-2.5-flash",
    "anthropic-messages": "claude-opus-4-6",
    "bedrock-converse": "anthropic.claude-opus-4-6",
}
"""What a provider of a dialect is asked for, where the model's name says what it can do."""
QUIRKS = Quirks(reasoning_back="reasoning_content", cache_control=True)
"""Of a provider that takes all that its dialect can hold."""
PIXEL = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
SOUND = "data:audio/wav;base64,UklGRg=="
SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'
)
TOOL = Tool(name="f", description="what it does", schema=SCHEMA)
CALLED = Message("assistant", (CallPart("call_1", "f", '{"a":"x"}'),))
HI = Message("user", (TextPart("Hello"),))


@dataclass(frozen=True)
class Feature:
    """A thing that a request can say: how it is asked, and what of a prompt shows that it arrived."""

    prompt: Prompt
    shows: Callable[[Prompt], object]


def asked(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages=messages or (HI,), max_output_tokens=more.pop("max_output_tokens", 100), **more)


def parts(prompt: Prompt, kind: type) -> list[Any]:
    return [part for message in prompt.messages for part in message.parts if isinstance(part, kind)]


def member(name: str) -> Callable[[Prompt], object]:
    return lambda prompt: getattr(prompt, name)


def results(prompt: Prompt) -> list[tuple[str, bool, int]]:
    return [(part.text, part.error, len(part.media)) for part in parts(prompt, ResultPart)]


def media(prompt: Prompt) -> list[tuple[str, str]]:
    return [(part.kind, part.url or part.file_id) for part in parts(prompt, MediaPart)]


def thinking(prompt: Prompt) -> object:
    return prompt.thinking is not None and (prompt.thinking.enabled, prompt.thinking.effort or prompt.thinking.budget)


def answered(*media_: MediaPart, error: bool = False) -> tuple[Message, ...]:
    return HI, CALLED, Message("user", (ResultPart("call_1", "done", media_, name="f", error=error),))


FEATURES: Mapping[str, Feature] = {
    "system text": Feature(
        asked(Message("system", (TextPart("Be brief"),)), HI),
        lambda p: [m.text for m in p.messages if m.role == "system"],
    ),
    "turns": Feature(
        asked(HI, Message("assistant", (TextPart("Hi"),)), Message("user", (TextPart("So?"),))),
        lambda p: [(m.role, m.text) for m in p.messages],
    ),
    "image, inline": Feature(asked(Message("user", (MediaPart("image", PIXEL, "image/png"), TextPart("?")))), media),
    "image by URL": Feature(asked(Message("user", (MediaPart("image", "https://x.org/i.png"), TextPart("?")))), media),
    "PDF by URL": Feature(asked(Message("user", (MediaPart("file", "https://x.org/a.pdf"), TextPart("?")))), media),
    "PDF, inline": Feature(
        asked(Message("user", (MediaPart("file", PDF, "application/pdf", name="a.pdf"), TextPart("?")))), media
    ),
    "sound, inline": Feature(asked(Message("user", (MediaPart("audio", SOUND, "audio/wav"), TextPart("?")))), media),
    "tools": Feature(asked(tools=(TOOL,)), lambda p: [(t.name, t.description) for t in p.tools]),
    "tool choice: none": Feature(asked(tools=(TOOL,), tool_choice=ToolChoice("none")), member("tool_choice")),
    "tool choice: required": Feature(asked(tools=(TOOL,), tool_choice=ToolChoice("required")), member("tool_choice")),
    "tool choice: one": Feature(asked(tools=(TOOL,), tool_choice=ToolChoice("named", "f")), member("tool_choice")),
    "one call at a time": Feature(asked(tools=(TOOL,), parallel_tools=False), member("parallel_tools")),
    "calls of tools": Feature(
        asked(*answered(), tools=(TOOL,)),
        lambda p: [(c.name, msgspec.json.decode(c.arguments)) for c in parts(p, CallPart)],
    ),
    "results of tools": Feature(asked(*answered(), tools=(TOOL,)), lambda p: [r.text for r in parts(p, ResultPart)]),
    "a tool that failed": Feature(asked(*answered(error=True), tools=(TOOL,)), results),
    "image in a result": Feature(
        asked(*answered(MediaPart("image", PIXEL, "image/png")), tools=(TOOL,)),
        lambda p: [m.url for m in parts(p, MediaPart)] + [m.url for r in parts(p, ResultPart) for m in r.media],
    ),
    "any JSON object": Feature(asked(format=Format(kind="json_object")), lambda p: p.format and p.format.kind),
    "JSON of a schema": Feature(
        asked(format=Format(kind="json_schema", name="n", schema=SCHEMA, strict=True)),
        lambda p: p.format and p.format.schema and msgspec.json.decode(p.format.schema).get("properties"),
    ),
    "most tokens": Feature(asked(max_output_tokens=77), member("max_output_tokens")),
    "temperature": Feature(asked(temperature=0.5), member("temperature")),
    "top p": Feature(asked(top_p=0.5), member("top_p")),
    "top k": Feature(asked(top_k=5), member("top_k")),
    "stop texts": Feature(asked(stop=("a", "b")), member("stop")),
    "seed": Feature(asked(seed=5), member("seed")),
    "presence penalty": Feature(asked(presence_penalty=0.5), member("presence_penalty")),
    "frequency penalty": Feature(asked(frequency_penalty=0.5), member("frequency_penalty")),
    "several choices": Feature(asked(choices=2), member("choices")),
    "logprobs": Feature(asked(logprobs=True, top_logprobs=2), member("top_logprobs")),
    "reasoning: how much": Feature(asked(max_output_tokens=9000, thinking=Thinking(effort="high")), thinking),
    "reasoning: so many tokens": Feature(asked(max_output_tokens=9000, thinking=Thinking(budget=2048)), thinking),
    "reasoning: none": Feature(
        asked(thinking=Thinking(enabled=False)),
        lambda p: p.thinking and (p.thinking.enabled, p.thinking.effort) != (True, None),
    ),
    "reasoning, sent back": Feature(
        asked(HI, Message("assistant", (ReasoningPart("because"), TextPart("Yes"))), HI),
        lambda p: [r.text for r in parts(p, ReasoningPart)],
    ),
    "verbosity": Feature(asked(verbosity="low"), member("verbosity")),
    "service tier": Feature(asked(service_tier="flex"), lambda p: bool(p.service_tier)),
    "end user": Feature(asked(subject="u1"), member("subject")),
    "metadata": Feature(asked(metadata={"a": "b"}), member("metadata")),
    "cache marks": Feature(
        asked(Message("user", (TextPart("long", cache="1h"), TextPart("short")))),
        lambda p: [t.cache for t in parts(p, TextPart) if t.cache],
    ),
    "stream": Feature(asked(stream=True), member("stream")),
}


def target(dialect: Dialect, stream: bool) -> str:
    """Where a request goes: some dialects say the model, and whether a stream is wanted, in the path."""
    return dialect.path("", model="m", stream=stream)


def chats() -> list[Dialect]:
    """Every dialect about conversations."""
    return [dialect for name, dialect in DIALECTS.items() if family(name) == "chat"]


def written(dialect: Dialect, prompt: Prompt) -> Any:
    """A request of the dialect that says what the prompt says, as far as it can."""
    body = dialect.write(prompt, model=MODELS.get(dialect.name, "m"), quirks=QUIRKS).body
    return dialect.decode_request(body, target(dialect, prompt.stream))


def carried(request: Any, caller: Dialect, provider: Dialect, *, inline: Mapping[str, str] | None = None) -> Written:
    model = MODELS.get(provider.name, "m")
    return translate(request, caller, provider, model=model, quirks=QUIRKS, account=ACCOUNT, inline=inline)


def fetched(request: Any, caller: Dialect, provider: Dialect, sent: Written, feature: Feature) -> bool:
    """Whether it arrives once its links were followed."""
    inline = {part.url: {"image": PIXEL, "file": PDF, "audio": SOUND}[part.kind] for part in sent.links}
    sent = carried(request, caller, provider, inline=inline)
    got = provider.read(provider.decode_request(sent.body, target(provider, False)))
    return feature.shows(got) == feature.shows(inlined(feature.prompt, inline))


def arrived(caller: Dialect, provider: Dialect, feature: Feature) -> str:
    """yes; lost, and named; -: the caller's dialect has no words for it; NO: it is gone and nothing says so."""
    request = written(caller, feature.prompt)
    said = caller.read(request)
    wanted = feature.shows(feature.prompt)
    if feature.shows(said) != wanted:
        return "-"
    if caller is provider:
        return "as it is"
    try:
        sent = carried(request, caller, provider)
    except FreeholdError:
        return "refused"
    try:
        got = provider.read(provider.decode_request(sent.body, target(provider, said.stream)))
    except FreeholdError as error:
        return f"BROKEN {error}"
    if feature.shows(got) == wanted:
        return "yes"
    if sent.links and fetched(request, caller, provider, sent, feature):
        return "fetched"
    mine = set(sent.losses) - set(carried(written(caller, asked()), caller, provider).losses)
    if mine - HINTS:
        return "lost"
    return "nearest" if feature.shows(got) else "hint" if mine else "NO"


def table() -> Iterator[tuple[str, str, dict[str, str]]]:
    """(caller, provider, feature -> what becomes of it)."""
    for caller in chats():
        for provider in chats():
            yield caller.name, provider.name, {name: arrived(caller, provider, f) for name, f in FEATURES.items()}


def sealed(caller: Dialect, provider: Dialect, account: str) -> tuple[Prompt, tuple[str, ...]]:
    """What arrives of reasoning that `account` sealed, at a provider's ACCOUNT, through a caller."""
    form: Any = FORMS.get(provider.name, "")
    seal = Seal(form=form, data='{"type":"reasoning.text","signature":"s"}' if form == "openrouter" else "c2lnbmF0dXJl")
    wrapped = wrap(seal, account)
    if caller.name == "openai-chat":  # where a seal is a member of an entry
        wrapped = msgspec.json.encode({"type": "reasoning.encrypted", "data": wrapped}).decode()
    if caller.name == "gemini-generate":  # whose signatures are base64
        wrapped = b64encode(wrapped.encode()).decode()
    own: Any = FORMS.get(caller.name, "anthropic")
    thought = ReasoningPart("because", Seal(form=own, data=wrapped))
    prompt = asked(HI, Message("assistant", (thought, TextPart("Yes"))), HI)
    request = written(caller, replace(prompt, thinking=Thinking(budget=2048), max_output_tokens=9000))
    sent = carried(request, caller, provider)
    return provider.read(provider.decode_request(sent.body, target(provider, False))), sent.losses


def page() -> str:
    """The reference, whole."""
    names = [dialect.name for dialect in chats()]
    lines = [
        "# Translation", "",
        "What becomes of each thing that a request can say: from the caller's dialect (the section) to the provider's",
        "(the column). Written by `python tests/dialects/translation.py` from what the code does; a test compares.", "",
        "- **yes**: it arrives. **as it is**: the same dialect, every byte that need not change.",
        "- **nearest**: it arrives as the nearest thing that the provider's dialect can say.",
        "- **lost**: the provider's dialect has no words for it; it is named in `x-freehold-warnings` and in the",
        "  record, and a strict request is refused. **refused**: asking without it would mean something else.",
        "- **fetched**: the provider takes it only inline. Where `egress.fetch_media` is on, it is fetched and sent",
        "  inline; where it is off, it is lost.",
        "- **hint**: it changes no answer. Where the provider's dialect has no such mark it is named as lost, and no",
        "  strict request is refused for it.",
        "- **-**: the caller's dialect has no words for it.",
    ]  # fmt: skip
    found = {(caller, provider): cells for caller, provider, cells in table()}
    for caller in names:
        lines += ["", f"## From {caller}", "", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [
            f"| {feature} | " + " | ".join(found[caller, provider][feature] for provider in names) + " |"
            for feature in FEATURES
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
