"""Secrets come from the environment or a file, and never show."""

import copy
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.core.errors import SettingsWrong
from freehold.core.secret import Secret
from freehold.settings.load import load
from freehold.settings.tables import Settings

HIDDEN = "sk-very-hidden"


def settings(folder: Path, value: str, env: dict[str, str]) -> Settings:
    (folder / "settings.toml").write_text(f"[providers.openai]\napi_key = {value}")
    return load(folder / "settings.toml", env)


def test_a_secret_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"  {HIDDEN}\n")

    for reference, env in (('"env:K"', {"K": HIDDEN}), ('"file:key"', {}), (f'"file:{tmp_path}/key"', {})):
        key = settings(tmp_path, reference, env).providers["openai"].api_key
        assert key is not None
        assert key.reveal() == HIDDEN
        assert f'"{key.source}"' == reference


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (f'"{HIDDEN}"', "write env:NAME or file:PATH here; a secret itself is never written in settings"),
        ('"env:"', "write env:NAME or file:PATH here; a secret itself is never written in settings"),
        ("12345", "write env:NAME or file:PATH here; a secret itself is never written in settings"),
        ('"env:GONE"', "the environment variable GONE is not set"),
        ('"env:EMPTY"', "the environment variable EMPTY is not set"),
        ('"env:ODD"', "env:ODD holds characters that no header can carry"),
        ('"file:gone"', "cannot read {folder}/gone: no such file or directory"),
        ('"file:."', "cannot read {folder}: is a directory"),
        ('"file:empty"', "{folder}/empty is empty"),
        ('"file:big"', "{folder}/big is too large for a secret"),
        ('"file:bytes"', "{folder}/bytes is not text"),
    ],
)
def test_a_secret_that_is_not_there_is_named_and_a_written_one_is_refused_without_repeating_it(
    tmp_path: Path, reference: str, problem: str
) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "big").write_text("x" * 70_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsWrong) as wrong:
        settings(tmp_path, reference, {"EMPTY": " ", "ODD": "a\nb"})

    assert wrong.value.message == f"settings.toml: [providers.openai] api_key: {problem}".format(folder=tmp_path)
    assert HIDDEN not in wrong.value.message


def test_a_credential_among_the_plain_headers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        f'[providers.x]\nbase_url = "http://x"\nheaders = {{ X-Api-Key = "{HIDDEN}" }}'
    )
    with pytest.raises(SettingsWrong) as wrong:
        load(tmp_path / "settings.toml", {})
    assert wrong.value.message == (
        "settings.toml: [providers.x] headers.X-Api-Key: looks like a credential; write env:NAME under secret_headers"
    )


def test_the_key_of_the_environment_goes_to_the_providers_own_address_only(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        '[providers.openai]\n[providers.elsewhere]\nkind = "openai"\nbase_url = "http://elsewhere/v1"'
    )
    providers = load(tmp_path / "settings.toml", {"OPENAI_API_KEY": HIDDEN}).providers

    assert providers["openai"].api_key == Secret(HIDDEN, source="env:OPENAI_API_KEY")
    assert providers["elsewhere"].api_key is None


def test_settings_print_without_their_secrets(tmp_path: Path) -> None:
    found = settings(tmp_path, '"env:K"', {"K": HIDDEN, "FREEHOLD_DATABASE_URL": f"postgresql://u:{HIDDEN}@db/f"})
    assert HIDDEN not in repr(found)
    assert "Secret(env:K)" in repr(found)


def test_a_secret_is_not_shown_by_printing_logging_or_formatting(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(HIDDEN, source="env:K")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s %r", secret, [secret])

    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", f"{secret:>40}", caplog.text]
    assert all(HIDDEN not in text and "Secret(env:K)" in text for text in shown)
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize(
    "way",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
    ],
)
def test_a_secret_is_not_pickled_copied_or_encoded(way: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as refused:
        way(Secret(HIDDEN, source="env:K"))
    assert HIDDEN not in str(refused.value)
