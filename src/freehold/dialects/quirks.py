"""Quirks: where a provider differs from the dialect it speaks. Data, never a branch on a provider's name.

The defaults understand the widest compatible set, so that an unknown server that speaks a dialect just works.
"""

from typing import Literal

from msgspec import Struct

Place = Literal["shown", "inside", "outside"]
"""Whether one count includes another: as the numbers show it, always, never."""


class Quirks(Struct, frozen=True, kw_only=True):
    """`stream_usage`: the server knows `stream_options.include_usage`. `max_tokens`: the name under which it wants the
    limit ('' as the caller wrote it). `cached_outside`: cached tokens are counted beside the prompt, not in it.
    `reasoning`: whether the completion's count includes reasoning. `reasoning_back`: the member of an assistant's turn
    in which the server wants its reasoning of earlier turns again ('' where it does not). `cache_control`: it takes
    marks for caching on parts. `claude_code`: it takes what Claude Code sends for Anthropic
    alone: its billing block, and names of users of any length. `anthropic_version`: Messages are sent
    as clouds take them, with this in the body and the model in the path. `header_values`: of these headers of a caller,
    which are lists, only these values go on. `links`: it takes images by URL, not only inline.
    """

    stream_usage: bool = True
    max_tokens: str = ""
    cached_outside: bool = False
    reasoning: Place = "shown"
    reasoning_back: str = ""
    cache_control: bool = False
    claude_code: bool = False
    anthropic_version: str = ""
    header_values: dict[str, tuple[str, ...]] = {}
    links: bool = True
