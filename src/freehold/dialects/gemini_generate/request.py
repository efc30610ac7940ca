"""Requests of Gemini's generateContent (ai.google.dev/api/generate-content). The model, and whether to stream, stand in
the path."""

from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Framing, Need, Request
from freehold.dialects.gemini_generate.foreign import without_foreign
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read

NAME = "gemini-generate"
BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""What an image, sound or file counts for in the estimate."""
MOST_CHOICES = 128
MOST_TOKENS = 2**31 - 1
ROLES = frozenset({"user", "model", "function", "system", ""})
JSON_TYPE = "application/json"

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_NONE: frozenset[Need] = frozenset()
_COUNTED = ("systemInstruction", "contents", "tools")


class Target(Struct, frozen=True):
    """What the path of a request says."""

    model: str
    stream: bool
    framing: Framing


def target_of(target: str) -> Target:
    """The model and the method in `…/models/MODEL:METHOD?alt=sse`; InvalidRequest where there is no model."""
    path, _, query = target.partition("?")
    _, _, last = path.partition("/models/")
    name, _, method = last.rpartition(":")
    if not name:
        raise InvalidRequest("The path names no model; send to /v1beta/models/MODEL:generateContent", param="model")
    stream = method == "streamGenerateContent"
    sse = parse_qs(query).get("alt", [""])[-1] == "sse"
    return Target(unquote(name), stream, "sse" if sse or not stream else "array")


def decode(body: bytes, target: str) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    asked = target_of(target)
    value = read(body)
    if not isinstance(value, dict):
        raise InvalidRequest("The body: expected an object")
    said = spelt(cast("object", value))
    contents = _contents(said.get("contents"))
    config = spelt(said.get("generationConfig"))
    choices, most = _choices(config), _most(config)
    needs: set[Need] = {"stream"} if asked.stream else set()
    _asked_for(said, config, choices, needs)
    fields = _fields(body)
    media = inline = 0
    for part in _parts(contents):
        need, size = _medium(part)
        if need is not None:
            needs.add(need)
            media, inline = media + 1, inline + size
    size = sum(len(memoryview(raw)) for name, raw in fields.items() if camel(name) in _COUNTED) - inline
    return Request(
        dialect=NAME,
        model=asked.model,
        stream=asked.stream,
        needs=frozenset(needs) if needs else _NONE,
        prompt_tokens=max(size, 0) // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1,
        max_output_tokens=most,
        choices=choices,
        wants_usage=True,
        subject=None,
        fields=fields,
        framing=asked.framing,
    )


def _contents(said: object) -> list[Any]:
    """The turns, each an object; one alone may stand for a list of one."""
    contents = items(said)
    if not contents:
        raise InvalidRequest("contents: expected at least one content; send {parts: [...]}", param="contents")
    for place, content in enumerate(contents):
        if not isinstance(content, dict):
            raise InvalidRequest(f"contents[{place}]: expected an object", param="contents")
        role = members(cast("object", content)).get("role")
        if role is not None and (not isinstance(role, str) or role not in ROLES):
            raise InvalidRequest(f"contents[{place}].role: expected user or model, got {role!r:.60}", param="contents")
    return contents


def _choices(config: dict[str, Any]) -> int:
    asked = config.get("candidateCount")
    if asked is None:
        return 1
    count = number(asked)
    if count is None or not 0 <= count <= MOST_CHOICES:
        raise InvalidRequest(
            f"generationConfig.candidateCount: expected 1 to {MOST_CHOICES}, got {asked!r:.60}",
            param="generationConfig.candidateCount",
        )
    return count or 1


def _most(config: dict[str, Any]) -> int | None:
    asked = config.get("maxOutputTokens")
    if asked is None:
        return None
    most = number(asked)
    if most is None or isinstance(asked, bool) or not 0 <= most <= MOST_TOKENS:
        raise InvalidRequest(
            f"generationConfig.maxOutputTokens: expected 0 to {MOST_TOKENS}, got {asked!r:.60}",
            param="generationConfig.maxOutputTokens",
        )
    return most or None


def _asked_for(said: dict[str, Any], config: dict[str, Any], choices: int, needs: set[Need]) -> None:
    """What the request cannot do without, beside media."""
    if any("functionDeclarations" in spelt(tool) for tool in items(said.get("tools"))):
        needs.add("tools")
    if config.get("responseSchema") or config.get("responseJsonSchema"):
        needs.add("json_schema")
    elif config.get("responseMimeType") == JSON_TYPE:
        needs.add("json_object")
    if config.get("responseLogprobs") is True:
        needs.add("logprobs")
    if choices > 1:
        needs.add("n")


def _parts(contents: list[Any]) -> Iterator[dict[str, Any]]:
    """Every part, with those that a tool gave beside its answer."""
    for content in contents:
        for value in items(members(content).get("parts")):
            part = spelt(value)
            yield part
            response = members(part.get("functionResponse"))
            if response.get("parts"):
                yield from map(spelt, items(response["parts"]))


def kind_of(mime_type: str) -> Need:
    """Which kind of medium a MIME type is."""
    head = mime_type.partition("/")[0]
    return "image" if head == "image" else "audio" if head == "audio" else "file"


def _medium(part: dict[str, Any]) -> tuple[Need | None, int]:
    """The kind of medium that a part is, None for any other; and the bytes of it that stand in the request."""
    for name in ("inlineData", "fileData"):
        if medium := spelt(part.get(name)):
            return kind_of(word(medium.get("mimeType"))), len(word(medium.get("data")))
    return None, 0


def encode(request: Request, *, model: str, quirks: Quirks) -> bytes:
    """The body for a provider: the caller's members verbatim, with only what has to change, changed: a model that is
    named in the body too, and what another provider sealed."""
    out: list[bytes] = []
    for name, raw in request.fields.items():
        if name == "model":
            out.append(b'"model":' + _encode(f"models/{model.removeprefix('models/')}"))
        elif name == "contents":
            out.append(b'"contents":' + without_foreign(raw, model))
        else:
            out.append(_encode(name) + b":" + raw)
    return b"{%b}" % b",".join(out)
