"""What a caller asked: a typed view for decisions, and every original field verbatim."""

from typing import Literal

from msgspec import Raw, Struct

from freehold.core.seal import Seal

Need = Literal["tools", "json_schema", "json_object", "image", "audio", "file", "logprobs", "stream", "n"]
"""A capability that a request cannot do without."""

Framing = Literal["sse", "array"]
"""How a stream is framed: as server-sent events, or as one JSON array."""


class Request(Struct, frozen=True, kw_only=True):
    """One request as its caller sent it.

    `fields` holds the top-level members of the body in their order, each value as the bytes the caller wrote.
    `prompt_tokens` is our estimate before any provider has counted. `max_output_tokens` is None where the caller
    set none. `wants_usage`: the caller asked for usage in the stream. `framing`: how it wants the stream, where its
    dialect has more than one way.
    """

    dialect: str
    model: str
    stream: bool
    needs: frozenset[Need]
    prompt_tokens: int
    max_output_tokens: int | None
    choices: int
    wants_usage: bool
    subject: str | None
    fields: dict[str, Raw]
    framing: Framing = "sse"


class TextPart(Struct, frozen=True, tag="text"):
    """`cache`: the caller marks the prompt up to here for caching, for so long: '5m', '1h', or '' for no mark."""

    text: str
    cache: str = ""
    seal: Seal | None = None


class MediaPart(Struct, frozen=True, tag="media"):
    """An image, sound or file: by URL, or inline as base64 (`data:` URL), or by the provider's file id.

    `name` is the file's; `detail` how closely an image is looked at ('low', 'high', 'auto').
    """

    kind: Literal["image", "audio", "file"]
    url: str = ""
    media_type: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: str = ""


class CallPart(Struct, frozen=True, tag="tool_call"):
    """A tool that the model called. `arguments` is JSON text, or plain text for a `custom` tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    cache: str = ""
    seal: Seal | None = None


class ResultPart(Struct, frozen=True, tag="tool_result"):
    """What a tool said. `name` is the tool's, where the dialect says it; `error`: it failed."""

    id: str
    text: str
    media: tuple[MediaPart, ...] = ()
    name: str = ""
    error: bool = False
    cache: str = ""


class ReasoningPart(Struct, frozen=True, tag="reasoning"):
    """What the model thought, sent back. `text` may be a summary; `seal` is what only its provider can read."""

    text: str
    seal: Seal | None = None


Part = TextPart | MediaPart | CallPart | ResultPart | ReasoningPart


class Message(Struct, frozen=True):
    """One turn: who spoke, and the parts in their order. `name` tells speakers of one role apart."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.parts if isinstance(p, TextPart | ResultPart))
