"""Reasoning details: the place for sealed reasoning in chat completions, as OpenRouter made it
(openrouter.ai/docs/use-cases/reasoning-tokens). An entry is text, a summary, or encrypted; entries of one `index` are
pieces of one thought. A provider's own entries are kept whole in a seal; a foreign seal is an encrypted entry."""

from typing import Any

import msgspec

from freehold.core.request import ReasoningPart
from freehold.core.seal import Seal
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.seals import unwrap, wrap

_Members = dict[str, Any]
_TEXTS = ("text", "summary")


def seal_of(entry: _Members) -> Seal | None:
    """What of an entry only its provider can read: everything but its text; None where it has nothing of the kind."""
    if not (entry.get("signature") or entry.get("data")):
        return None
    ours = unwrap(word(entry.get("data")))
    if ours is not None:
        return ours
    kept = {name: value for name, value in entry.items() if name not in _TEXTS}
    return Seal(form="openrouter", data=msgspec.json.encode(kept).decode(), redacted="data" in entry)


def detail_of(text: str, seal: Seal | None) -> _Members:
    """The entry that a provider gave, put together again."""
    entry: _Members = {} if seal is None else _kept(seal)
    if text:
        entry["summary" if entry.get("type") == "reasoning.summary" else "text"] = text
    entry.setdefault("type", "reasoning.text")
    return entry


def _kept(seal: Seal) -> _Members:
    """The members of an entry; none where a caller made something up."""
    try:
        return members(msgspec.json.decode(seal.data))
    except msgspec.DecodeError:
        return {}


def foreign_detail(text: str, seal: Seal | None, *, account: str, index: int) -> _Members:
    """An entry for a thought of a provider that speaks another dialect."""
    if seal is None:
        return {"type": "reasoning.text", "text": text, "index": index}
    entry: _Members = {"type": "reasoning.encrypted", "data": wrap(seal, account), "index": index}
    return entry | ({"text": text} if text else {})


def thoughts(details: object) -> list[ReasoningPart]:
    """The thoughts in the entries that a caller sends back."""
    texts: dict[int, list[str]] = {}
    seals: dict[int, Seal] = {}
    for place, value in enumerate(items(details)):
        entry = members(value)
        index = number(entry.get("index"))
        index = place if index is None else index
        texts.setdefault(index, []).extend(t for name in _TEXTS if (t := word(entry.get(name))))
        if (seal := seal_of(entry)) is not None:
            seals[index] = seal
    return [ReasoningPart("".join(said), seals.get(index)) for index, said in texts.items()]


def signature_of(extra: object) -> Seal | None:
    """The signature of a call, where Gemini's chat completions have it (ai.google.dev/gemini-api/docs/openai)."""
    signature = word(members(members(extra).get("google")).get("thought_signature"))
    if not signature:
        return None
    return unwrap(signature) or Seal(form="gemini", data=signature)


def signed(seal: Seal, account: str = "") -> _Members:
    """The same, written; wrapped where it comes from the `account` of a provider that speaks another dialect."""
    return {"google": {"thought_signature": wrap(seal, account) if account else seal.data}}
