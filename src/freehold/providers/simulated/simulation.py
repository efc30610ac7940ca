"""A simulation: how a simulated provider behaves and what it answers. The settings extend it by a price."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Millis = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Status = Annotated[int, Meta(ge=400, le=599)]

Fault = Literal[
    "status",
    "refused",
    "timeout",
    "html",
    "cut",
    "cut_chunk",
    "half_character",
    "stalled",
    "endless",
    "error_in_stream",
    "malformed",
    "wrong_type",
    "empty",
    "huge_header",
]
"""What can go wrong; `docs/reference/simulated.md` says what each does on the wire."""


class ToolUse(Struct, frozen=True, kw_only=True):
    """A tool that a rule calls. Without `arguments` they are made up to fit the tool's schema."""

    name: str
    arguments: dict[str, Any] | None = None


class Rule(Struct, frozen=True, kw_only=True):
    """What is answered to a prompt that contains a text (or in which a regular expression matches).

    `reply` and the texts in the arguments may use the groups of the expression: `\\1` or `\\g<name>`. `tool_calls`
    come first where the request offers those tools, `reply` once their results are there. `fault` spoils the answer.
    """

    contains: str | None = None
    regex: str | None = None
    reply: str | None = None
    tool_calls: tuple[ToolUse, ...] = ()
    fault: Fault | None = None


class Simulation(Struct, frozen=True, kw_only=True):
    """A simulated provider. Without a rule that fits it says `reply`; `replay` is a file of recorded exchanges.

    `error_rate` of the calls suffer `fault`, by default an answer of `error_status`; `cut_rate` of the streams break
    off. `retry_after` is in seconds. `jitter` is the share by which the times of a request may differ. `answers` is a
    file of known answers, of which `skill` are given right.
    """

    name: str
    seed: int = 0
    ttft_ms: Millis = 0.0
    tokens_per_second: Seconds | None = None
    jitter: Share = 0.0
    error_rate: Share = 0.0
    error_status: Status = 503
    retry_after: Millis | None = None
    fault: Fault = "status"
    cut_rate: Share = 0.0
    reply: str | None = None
    rules: tuple[Rule, ...] = ()
    answers: str | None = None
    skill: Share = 1.0
    replay: str | None = None
