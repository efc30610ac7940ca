"""Sentence encoders by name: the one that comes along, or a folder."""

from functools import cache
from pathlib import Path

from freehold.core.errors import SettingsWrong
from freehold.runtime.encoder.bert import Bert
from freehold.runtime.encoder.port import SentenceEncoder
from freehold.runtime.encoder.static import static64

STATIC = "static64"


@cache
def encoder(name: str) -> SentenceEncoder:
    """`static64`, or the path of a sentence-transformers folder; SettingsWrong where it is neither."""
    if name == STATIC:
        return static64()
    if not Path(name).is_dir():
        raise SettingsWrong(f"There is no sentence encoder {name}: name 'static64' or a sentence-transformers folder")
    return Bert(name)
