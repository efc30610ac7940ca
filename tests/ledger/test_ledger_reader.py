"""Reading a log: from a position, across segments, while it grows; finding one inference; proving it."""

import os
from pathlib import Path

import pytest
from ledger_world import NODE, accepted, answered, id_of, newest, opened, write

from freehold.core.errors import LedgerDamaged
from freehold.core.inference import Accepted, Inference
from freehold.ledger.entry import Entry
from freehold.ledger.merkle import included, inclusion, leaf_hash
from freehold.ledger.reader import find, homes, leaf, read
from freehold.ledger.segment import START, Position
from freehold.ledger.tiles import Rows


def ids(entries: list[tuple[Position, Entry]]) -> list[str]:
    return [e.id for _, e in entries if isinstance(e, Inference)]


def test_a_reader_goes_on_from_any_position_it_was_given(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1000) as (journal, _):
        write(journal, range(30))
    everything = list(read(journal.home))
    assert ids(everything) == [id_of(n) for n in range(30)]
    for at, (position, _) in enumerate(everything):
        assert list(read(journal.home, position)) == everything[at + 1 :]
    assert everything[-1][0] == journal.position


def test_a_reader_follows_a_log_that_grows_and_rotates(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=700) as (journal, _):
        position, seen = START, []
        for number in range(40):
            write(journal, range(number, number + 1))
            new = list(read(journal.home, position))
            seen += new
            position = new[-1][0]
    assert seen == list(read(journal.home))
    assert journal.position.segment > 5


def test_a_reader_sees_what_is_written_and_rotated_while_it_reads(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=700) as (journal, _):
        reader, seen = read(journal.home), []
        for number in range(40):
            write(journal, range(number, number + 1))
            seen += [next(reader) for _ in range(2)]
        seen += list(reader)
    assert ids(seen) == [id_of(n) for n in range(40)]


def test_a_reader_stops_before_a_write_that_is_not_finished(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(3))
    log = newest(journal.home)
    whole = log.read_bytes()
    before = list(read(journal.home))
    for cut in range(1, len(whole) - before[-2][0].offset + 1):
        os.truncate(log, len(whole) - cut)
        assert list(read(journal.home)) == before[:-1]
        log.write_bytes(whole)


def test_a_reader_names_damage_and_a_position_that_is_gone(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1000) as (journal, _):
        write(journal, range(20))
    first = journal.home / "00000001.log"
    data = bytearray(first.read_bytes())
    data[300] ^= 1
    first.write_bytes(data)
    with pytest.raises(LedgerDamaged, match=rf"{first} is damaged at offset \d+"):
        list(read(journal.home))
    with pytest.raises(LedgerDamaged, match=f"{first} ends before offset 99999"):
        list(read(journal.home, Position(1, 99999)))
    with pytest.raises(LedgerDamaged, match=r"00000099.log is missing"):
        list(read(journal.home, Position(99, 38)))


def test_an_empty_folder_has_nothing_to_read(tmp_path: Path) -> None:
    assert list(read(tmp_path)) == []
    assert find(tmp_path, id_of(1)) is None
    assert homes(tmp_path) == []


def test_an_inference_is_found_by_its_id_wherever_it_lies(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1000) as (journal, _):
        journal.accept(accepted(0))
        write(journal, range(1, 40))
        journal.close(answered(0))
        journal.accept(accepted(40))
        positions = {e.id: p for p, e in read(journal.home) if isinstance(e, Inference)}
        for number in range(40):
            assert find(journal.home, id_of(number)) == (positions[id_of(number)], answered(number))
        assert find(journal.home, id_of(40)) == (journal.position, accepted(40))
        for absent in (id_of(41), "no-uuid", ""):
            assert find(journal.home, absent) is None
    assert homes(tmp_path) == [tmp_path / NODE]


def test_an_inference_of_now_is_found_without_reading_the_past(tmp_path: Path) -> None:
    now = [accepted(0).at]
    with opened(tmp_path, segment_bytes=1000, clock=lambda: now[0]) as (journal, _):
        for number in range(0, 4_000_000, 100_000):
            now[0] = accepted(0).at + number * 1_000_000
            write(journal, range(number, number + 1))
    with (journal.home / "00000001.log").open("r+b") as file:
        file.truncate(100)  # whoever reads it, fails
    found = find(journal.home, id_of(3_800_000))
    assert found is not None
    assert found[1] == answered(3_800_000)
    assert find(journal.home, id_of(3_800_001)) is None
    with pytest.raises(LedgerDamaged):
        find(journal.home, id_of(0))


def test_a_record_is_proven_to_be_under_the_signed_checkpoint(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1000) as (journal, _):
        write(journal, range(600))
    checkpoint = journal.verifier.open((journal.home / "checkpoint").read_bytes())
    rows = Rows(journal.home / "rows")
    for number in (0, 1, 255, 256, 599):
        found = find(journal.home, id_of(number))
        assert found is not None
        index, data = leaf(journal.home, found[0])
        path = inclusion(index, checkpoint.size, rows.nodes(checkpoint.size))
        assert index == number + 1  # the first leaf says that the log was opened
        assert included(leaf=leaf_hash(data), index=index, size=checkpoint.size, path=path, root=checkpoint.root)
    rows.close()
    with pytest.raises(ValueError, match="No leaf ends at offset 39"):
        leaf(journal.home, Position(1, 39))


def test_the_position_of_an_acceptance_is_not_that_of_a_leaf(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        journal.accept(accepted(1))
        found = find(journal.home, id_of(1))
        assert found is not None
        assert isinstance(found[1], Accepted)
        with pytest.raises(ValueError, match="No leaf ends"):
            leaf(journal.home, found[0])
