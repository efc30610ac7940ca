"""Where the requests of a dialect hold seals; and a request without those that another account issued.

A provider's own seals come back from callers as they were given: nothing in them says which account they are from.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.dialects.gemini_generate.foreign import UNSIGNED, seal_of, version
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat import details
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.seals import unwrap

_Members = dict[str, Any]
Foreign = Callable[[Seal], bool]


class _Place(Struct, frozen=True):
    """`member` holds the turns; one of `signs` is in its bytes where there is a seal. `mend` takes the foreign ones out
    of a turn, for a model, and says whether anything of the turn is left."""

    member: str
    signs: tuple[bytes, ...]
    mend: Callable[[_Members, Foreign, str], bool]


def held(request: Request) -> list[Seal]:
    """Every seal that a request holds, in its order. One that we wrapped names its account."""
    if not _signed(request):
        return []
    found: list[Seal] = []

    def note(seal: Seal) -> bool:
        found.append(seal)
        return False

    without(request, note, "")
    return found


def without(request: Request, foreign: Foreign, model: str) -> Request:
    """The request without the seals that are `foreign` to whom it is for, and the thoughts that cannot do without
    them; itself where none is. `model`: for which it is meant."""
    if not _signed(request):
        return request
    place = _PLACES[request.dialect]
    dropped = 0

    def told(seal: Seal) -> bool:
        nonlocal dropped
        drop = foreign(seal)
        dropped += drop
        return drop

    value: Any = msgspec.json.decode(request.fields[place.member])
    turns = [turn for turn in items(value) if not members(turn) or place.mend(members(turn), told, model)]
    if not dropped:
        return request
    return replace(request, fields=request.fields | {place.member: Raw(msgspec.json.encode(turns))})


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


def _messages(turn: _Members, foreign: Foreign, model: str) -> bool:
    """A turn of Messages: thinking goes whole, since it is nothing without its signature."""
    if not isinstance(turn.get("content"), list) or turn.get("role") != "assistant":
        return True
    turn["content"] = kept = [b for b in items(turn["content"]) if not _thinking(members(b), foreign)]
    return bool(kept)


def _thinking(block: _Members, foreign: Foreign) -> bool:
    name = {"thinking": "signature", "redacted_thinking": "data"}.get(word(block.get("type")))
    data = word(block.get(name)) if name else ""
    return bool(data) and foreign(unwrap(data) or Seal("anthropic", data))


def _responses(item: _Members, foreign: Foreign, model: str) -> bool:
    data = word(item.get("encrypted_content")) if item.get("type") == "reasoning" else ""
    return not data or not foreign(unwrap(data) or Seal("openai", data))


def _chat(message: _Members, foreign: Foreign, model: str) -> bool:
    entries = message.get("reasoning_details")
    if isinstance(entries, list):
        seals = [(entry, details.seal_of(members(entry))) for entry in items(message["reasoning_details"])]
        kept = [entry for entry, seal in seals if seal is None or not foreign(seal)]
        if len(kept) < len(seals):
            message["reasoning_details"] = kept
            if not kept:
                del message["reasoning_details"]
    for signed in (message, *map(members, items(message.get("tool_calls")))):
        seal = details.signature_of(signed.get("extra_content"))
        if seal is not None and foreign(seal):
            del signed["extra_content"]["google"]["thought_signature"]
    return True


def _gemini(content: _Members, foreign: Foreign, model: str) -> bool:
    if not isinstance(content.get("parts"), list):
        return True
    content["parts"] = kept = [p for p in items(content["parts"]) if _part(members(p), foreign, model)]
    return bool(kept)


def _part(part: _Members, foreign: Foreign, model: str) -> bool:
    """Take the signature from a part; whether anything is left of it."""
    name = next((name for name in part if camel(name) == "thoughtSignature"), None)
    seal = None if name is None else seal_of(part[name])
    if name is None or seal is None or not foreign(seal):
        return True
    del part[name]
    said = spelt(part)
    if "functionCall" in said and version(model) >= (3, 0):
        part["thoughtSignature"] = UNSIGNED
    return not said.get("thought") and any(value not in ("", None) for value in part.values())


_PLACES = {
    "anthropic-messages": _Place("messages", (b'"signature"', b"redacted_thinking"), _messages),
    "openai-responses": _Place("input", (b'"encrypted_content"',), _responses),
    "openai-chat": _Place("messages", (b'"reasoning_details"', b'"thought_signature"'), _chat),
    "gemini-generate": _Place("contents", (b'"thoughtSignature"', b'"thought_signature"'), _gemini),
}
