"""The history of a response: its items put before what is said next, for a provider that does not hold it.

For the account that issued it, reasoning goes back as it is; for any other it is wrapped, so that whoever translates
knows whose it is and whoever speaks this dialect leaves it out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.seal import Seal
from freehold.core.stored import StoredResponse
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_responses.request import CONTINUED, sealed
from freehold.dialects.seals import wrap

_Members = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
PREVIOUS = "previous_response_id"


class Past(Struct, frozen=True):
    """What the account that answered before gets: a body that refers to what it holds, or that has the history as that
    account issued it."""

    account: str
    body: bytes


class Continued(Struct, frozen=True, kw_only=True):
    """A request whose history was put into its input. `given` are the items that came with it."""

    body: bytes
    given: Raw
    past: Past | None = None


def given_items(given: object) -> list[Any]:
    """An input as items: a text is a message of the user."""
    return [{"role": "user", "content": given}] if isinstance(given, str) else items(given)


def references(given: object) -> list[str]:
    """The ids of items that an input only names."""
    return [id_ for item in given_items(given) if (id_ := reference(item))]


def reference(item: object) -> str:
    """The id that stands in place of an item; '' where the item is there."""
    said = members(item)
    kind = said.get("type")
    named = kind == "item_reference" or (kind is None and said.keys() <= {"id", "type"})
    return word(said.get("id")) if named else ""


def continued(value: _Members, chain: Sequence[StoredResponse], named: Mapping[str, StoredResponse]) -> Continued:
    """The request that `value` is, with the responses that it continues (the oldest first) and the items that it names
    in its input."""
    given = given_items(value.get("input"))
    accounts = {one.account for one in (*chain[-1:], *named.values())}
    account = accounts.pop() if len(accounts) == 1 else ""
    mine = [_resolved(item, named) for item in given]
    before = [*((item, one.account) for one in chain for item in _items(one)), *mine]
    rest = {name: member for name, member in value.items() if name not in ("input", PREVIOUS)}
    whole = {**rest, "input": [_wrapped(item, whose) for item, whose in before]}
    if chain:
        whole[CONTINUED] = chain[-1].id
    past = None
    if account:
        held = all(one.held for one in (*chain[-1:], *named.values()))
        theirs = [item for item, whose in before if whose in ("", account) or not sealing(item)]
        past = Past(account, _encode(value if held else {**rest, "input": theirs}))
    return Continued(body=_encode(whole), given=Raw(_encode([item for item, _ in mine])), past=past)


def _items(one: StoredResponse) -> list[Any]:
    return [*items(_decode(one.input)), *items(_decode(one.response).get("output"))]


def _resolved(item: Any, named: Mapping[str, StoredResponse]) -> tuple[Any, str]:
    """The item that is named, and the account that issued it."""
    id_ = reference(item)
    one = named.get(id_)
    if one is None:
        return item, ""
    output = items(_decode(one.response).get("output"))
    return next(found for found in output if members(found).get("id") == id_), one.account


def sealing(item: object) -> bool:
    """Whether an item is reasoning."""
    return members(item).get("type") == "reasoning"


def _wrapped(item: Any, account: str) -> Any:
    """An item for another account than the one that issued it."""
    said = members(item)
    if not account or not sealing(said) or sealed(said):
        return item
    id_ = word(said.get("id"))
    seal = Seal("openai", word(said.get("encrypted_content")), id=id_)
    return {**said, "encrypted_content": wrap(seal, account)}
