"""What a caller asked: a typed view for decisions, and every original field verbatim."""

from typing import Literal

from msgspec import Raw, Struct

Need = Literal["tools", "json_schema", "json_object", "image", "audio", "file", "logprobs", "stream", "n"]
"""A capability that a request cannot do without."""


class Request(Struct, frozen=True, kw_only=True):
    """One request as its caller sent it.

    `fields` holds the top-level members of the body in their order, each value as the bytes the caller wrote.
    `prompt_tokens` is our estimate before any provider has counted. `max_output_tokens` is None where the caller
    set none. `wants_usage`: the caller asked for usage in the stream.
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


class TextPart(Struct, frozen=True, tag="text"):
    text: str


class MediaPart(Struct, frozen=True, tag="media"):
    """An image, sound or file: by URL, or inline as base64 (`data:` URL), or by the provider's file id."""

    kind: Literal["image", "audio", "file"]
    url: str = ""
    media_type: str = ""
    file_id: str = ""


class CallPart(Struct, frozen=True, tag="tool_call"):
    id: str
    name: str
    arguments: str


class ResultPart(Struct, frozen=True, tag="tool_result"):
    id: str
    text: str


class ReasoningPart(Struct, frozen=True, tag="reasoning"):
    text: str


Part = TextPart | MediaPart | CallPart | ResultPart | ReasoningPart


class Message(Struct, frozen=True):
    """One turn: who spoke, and the parts in their order."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.parts if isinstance(p, TextPart | ResultPart))
