"""Requests of Ollama's own API (docs.ollama.com/api): a chat, or one prompt. They stream unless they say otherwise."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.prompt import Effort, Format, Prompt, Thinking, Tool
from freehold.core.request import CallPart, MediaPart, Message, Need, Part, ReasoningPart, Request, ResultPart, TextPart
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.strict_json import EMPTY, read

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
IMAGE = "image/png"
"""What an image is taken for whose first bytes say nothing."""
_MAGIC = {"/9j/": "image/jpeg", "iVBOR": IMAGE, "R0lGOD": "image/gif", "UklGR": "image/webp"}
OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "num_predict": "max_output_tokens",
}
"""Options of a model -> members of a prompt."""
_LOCAL = frozenset({"num_ctx", "num_gpu", "num_thread", "num_batch", "main_gpu", "use_mmap", "numa", "low_vram"})
"""Options that say how a server runs a model, not what it answers."""
_KNOWN = frozenset({"model", "messages", "prompt", "system", "tools", "format", "options", "stream", "think", "images",
                    "keep_alive", "truncate", "shift"})  # fmt: skip

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Function(Struct, frozen=True):
    name: str = ""
    description: str | None = None
    parameters: Raw = Raw()


class _Tool(Struct):
    function: _Function = _Function()


_tools = msgspec.json.Decoder(list[_Tool]).decode


def decode(body: bytes, *, name: str) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    value = members(read(body))
    fields = _fields(body)
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("model: is missing; name a route or a model", param="model")
    if name == "ollama-chat" and not isinstance(value.get("messages"), list):
        raise InvalidRequest("messages: expected a list", param="messages")
    for member, kind in (("options", dict), ("stream", bool), ("tools", list)):
        if value.get(member) is not None and not isinstance(value[member], kind):
            raise InvalidRequest(f"{member}: expected {_KINDS[kind]}", param=member)
    stream = value.get("stream") is not False
    images = _images(value)
    text = ("prompt", "system", "tools") if images else ("messages", "prompt", "system", "tools")
    size = sum(len(memoryview(fields[member])) for member in text if member in fields)
    if images:
        size += sum(len(word(members(m).get("content"))) for m in items(value.get("messages")))
    most = number(members(value.get("options")).get("num_predict"))
    return Request(
        dialect=name,
        model=model,
        stream=stream,
        needs=frozenset(_needs(value, stream, images)),
        prompt_tokens=size // BYTES_PER_TOKEN + images * MEDIA_TOKENS + 1,
        max_output_tokens=most if most and most > 0 else None,
        choices=1,
        wants_usage=True,
        subject=None,
        fields=fields,
    )


_KINDS = {dict: "an object", bool: "true or false", list: "a list"}


def _images(value: dict[str, Any]) -> int:
    said = [members(message).get("images") for message in items(value.get("messages"))]
    return sum(len(items(one)) for one in (*said, value.get("images")))


def _needs(value: dict[str, Any], stream: bool, images: int) -> list[Need]:
    needs: dict[Need, object] = {
        "stream": stream,
        "image": images,
        "tools": value.get("tools"),
        "json_object": value.get("format") == "json",
        "json_schema": isinstance(value.get("format"), dict),
    }
    return [need for need, wanted in needs.items() if wanted]


def encode(request: Request, *, model: str) -> bytes:
    """The caller's members verbatim, under the model's name."""
    return _encode({**request.fields, "model": model})


# read


def messages(request: Request) -> tuple[Message, ...]:
    """The conversation; of a single prompt it is one turn."""
    value: dict[str, Any] = _any(_encode({n: request.fields[n] for n in _SAID if n in request.fields}))
    if request.dialect == "ollama-chat":
        return _conversation(items(value.get("messages")))
    parts: list[Part] = [TextPart(word(value.get("prompt"))), *map(_image, items(value.get("images")))]
    system = word(value.get("system"))
    first = (Message("system", (TextPart(system),)),) if system else ()
    return (*first, Message("user", tuple(parts)))


_SAID = ("messages", "prompt", "system", "images")


def _conversation(given: list[Any]) -> tuple[Message, ...]:
    """Calls have no ids before 2026 and results only names: each result answers the first call that waits for one."""
    turns: list[Message] = []
    waiting: list[CallPart] = []
    for number_, value in enumerate(given):
        turn = members(value)
        role = turn.get("role")
        text = word(turn.get("content"))
        if role == "tool":
            name = word(turn.get("tool_name") or turn.get("name"))
            asked = word(turn.get("tool_call_id"))
            call = next((c for c in waiting if asked == c.id or (not asked and name in ("", c.name))), None)
            if call is not None:
                waiting.remove(call)
            id_ = asked or (call.id if call is not None else f"call_{number_}")
            turns.append(Message("tool", (ResultPart(id_, text, name=name),)))
            continue
        parts: list[Part] = []
        if thought := word(turn.get("thinking")):
            parts.append(ReasoningPart(thought))
        if text:
            parts.append(TextPart(text))
        parts += map(_image, items(turn.get("images")))
        calls = [_call(members(c), f"call_{number_}_{at}") for at, c in enumerate(items(turn.get("tool_calls")))]
        waiting += calls
        who: Any = role if role in ("system", "assistant") else "user"
        turns.append(Message(who, (*parts, *calls)))
    return tuple(turns)


def _call(call: dict[str, Any], id_: str) -> CallPart:
    function = members(call.get("function"))
    arguments: Any = function.get("arguments")
    text = arguments if isinstance(arguments, str) else _encode(arguments or {}).decode()
    return CallPart(word(call.get("id")) or id_, word(function.get("name")), text)


def _image(data: object) -> MediaPart:
    text = word(data)
    kind = next((kind for begin, kind in _MAGIC.items() if text.startswith(begin)), IMAGE)
    return MediaPart("image", url=text if text.startswith("data:") else f"data:{kind};base64,{text}", media_type=kind)


EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "max": "max"}


def read_prompt(request: Request) -> Prompt:
    """The request in no dialect."""
    fields = request.fields
    options: dict[str, Any] = members(_any(fields["options"])) if "options" in fields else {}
    known = {member: options[option] for option, member in OPTIONS.items() if _is_number(options.get(option))}
    if (known.get("max_output_tokens") or 0) < 0:  # without end, or to the end of the context
        del known["max_output_tokens"]
    stop = options.get("stop")
    lost = [f"options.{o}" for o in options if o not in OPTIONS and o not in _LOCAL and o not in ("stop", "think")]
    lost += [name for name, raw in fields.items() if name not in _KNOWN and bytes(raw) not in EMPTY]
    think: Any = _any(fields["think"]) if "think" in fields else options.get("think")
    return Prompt(
        messages=messages(request),
        stream=request.stream,
        wants_usage=True,
        tools=_read_tools(fields.get("tools")),
        format=_format(fields.get("format")),
        stop=tuple(word(one) for one in items(stop)),
        thinking=None if think is None else Thinking(enabled=think is not False, effort=EFFORTS.get(str(think))),
        losses=tuple(lost),
        **known,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_tools(raw: Raw | None) -> tuple[Tool, ...]:
    try:
        given = [] if raw is None or bytes(raw) == b"null" else _tools(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"tools: {error}", param="tools") from None
    return tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            schema=None if bytes(tool.function.parameters) in (b"", b"null") else tool.function.parameters,
        )
        for tool in given
    )


def _format(raw: Raw | None) -> Format | None:
    if raw is None or bytes(raw) in EMPTY:
        return None
    if bytes(raw) == b'"json"':
        return Format(kind="json_object")
    return Format(kind="json_schema", name="answer", schema=raw)
