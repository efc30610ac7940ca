"""Tokens counted by a provider, in one normal form."""

from msgspec import Struct

STANDARD = "standard"
"""The service that a request gets where nobody asks for another."""

_STANDARD = frozenset({"", "auto", "default", "on_demand", "standard", "standard_only"})


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the provider counted.

    `input_tokens` is the whole prompt; the cache, audio and image counts are parts of it, not additions to it.
    `cache_write_1h_tokens` are those of `cache_write_tokens` that live for an hour. `output_tokens` is all that was
    generated; `reasoning_tokens` and the audio and image counts are parts of it. `searches` are those that the
    provider made. The `free` counts are parts for which it does not charge. `service` and `region` are where it says
    it was served ('' where it does not say).
    `stated_cost` is what the provider says it charged, in nano-dollars, where it says so.
    `estimated` is true where the provider did not count and we did.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    reasoning_tokens: int = 0
    searches: int = 0
    free_input_tokens: int = 0
    free_output_tokens: int = 0
    service: str = ""
    region: str = ""
    stated_cost: int | None = None
    estimated: bool = False


def service(tier: object) -> str:
    """A service tier as a request or an answer names it, under the name it has in price lists; '' for none."""
    if not isinstance(tier, str) or not tier:
        return ""
    return STANDARD if tier.lower() in _STANDARD else tier.lower()[:32]
