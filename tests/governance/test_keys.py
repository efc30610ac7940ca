"""A key opens the gateway while it is right, known, unrevoked and unexpired; and only what its scopes name."""

import os
import string
from fnmatch import fnmatchcase
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import InvalidRequest, Unauthenticated
from freehold.core.principal import Budget, Key
from freehold.governance.keys import Keyring, Patterns, mint, revoke, rotate
from freehold.store.memory import MemoryKeys

NOW = 1_764_547_200_000_000_000  # 2025-12-01 00:00 UTC
HOUR = 3_600_000_000_000


def ann(**scopes: object) -> tuple[Key, str]:
    return mint("ann", now=NOW, random=os.urandom, **scopes)  # pyright: ignore[reportArgumentType]


def ring(*keys: Key, required: bool = True) -> Keyring:
    return Keyring(keys, required=required)


def test_a_minted_key_is_its_text_and_a_digest_that_does_not_give_it_away() -> None:
    random = count(1)
    key, text = mint("ci", now=NOW, random=lambda n: bytes([next(random)]) * n, team="a", budget=Budget(limit=7))

    assert text.startswith(f"fh_{key.id}_")
    assert len(text) == 3 + 11 + 1 + 43
    assert set(text) <= set(string.ascii_letters + string.digits + "_")
    assert text.split("_")[2].encode() not in key.digest
    assert key == Key(id=key.id, digest=key.digest, name="ci", created_at=NOW, team="a", budget=Budget(limit=7))
    assert len(key.digest) == 32


@given(st.binary(min_size=40, max_size=40))
def test_every_secret_is_recognised_whatever_its_bytes(random: bytes) -> None:
    pieces = iter((random[:8], random[8:]))
    key, text = mint("any", now=NOW, random=lambda _: next(pieces))

    assert len(text) == 58
    assert ring(key).authenticate(text, NOW) is key


@pytest.mark.parametrize("shape", ["{}", "Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_is_recognised_as_bearer_token_or_bare_as_text_or_bytes(shape: str) -> None:
    key, text = ann()

    assert ring(key).authenticate(shape.format(text), NOW) is key
    assert ring(key).authenticate(shape.format(text).encode(), NOW) is key


@pytest.mark.parametrize("nothing", [None, "", b""])
def test_without_a_key_the_caller_hears_how_to_send_one(nothing: str | bytes | None) -> None:
    with pytest.raises(Unauthenticated, match=r"send it as 'Authorization: Bearer fh_"):
        ring(ann()[0]).authenticate(nothing, NOW)


@pytest.mark.parametrize("foreign", ["sk-proj-123", "Bearer", "Bearer ", "Basic fh_a_b", "fh_onlyid", "fh", "\udc80"])
def test_what_is_no_key_of_ours_is_named_so_and_never_echoed(foreign: str) -> None:
    with pytest.raises(Unauthenticated, match="not a key of this gateway") as caught:
        ring(ann()[0]).authenticate(foreign, NOW)

    assert "sk-proj" not in caught.value.message


def test_a_wrong_secret_and_an_unknown_id_look_the_same() -> None:
    key, text = ann()
    said: list[str] = []
    for wrong in (text[:-1] + ("a" if text[-1] != "a" else "b"), f"fh_unknown_{text.split('_')[2]}", f"fh_{key.id}_"):
        with pytest.raises(Unauthenticated) as caught:
            ring(key).authenticate(wrong, NOW)
        said.append(caught.value.message)

    assert said == ["No key has this id and secret. Was it copied whole? 'freehold keys create' makes a new one."] * 3


def test_the_digest_of_nobody_opens_nothing() -> None:
    with pytest.raises(Unauthenticated, match="No key has this id"):
        ring(ann()[0]).authenticate("fh_nobody_", NOW)


def test_a_key_ends_when_it_expires() -> None:
    key, text = ann(expires_at=NOW + HOUR)

    assert ring(key).authenticate(text, NOW + HOUR - 1) is key
    with pytest.raises(Unauthenticated, match=rf"'ann' \({key.id}\) expired on 2025-12-01 01:00 UTC"):
        ring(key).authenticate(text, NOW + HOUR)


def test_a_key_ends_when_it_is_revoked_and_only_its_owner_hears_so() -> None:
    key, text = ann(expires_at=NOW + 9 * HOUR)
    gone = revoke(key, now=NOW + HOUR)

    assert revoke(gone, now=NOW + 2 * HOUR) is gone
    with pytest.raises(Unauthenticated, match=r"'ann' .* was revoked on 2025-12-01 01:00 UTC"):
        ring(gone).authenticate(text, NOW + HOUR)
    with pytest.raises(Unauthenticated, match="No key has this id and secret"):
        ring(gone).authenticate(f"fh_{key.id}_guess", NOW + HOUR)


def test_a_rotated_key_keeps_its_id_and_scopes_and_the_old_secret_lasts_for_the_grace() -> None:
    key, old = ann(routes=("chat",), budget=Budget(limit=5))
    fresh, new = rotate(key, now=NOW, random=os.urandom, grace=HOUR)
    keys = ring(fresh)

    assert (fresh.id, fresh.routes, fresh.budget) == (key.id, ("chat",), Budget(limit=5))
    assert keys.authenticate(new, NOW) is fresh
    assert keys.authenticate(old, NOW + HOUR - 1) is fresh
    assert keys.authenticate(new, NOW + HOUR) is fresh
    with pytest.raises(Unauthenticated, match="No key has this id and secret"):
        keys.authenticate(old, NOW + HOUR)


def test_without_grace_the_old_secret_ends_at_once() -> None:
    key, old = ann()
    fresh, new = rotate(key, now=NOW, random=os.urandom)

    assert ring(fresh).authenticate(new, NOW) is fresh
    with pytest.raises(Unauthenticated):
        ring(fresh).authenticate(old, NOW)


def test_revoking_ends_both_secrets_of_a_rotated_key() -> None:
    key, old = ann()
    fresh, new = rotate(key, now=NOW, random=os.urandom, grace=HOUR)
    for text in (old, new):
        with pytest.raises(Unauthenticated):
            ring(revoke(fresh, now=NOW)).authenticate(text, NOW)


def test_a_revoked_key_is_not_rotated_back_to_life() -> None:
    with pytest.raises(InvalidRequest, match=r"'ann' .* was revoked: create a new one"):
        rotate(revoke(ann()[0], now=NOW), now=NOW, random=os.urandom)


def test_before_the_first_key_an_open_ring_lets_everybody_in_as_nobody() -> None:
    assert ring(required=False).authenticate(None, NOW) is None
    assert ring(required=False).authenticate("Bearer sk-whatever", NOW) is None


def test_one_key_closes_the_ring_also_when_it_is_revoked() -> None:
    with pytest.raises(Unauthenticated):
        ring(revoke(ann()[0], now=NOW), required=False).authenticate(None, NOW)


def test_a_ring_that_requires_keys_is_closed_without_any() -> None:
    with pytest.raises(Unauthenticated):
        ring().authenticate(None, NOW)


def test_a_ring_knows_the_generation_of_the_store_it_was_loaded_from() -> None:
    store = MemoryKeys()
    key, text = ann()
    store.put(key)
    keys = Keyring.load(store, required=True)

    assert keys.authenticate(text, NOW) is key
    assert keys.generation == store.generation()
    store.put(revoke(key, now=NOW))
    assert keys.generation != store.generation()


def test_scopes_name_routes_and_models_by_pattern() -> None:
    key, _ = ann(routes=("chat", "support-*"), models=("openai/gpt-5*", "llama-[34]"))
    keys = ring(key)

    assert keys.allows(key, "chat")
    assert keys.allows(key, "support-de", "openai/gpt-5-mini", "gpt-5-mini")
    assert keys.allows(key, "chat", "groq/llama-3", "llama-3")
    assert not keys.allows(key, "Chat")
    assert not keys.allows(key, "chat2")
    assert not keys.allows(key, "chat", "anthropic/claude", "claude")
    assert not keys.allows(key, "other", "llama-3")


def test_without_scopes_everything_is_allowed_and_with_empty_ones_nothing() -> None:
    free, _ = ann()
    bound, _ = ann(routes=())

    assert ring(free).allows(free, "any", "thing")
    assert not ring(bound).allows(bound, "any")


def test_a_key_of_another_ring_is_allowed_nothing() -> None:
    assert not ring().allows(ann()[0], "chat")


NAMES = st.text("ab*?[]!-\n./", max_size=6)


@given(st.lists(NAMES, max_size=4), NAMES)
def test_compiled_patterns_say_what_fnmatch_says(patterns: list[str], name: str) -> None:
    assert Patterns(patterns).match(name) == any(fnmatchcase(name, p) for p in patterns)
