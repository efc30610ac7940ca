"""The help desk of the demo's second story: its messages, and a user's own file."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from demo.desk import EVERYDAY, month, own
from demo.gateway import DemoFailed
from demo.inbox import FIELDS, Message, inbox

MESSAGES = [msgspec.json.decode(line, type=Message) for line in EVERYDAY.read_bytes().splitlines()]


def test_everyday_messages_are_of_the_inboxes_intents_and_right_in_themselves() -> None:
    counts = Counter(m.intent for m in MESSAGES)

    assert set(counts) == {m.intent for m in inbox()}
    assert min(counts.values()) >= 140
    assert len({m.id for m in MESSAGES}) == len(MESSAGES)
    assert [m.id for m in MESSAGES for n, v in m.fields.items() if n not in FIELDS or not v or v not in m.text] == []


def test_no_message_is_there_twice_in_a_month() -> None:
    texts = [" ".join(case.text.lower().split()) for case in month()]

    assert len(set(texts)) == len(texts) > 3500


def test_a_month_is_the_same_every_time() -> None:
    assert month() == month()


def test_a_users_own_file_is_read_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("text,label\n" + "".join(f"message {n},{'ab'[n % 2]}\n" for n in range(500)) + "message 1,a\n")
    assert len(own(file)) == 500

    file.write_text("words,label\nhello,a\n")
    with pytest.raises(DemoFailed, match="the columns text and label"):
        own(file)
    file.write_text("text,label\nhello,a\n")
    with pytest.raises(DemoFailed, match="has 1 different labelled texts; the loop needs 400"):
        own(file)
    with pytest.raises(DemoFailed, match="cannot be read"):
        own(tmp_path / "nowhere.csv")
