"""The messages of the help desk: an ordinary month, or the user's own labelled file."""

import csv
import random
from pathlib import Path

import msgspec
from msgspec import Struct

from demo.gateway import DemoFailed
from demo.inbox import Message, inbox

EVERYDAY = Path(__file__).with_name("everyday.jsonl")
RARE = 4
"""One of so many of the colourful messages of the first story comes to the desk, beside all the everyday ones."""

FEWEST = 400


class Case(Struct, frozen=True, kw_only=True):
    """A message, and the label that is right for it."""

    text: str
    label: str


def month() -> list[Case]:
    """An ordinary month at the bank, in the order in which it came."""
    decoder = msgspec.json.Decoder(Message)
    everyday = [decoder.decode(line) for line in EVERYDAY.read_bytes().splitlines()]
    cases = [Case(text=m.text, label=m.intent) for m in (*everyday, *inbox()[::RARE])]
    random.Random(20).shuffle(cases)
    return cases


def own(path: Path) -> list[Case]:
    """The rows of a CSV file with the columns text and label."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DemoFailed(f"{path} cannot be read: {error}") from None
    if not rows or not {"text", "label"} <= rows[0].keys():
        raise DemoFailed(f"{path} needs a header with the columns text and label")
    seen: dict[str, Case] = {}
    for row in rows:
        text, label = (row["text"] or "").strip(), (row["label"] or "").strip()
        if text and label:
            seen.setdefault(text, Case(text=text, label=label))
    cases = list(seen.values())
    if len(cases) < FEWEST:
        raise DemoFailed(f"{path} has {len(cases)} different labelled texts; the loop needs {FEWEST} to show anything")
    random.Random(20).shuffle(cases)
    return cases
