"""Requests of OpenAI Responses (platform.openai.com/docs/api-reference/responses/create)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Need, Request
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.openai_chat.request import BYTES_PER_TOKEN, MEDIA_TOKENS, MOST_TOKENS
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import unwrap
from freehold.dialects.strict_json import read, wrong

NAME = "openai-responses"
CONTINUED = "freehold_previous_response_id"
"""The member in which a request whose history was put into its input keeps the id that it continued: for the answer
to name, never sent."""
LOGPROBS = "message.output_text.logprobs"


class _View(Struct):
    """The members that decide something here; everything else passes unseen."""

    model: str
    input: str | list[Any] | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    text: Any = None
    include: list[Any] | None = None
    max_output_tokens: int | None = None
    top_logprobs: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None


_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_COUNTED = ("instructions", "input", "tools")
_MEDIA: dict[object, Need] = {"input_image": "image", "input_file": "file", "input_audio": "audio"}
_DATA = ("image_url", "file_data")
_FORMATS: dict[object, Need] = {"json_schema": "json_schema", "json_object": "json_object"}
_NONE: frozenset[Need] = frozenset()


def decode(body: bytes) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    view = _view(read(body))
    fields = _fields(body)
    needs, media, inline = _needs(view)
    size = sum(len(memoryview(fields[name])) for name in _COUNTED if name in fields) - inline
    return Request(
        dialect=NAME,
        model=view.model,
        stream=view.stream is True,
        needs=needs,
        prompt_tokens=max(size, 0) // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1,
        max_output_tokens=view.max_output_tokens or None,
        choices=1,
        wants_usage=True,
        subject=view.safety_identifier or view.user,
        fields=fields,
    )


def _view(value: Any) -> _View:
    """The members that decide something, or InvalidRequest."""
    try:
        view = msgspec.convert(value, _View)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    if not view.model:
        raise InvalidRequest("model: is empty; name a route or a model", param="model")
    if view.input in (None, "", []) and not (view.previous_response_id or view.conversation or view.prompt):
        raise InvalidRequest("input: is empty; send a text or items", param="input")
    most = view.max_output_tokens
    if most is not None and not 0 <= most <= MOST_TOKENS:
        raise InvalidRequest(f"max_output_tokens: expected 0 to {MOST_TOKENS}, got {most}", param="max_output_tokens")
    return view


def _needs(view: _View) -> tuple[frozenset[Need], int, int]:
    """What the request cannot do without, how many media it holds, and the bytes of those that are in it."""
    needs: set[Need] = set()
    media = inline = 0
    for part in _parts(view.input) if isinstance(view.input, list) else ():
        need = _MEDIA.get(part.get("type"))
        if need is not None:
            needs.add(need)
            media += 1
            inline += sum(len(data) for name in _DATA if isinstance(data := part.get(name), str))
            inline += len(str(members(part.get("input_audio")).get("data") or ""))
    if view.tools:
        needs.add("tools")
    if (form := _FORMATS.get(members(members(view.text).get("format")).get("type"))) is not None:
        needs.add(form)
    if view.stream:
        needs.add("stream")
    if view.top_logprobs or LOGPROBS in (view.include or ()):
        needs.add("logprobs")
    return (frozenset(needs) if needs else _NONE), media, inline


def _parts(given: list[Any]) -> Iterator[dict[str, Any]]:
    """The parts of messages, and of what tools said."""
    for item in given:
        said = members(item)
        for name in ("content", "output"):
            if type(said.get(name)) is list:
                yield from map(members, items(said[name]))


def encode(request: Request, *, model: str, quirks: Quirks) -> bytes:
    """The body for a provider: the caller's members verbatim, with only what has to change, changed.

    Reasoning that comes from a provider which speaks another dialect means nothing to this one: it is left out.
    """
    out: list[bytes] = []
    for name, raw in request.fields.items():
        if name == "model":
            out.append(b'"model":' + _encode(model))
        elif name == "input" and b"fh1." in memoryview(raw).tobytes():
            out.append(b'"input":' + _encode(unsealed(_decode(raw))))
        elif name != CONTINUED:
            out.append((_NAMES.get(name) or _named(name)) + raw)
    return b"{%b}" % b",".join(out)


def unsealed(given: Any) -> Any:
    """An input without reasoning that is sealed for a provider of another dialect, or of another account."""
    return given if isinstance(given, str) else [item for item in items(given) if not sealed(item)]


def sealed(item: object) -> bool:
    """Whether an item is reasoning in a wrapped seal."""
    said = members(item)
    data = said.get("encrypted_content")
    return said.get("type") == "reasoning" and isinstance(data, str) and unwrap(data) is not None


_NAMES: dict[str, bytes] = {}
"""Names of members as they are written before a value; the same few come with every request."""


def _named(name: str) -> bytes:
    written = _encode(name) + b":"
    if len(_NAMES) < 256 and len(name) < 64:
        _NAMES[name] = written
    return written
