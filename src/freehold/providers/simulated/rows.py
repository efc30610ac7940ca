"""Rows of a JSONL file, each of one type."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from freehold.core.errors import SettingsWrong

T = TypeVar("T")


def rows(path: str, kind: type[T]) -> Iterator[T]:
    """The rows of the file, blank lines left out; SettingsWrong names the file, or the line that is no such row."""
    decoder = msgspec.json.Decoder(kind)
    try:
        with open(path, "rb") as file:
            lines = file.readlines()
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise SettingsWrong(f"{path}, line {number}: {error}") from None
