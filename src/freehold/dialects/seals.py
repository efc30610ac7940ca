"""Seals on their way through a caller that speaks another dialect: wrapped so that they say where they are from.

A wrapped seal is `fh1.ACCOUNT.FORM.ID.FLAGS.DATA`: opaque to callers, who only send it back.
"""

from typing import Any, cast
from urllib.parse import quote, unquote

from msgspec.structs import replace

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, Message, Part, ReasoningPart, TextPart
from freehold.core.seal import Seal

_MARK = "fh1."
LOST = "reasoning signature of another provider"


def wrap(seal: Seal, account: str) -> str:
    """The text that stands for a seal in a dialect that is not its own."""
    names = (quote(name, safe="") for name in (account, seal.form, seal.id))
    escaped = [name.replace(".", "%2E") for name in names]
    return f"{_MARK}{'.'.join(escaped)}.{'r' if seal.redacted else ''}.{seal.data}"


def unwrap(text: str) -> Seal | None:
    """The seal in a text that `wrap` made; None for any other text."""
    if not text.startswith(_MARK):
        return None
    parts = text[len(_MARK) :].split(".", 4)
    if len(parts) != 5:
        return None
    account, form, id_ = map(unquote, parts[:3])
    if form not in ("anthropic", "gemini", "openai", "openrouter"):
        return None
    return Seal(form=form, data=parts[4], account=account, id=id_, redacted=parts[3] == "r")


def own(prompt: Prompt, account: str, form: str) -> Prompt:
    """Only the seals that `account`, which speaks a dialect of this form, issued itself; a loss where any is dropped.

    Of a seal whose issuer is not known the form decides. Reasoning without readable text goes with its seal.
    """
    dropped = False
    messages: list[Message] = []
    for message in prompt.messages:
        parts: list[Part] = []
        for part in message.parts:
            seal = part.seal if isinstance(part, TextPart | CallPart | ReasoningPart) else None
            if seal is None or seal.account == account or (not seal.account and seal.form == form):
                parts.append(part)
                continue
            dropped = True
            if not isinstance(part, ReasoningPart) or part.text:
                parts.append(cast(Part, replace(cast(Any, part), seal=None)))
        messages.append(replace(message, parts=tuple(parts)))
    if not dropped:
        return prompt
    return replace(prompt, messages=tuple(messages), losses=(*prompt.losses, LOST))
