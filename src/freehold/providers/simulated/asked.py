"""What was asked of a simulated provider: the fields of an `openai-chat` request that change its answer."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from freehold.core.errors import InvalidRequest

CHARACTERS = 4
"""A token of a simulated provider is this many characters: easy to check by hand."""


class Part(Struct, frozen=True):
    type: str = ""
    text: str | None = None


class Called(Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class PastCall(Struct, frozen=True):
    function: Called = Called()


class Turn(Struct, frozen=True):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[PastCall] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(p.text for p in self.content or () if p.text)


class Function(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Struct, frozen=True):
    type: str
    function: Function | None = None


class Choice(Struct, frozen=True):
    """`tool_choice` as an object: call this function. Its other kinds are taken as `auto`."""

    function: Called | None = None


class Shape(Struct, frozen=True):
    name: str = ""
    schema: dict[str, Any] | None = None


class Format(Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Shape | None = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """A request. Unknown fields are ignored, as providers do; a known one of the wrong type is refused."""

    model: str
    messages: Annotated[list[Turn], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None

    @property
    def prompt(self) -> str:
        """The text of the last message of the user."""
        return next((turn.text for turn in reversed(self.messages) if turn.role == "user"), "")

    @property
    def results(self) -> list[str]:
        """The results of tools that this turn answers; none where the user spoke last."""
        texts: list[str] = []
        for turn in reversed(self.messages):
            if turn.role != "tool":
                break
            texts.insert(0, turn.text)
        return texts

    @property
    def functions(self) -> dict[str, Function]:
        """The offered tools that are functions, by name."""
        return {t.function.name: t.function for t in self.tools or () if t.function is not None}

    @property
    def named(self) -> str | None:
        """The one function that the caller insists on."""
        choice = self.tool_choice
        return choice.function.name if isinstance(choice, Choice) and choice.function is not None else None

    @property
    def limit(self) -> int | None:
        """Tokens of output at most."""
        return self.max_completion_tokens or self.max_tokens


_DECODER = msgspec.json.Decoder(Asked)


def read(body: bytes) -> Asked:
    """The request in `body`; InvalidRequest names what is wrong with it."""
    try:
        asked = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        text, _, field = str(error).replace("`", "'").partition(" - at '$")
        raise InvalidRequest(text, param=field.strip(".'") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body of the request is not JSON: {error}") from None
    if asked.named is not None and asked.named not in asked.functions:
        raise InvalidRequest(f"tool_choice names '{asked.named}', which is not among the tools", param="tool_choice")
    return asked


def tokens(text: str) -> int:
    """How many tokens a text is."""
    return -(-len(text) // CHARACTERS)


def prompt_tokens(asked: Asked) -> int:
    """Tokens of all the text in the request, and of the offered tools as JSON. Media are not counted."""
    size = 0
    for turn in asked.messages:
        size += tokens(turn.text)
        for call in turn.tool_calls or ():
            size += tokens(call.function.name) + tokens(call.function.arguments)
    if asked.tools:
        size += tokens(msgspec.json.encode(asked.tools).decode())
    return size
