"""Seals: what a provider signed or encrypted for itself, and must get back exactly or not at all."""

from typing import Literal

from msgspec import Struct

Form = Literal["anthropic", "gemini", "openai", "openrouter"]
"""Whose it is: a thinking signature, a thought signature, encrypted reasoning, reasoning details."""


class Seal(Struct, frozen=True, gc=False):
    """Signed or encrypted reasoning, as its provider gave it.

    `account` is the one that issued it ('' where nobody knows): no other can read it. `id` is the provider's name for
    the item; `redacted`: there is no readable text to it.
    """

    form: Form
    data: str
    account: str = ""
    id: str = ""
    redacted: bool = False
