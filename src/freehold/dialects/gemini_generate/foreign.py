"""Seals in Gemini's place for them: the thought signature of a part, which is base64 of what nobody else can read
(ai.google.dev/gemini-api/docs/thought-signatures).

What another provider sealed is written as base64 of the wrapped seal; SDKs decode and encode it again, in either
alphabet of base64 (RFC 4648, sections 4 and 5).
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.seal import Seal
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.seals import unwrap, wrap

UNSIGNED = "skip_thought_signature_validator"
"""What Google says to send in place of the signature of a call that no Gemini 3 model made (see the page above, in the
answer to how a history of another model is taken over)."""

_WRAPPED = b'"ZmgxL'  # how base64 of a wrapped seal begins
_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_LATEST = re.compile(r"gemini-[a-z-]*latest")


def version(model: str) -> tuple[int, int]:
    """The generation of a model, (2, 5) for gemini-2.5-flash; (0, 0) where its name does not say one."""
    name = model.lower()
    if found := _VERSION.search(name):
        return int(found[1]), int(found[2] or 0)
    return (3, 0) if _LATEST.search(name) else (0, 0)


def seal_of(signature: object) -> Seal | None:
    """The seal in a thought signature; None without one."""
    text = word(signature)
    if not text or text == UNSIGNED:
        return None
    if text.startswith(_WRAPPED[1:].decode()):
        try:
            ours = unwrap(b64decode(text.replace("-", "+").replace("_", "/") + "==").decode())
        except (Error, ValueError):
            ours = None
        if ours is not None:
            return ours
    return Seal("gemini", text)


def signature_of(seal: Seal, account: str = "") -> str:
    """The thought signature that says a seal: as it was given; wrapped where it comes from the `account` of a provider
    that speaks another dialect."""
    if not account:
        return seal.data
    return b64encode(wrap(seal, seal.account or account).encode()).decode()


def without_foreign(contents: Raw, model: str) -> Raw:
    """The contents of a request without what other providers sealed, which Gemini would refuse. What it sealed itself,
    and gave out through another dialect, is unwrapped. The bytes stay as they are where there is nothing of the kind.
    """
    if _WRAPPED not in bytes(contents):
        return contents
    value: Any = msgspec.json.decode(contents)
    for content in map(members, items(value)):
        if isinstance(content.get("parts"), list):
            content["parts"] = [part for part in items(content["parts"]) if _kept(members(part), model)]
    return Raw(msgspec.json.encode(value))


def _kept(part: dict[str, Any], model: str) -> bool:
    """Mend the signature of a part; whether the part stays: thoughts of others, and empty ones, go."""
    name = next((name for name in part if camel(name) == "thoughtSignature"), None)
    seal = None if name is None else seal_of(part[name])
    if name is None or seal is None or seal.data == part[name]:
        return True
    if seal.form == "gemini":
        part[name] = seal.data
        return True
    del part[name]
    said = spelt(part)
    if "functionCall" in said and version(model) >= (3, 0):
        part["thoughtSignature"] = UNSIGNED
    return not said.get("thought") and any(value not in ("", None) for value in part.values())
