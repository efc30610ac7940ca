"""What is asked, in no dialect: all that the dialects can say in one form or another. They are read into it and
written from it, so that each needs one reader and one writer."""

from typing import Literal

from msgspec import Raw, Struct

from freehold.core.request import Message

Effort = Literal["none", "minimal", "low", "medium", "high", "max"]


class Tool(Struct, frozen=True, kw_only=True):
    """Something that the model may call. `schema` is the JSON schema of its arguments.

    A `custom` tool takes plain text. A `builtin` one runs at the provider: `original` is how its own dialect says it.
    """

    name: str
    kind: Literal["function", "custom", "builtin"] = "function"
    description: str = ""
    schema: Raw | None = None
    strict: bool | None = None
    original: Raw | None = None
    cache: str = ""


class ToolChoice(Struct, frozen=True):
    """auto: as the model likes; none: no tool; required: any tool; named: this one."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


class Format(Struct, frozen=True, kw_only=True):
    """The form of the answer: any JSON object, or one of a schema."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: Raw | None = None
    strict: bool | None = None


class Thinking(Struct, frozen=True, kw_only=True):
    """How much the model should reason: by word, by tokens, or as it likes (both None); and whether to say what.

    `summary`: 'auto', 'concise', 'detailed', or '' for none asked.
    """

    enabled: bool = True
    effort: Effort | None = None
    budget: int | None = None
    summary: str = ""


class Prompt(Struct, frozen=True, kw_only=True):
    """A request in no dialect. What is None or empty was not said.

    `subject` is the end user's name for abuse control. `losses` are members of the original that have no place here,
    each by its name in the caller's dialect.
    """

    messages: tuple[Message, ...]
    stream: bool = False
    wants_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    thinking: Thinking | None = None
    verbosity: str = ""
    service_tier: str = ""
    subject: str | None = None
    metadata: dict[str, str] = {}
    losses: tuple[str, ...] = ()
