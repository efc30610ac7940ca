"""Where the requests of a dialect hold seals; and a request without those that another account issued.

A provider's own seals come back from callers as they were given: nothing in them says which account they are from.
Those that were given out in another dialect come back wrapped, and do.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.dialects.bedrock_converse.answer import content_of, redacted
from freehold.dialects.gemini_generate.foreign import UNSIGNED, seal_of, version
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat import details
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.seals import unwrap

_Members = dict[str, Any]
Foreign = Callable[[Seal], bool]
Keep = Callable[[Seal], Seal | None]
"""The seal as it is to be written: itself where it stays as it is, None where it goes."""


class _Place(Struct, frozen=True):
    """`member` holds the turns; one of `signs` is in its bytes where there is a seal. `mend` takes out of a turn
    those that do not stay, for a model, and says whether anything of the turn is left."""

    member: str
    signs: tuple[bytes, ...]
    mend: Callable[[_Members, Keep, str], bool]


def held(request: Request) -> list[Seal]:
    """Every seal that a request holds, in its order. One that we wrapped names its account."""
    if not _signed(request):
        return []
    found: list[Seal] = []

    def note(seal: Seal) -> Seal:
        found.append(seal)
        return seal

    _mended(request, note, "")
    return found


def without(request: Request, foreign: Foreign, model: str, *, bare: bool = False) -> Request:
    """The request without the seals that are `foreign` to whom it is for, and the thoughts that cannot do without
    them; itself where none is. `model`: for which it is meant. `bare`: the seals that stay are unwrapped, for the one
    that gave them."""
    if not _signed(request):
        return request
    changed = False

    def keep(seal: Seal) -> Seal | None:
        nonlocal changed
        if foreign(seal):
            changed = True
            return None
        if bare and seal.account:
            changed = True
            return replace(seal, account="")
        return seal

    turns = _mended(request, keep, model)
    if not changed:
        return request
    return replace(request, fields=request.fields | {_PLACES[request.dialect].member: Raw(msgspec.json.encode(turns))})


def _mended(request: Request, keep: Keep, model: str) -> list[Any]:
    """The turns of a request with the seals that stay."""
    place = _PLACES[request.dialect]
    value: Any = msgspec.json.decode(request.fields[place.member])
    return [turn for turn in items(value) if not members(turn) or place.mend(members(turn), keep, model)]


def _signed(request: Request) -> bool:
    """Whether there may be a seal; most requests have none, and pay for this look alone."""
    place = _PLACES.get(request.dialect)
    raw = None if place is None else request.fields.get(place.member)
    if place is None or raw is None:
        return False
    written = bytes(raw)
    for sign in place.signs:  # noqa: SIM110 -- half the time of any()
        if sign in written:
            return True
    return False


def mark(seal: Seal) -> bytes:
    """What of a seal stays the same whoever writes it down: clients of chat put the pieces of an entry together."""
    if seal.form == "openrouter":
        try:
            entry = members(msgspec.json.decode(seal.data))
        except (msgspec.MsgspecError, RecursionError):  # a caller made it up
            entry = {}
        return (word(entry.get("data")) or word(entry.get("signature")) or seal.data).encode()
    return seal.data.encode()


def _blocks(stays: Callable[[_Members, Keep], bool]) -> Callable[[_Members, Keep, str], bool]:
    """Turns of Messages and of Converse, block by block."""

    def mend(turn: _Members, keep: Keep, model: str) -> bool:
        if not isinstance(turn.get("content"), list) or turn.get("role") != "assistant":
            return True
        turn["content"] = kept = [b for b in items(turn["content"]) if stays(members(b), keep)]
        return bool(kept)

    return mend


def _thinking(block: _Members, keep: Keep) -> bool:
    """A block of Messages: thinking goes whole, since it is nothing without its signature."""
    name = {"thinking": "signature", "redacted_thinking": "data"}.get(word(block.get("type")))
    data = word(block.get(name)) if name else ""
    return not data or not name or _stays(block, name, unwrap(data) or Seal("anthropic", data), keep)


def _stays(holder: _Members, name: str, seal: Seal, keep: Keep) -> bool:
    """Whether a seal stays; it is written anew where it is not as it was."""
    kept = keep(seal)
    if kept is not None and kept is not seal:
        holder[name] = kept.data
    return kept is not None


def _responses(item: _Members, keep: Keep, model: str) -> bool:
    data = word(item.get("encrypted_content")) if item.get("type") == "reasoning" else ""
    if not data:
        return True
    seal = unwrap(data) or Seal("openai", data)
    stays = _stays(item, "encrypted_content", seal, keep)
    if stays and seal.id:
        item["id"] = seal.id
    return stays


def _chat(message: _Members, keep: Keep, model: str) -> bool:
    entries = message.get("reasoning_details")
    if isinstance(entries, list):
        every = items(message["reasoning_details"])
        message["reasoning_details"] = kept = [entry for entry in every if _detail(entry, keep)]
        if every and not kept:
            del message["reasoning_details"]
    for signed in (message, *map(members, items(message.get("tool_calls")))):
        seal = details.signature_of(signed.get("extra_content"))
        if seal is not None and not _stays(signed["extra_content"]["google"], "thought_signature", seal, keep):
            del signed["extra_content"]["google"]["thought_signature"]
    return True


def _detail(entry: Any, keep: Keep) -> bool:
    said = members(entry)
    seal = details.seal_of(said)
    if seal is None:
        return True
    kept = keep(seal)
    if kept is not None and kept is not seal:
        text = word(said.get("text"))
        said.clear()
        said.update(details.detail_of(text, kept))
    return kept is not None


def _gemini(content: _Members, keep: Keep, model: str) -> bool:
    if not isinstance(content.get("parts"), list):
        return True
    content["parts"] = kept = [p for p in items(content["parts"]) if _part(members(p), keep, model)]
    return bool(kept)


def _part(part: _Members, keep: Keep, model: str) -> bool:
    """Mend the signature of a part; whether anything is left of it."""
    name = next((name for name in part if camel(name) == "thoughtSignature"), None)
    seal = None if name is None else seal_of(part[name])
    if name is None or seal is None or _stays(part, name, seal, keep):
        return True
    del part[name]
    said = spelt(part)
    if "functionCall" in said and version(model) >= (3, 0):
        part["thoughtSignature"] = UNSIGNED
    return not said.get("thought") and any(value not in ("", None) for value in part.values())


def _reasoned(block: _Members, keep: Keep) -> bool:
    """A block of Converse; what is encrypted stands there in base64."""
    said = members(block.get("reasoningContent"))
    if hidden := word(said.get("redactedContent")):
        own = redacted(hidden)
        seal = unwrap(own.data) or own
        kept = keep(seal)
        if kept is not None and kept is not seal:
            said["redactedContent"] = content_of(kept)
        return kept is not None
    told = members(said.get("reasoningText"))
    data = word(told.get("signature"))
    return not data or _stays(told, "signature", unwrap(data) or Seal("anthropic", data), keep)


_PLACES = {
    "anthropic-messages": _Place("messages", (b'"signature"', b"redacted_thinking"), _blocks(_thinking)),
    "openai-responses": _Place("input", (b'"encrypted_content"',), _responses),
    "openai-chat": _Place("messages", (b'"reasoning_details"', b'"thought_signature"'), _chat),
    "bedrock-converse": _Place("messages", (b'"signature"', b"redactedContent"), _blocks(_reasoned)),
    "gemini-generate": _Place("contents", (b'"thoughtSignature"', b'"thought_signature"'), _gemini),
}
