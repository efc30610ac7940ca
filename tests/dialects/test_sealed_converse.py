"""Seals in requests of Converse: found where they stand, left out for others, unwrapped for who gave them."""

from base64 import b64encode
from typing import Any

import msgspec

from freehold.core.seal import Seal
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.sealed import held, without
from freehold.dialects.seals import wrap

SIGNED = Seal("anthropic", "c2lnbmVk", account="acme")
HIDDEN = Seal("anthropic", "aGlkZGVu", account="acme", redacted=True)


def turns(signature: str, data: str) -> list[dict[str, Any]]:
    hidden = {"redactedContent": b64encode(data.encode()).decode()}
    thought = {"reasoningText": {"text": "hm", "signature": signature}}
    content = [{"reasoningContent": thought}, {"reasoningContent": hidden}, {"text": "good"}]
    return [{"role": "user", "content": [{"text": "hi"}]}, {"role": "assistant", "content": content}]


WRAPPED = BEDROCK_CONVERSE.decode_request(
    msgspec.json.encode({"messages": turns(wrap(SIGNED, "acme"), wrap(HIDDEN, "acme"))}), "/model/m/converse"
)


def test_the_seals_of_a_conversation_are_found() -> None:
    assert held(WRAPPED) == [SIGNED, HIDDEN]


def test_others_get_the_conversation_without_them() -> None:
    kept = without(WRAPPED, lambda seal: seal.account == "acme", "m")
    assert msgspec.json.decode(kept.fields["messages"])[1]["content"] == [{"text": "good"}]


def test_who_gave_them_gets_them_as_they_were() -> None:
    kept = without(WRAPPED, lambda seal: False, "m", bare=True)
    assert msgspec.json.decode(kept.fields["messages"]) == turns(SIGNED.data, HIDDEN.data)
    assert without(kept, lambda seal: False, "m", bare=True) is kept
