"""A snapshot names settings by their digest, keeps what decisions depend on, and holds no secret."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import SettingsWrong
from freehold.core.secret import Secret
from freehold.providers.discovery import from_environment
from freehold.settings.book import Book
from freehold.settings.load import load, read
from freehold.settings.resolve import resolve
from freehold.settings.snapshot import digest, restore, snapshot

ENV = {"OPENAI_API_KEY": "sk-hidden", "OPENROUTER_API_KEY": "or-hidden"}


def test_a_snapshot_holds_no_secret_and_cannot_give_one_back() -> None:
    settings = resolve(load(None, ENV), from_environment(ENV))
    data = snapshot(settings)

    assert b"hidden" not in data
    key = restore(data).providers["openai"].api_key
    assert isinstance(key, Secret)
    assert key.source == "env:OPENAI_API_KEY"
    with pytest.raises(SettingsWrong, match="holds no secrets; env:OPENAI_API_KEY must be read again"):
        key.reveal()


def test_a_restored_snapshot_has_the_same_digest_and_gives_the_same_deployments() -> None:
    settings = resolve(load(None, ENV), from_environment(ENV))
    restored = restore(snapshot(settings))
    now, then = Book(settings), Book(restored)

    assert then.digest == now.digest == digest(settings)
    assert snapshot(restored) == snapshot(settings)
    for name in ("auto", "gpt-5", "openai/gpt-5", "openai/never-heard-of"):
        assert then.target(name) == now.target(name)


def test_a_changed_setting_changes_the_digest_and_another_value_of_a_secret_does_not() -> None:
    before = load(None, ENV)
    other = resolve(before, from_environment({**ENV, "OPENAI_API_KEY": "sk-rotated"}))

    assert digest(load(None, {**ENV, "FREEHOLD_PORT": "4001"})) != digest(before)
    assert digest(other) == digest(resolve(before, from_environment(ENV)))


@pytest.mark.parametrize("data", [b"", b"{", b'{"server": {"port": "x"}}', b"[]"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsWrong, match="damaged or of another version"):
        restore(data)


TABLES: dict[str, Any] = {
    "server": {"port": 1, "host": "::1"},
    "simulated": {n: {"seed": 1, "rules": [{"reply": "r", "contains": "c"}]} for n in ("s", "t")},
    "deployments": {n: {"provider": "s", "model": n, "lacks": ["n", "audio", "image"]} for n in ("a", "b", "c")},
    "routes": {"r": {"deployments": ["c", "a"], "weights": {"a": 1, "c": 2}}},
}


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_tables_and_keys_are_written_is_not_part_of_the_digest(draw: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            draw.shuffle(items)
            return {k: shuffled(v) for k, v in items}
        return value

    def named(tables: dict[str, Any]) -> str:
        return digest(read(tables, source="s", folder=Path(), env={}))

    assert named(shuffled(TABLES)) == named(TABLES)


def test_a_snapshot_is_canonical_json() -> None:
    data = snapshot(load(None, {}))
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
