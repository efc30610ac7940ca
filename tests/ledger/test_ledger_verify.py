"""Verification: whatever was changed, removed, added or closed twice is found, and named."""

import os
import shutil
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_world import accepted, answered, id_of, newest, opened, write

from freehold.core.inference import Inference
from freehold.ledger.checkpoint import Signer
from freehold.ledger.entry import ACCEPTED, RECORD, encode
from freehold.ledger.merkle import leaf_hash
from freehold.ledger.reader import find
from freehold.ledger.report import Finding, Report
from freehold.ledger.segment import HEADER_BYTES, frame, frames
from freehold.ledger.verify import verify


@dataclass
class Log:
    """A closed log of three segments, with a checkpoint in each."""

    home: Path
    vkey: str


def make(folder: Path) -> Log:
    with opened(folder, segment_bytes=1500) as (journal, _):
        journal.accept(accepted(0))
        while journal.position.segment < 3:
            number = journal.position.segment * 1_000_000 + journal.position.offset
            write(journal, range(number, number + 1))
            journal.settle()
        journal.close(answered(0, message='he said {"id":"x"}'))
    return Log(journal.home, str(journal.verifier))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return make(tmp_path_factory.mktemp("log"))


@pytest.fixture
def log(made: Log, tmp_path: Path) -> Log:
    """A copy to break."""
    return Log(shutil.copytree(made.home, tmp_path / made.home.name), made.vkey)


def replaced(log: Path, old: bytes, new: bytes) -> None:
    """Replace a payload and put the frame's length and CRC right."""
    data = log.read_bytes()
    at = data.index(old) - 9
    log.write_bytes(data[:at] + frame(data[at + 8], new) + data[at + 9 + len(old) :])


def test_a_good_log_verifies_and_the_report_counts_what_is_in_it(made: Log) -> None:
    report = verify(made.home)
    assert report.findings == ()
    assert (report.ok, report.key, report.segments, report.acts) == (True, made.vkey, 3, 1)
    assert report.outcomes == {"answered": report.accepted}
    assert report.size == report.signed == report.accepted + 1
    assert report.frames == 2 * report.accepted + 1
    assert report.checkpoints == report.matched == report.size - 1
    assert report.bytes == sum(p.stat().st_size for p in made.home.glob("*.log"))
    assert (report.open, report.unfinished) == ((), 0)


def test_a_report_is_text_for_people_and_json_for_programs(made: Log, log: Log) -> None:
    text = str(verify(made.home))
    assert text.startswith(f"Verified: {made.home}\n")
    assert " answered" in text
    newest(log.home).unlink()
    report = verify(log.home)
    assert str(report).startswith(f"NOT VERIFIED: {log.home}\n")
    assert f"! {report.findings[0]}" in str(report)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_byte_of_a_segment_of_the_rows_or_of_the_checkpoints_can_change(log: Log, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["00000001.log", "00000002.log", "00000003.log", "rows/0", "checkpoints"]))
    path = log.home / name
    good = path.read_bytes()
    at, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    bad = bytearray(good)
    bad[at] ^= 1 << bit
    path.write_bytes(bad)
    try:
        report = verify(log.home)
    finally:
        path.write_bytes(good)
    if name == "checkpoints" and report.unfinished:
        assert at >= len(good) - report.unfinished  # the last note, which `checkpoint` still holds
        return
    assert not report.ok
    first = report.findings[0]
    if report.unfinished:  # a last frame cannot be told from one that was never finished, but a checkpoint covers it
        assert first.what.endswith("its end is missing")
        return
    if name == "rows/0":
        assert first.what == f"Leaf {at // 32} differs from its hash in rows/0"
        return
    assert first.offset is not None
    assert (first.file, first.offset <= at) == (name, True)


def test_a_changed_record_is_named_by_file_offset_and_id(log: Log) -> None:
    position, entry = find(log.home, id_of(0)) or pytest.fail("not there")
    assert isinstance(entry, Inference)
    path = newest(log.home)
    old = encode(entry)
    flipped = bytearray(path.read_bytes())
    flipped[flipped.index(old) + 60] ^= 1
    path.write_bytes(flipped)

    report = verify(log.home)
    offset = position.offset - len(old) - 9
    finding = Finding(what=f"{len(old) + 9} bytes are damaged", file=path.name, offset=offset, id=id_of(0))
    # A last frame that is damaged cannot be told from one that was never finished; the checkpoint tells.
    assert report.unfinished == len(old) + 9
    assert [f.what for f in report.findings] == [
        f"It covers {report.size + 1} leaves, the log has {report.size}: its end is missing"
    ]
    path.write_bytes(bytes(flipped) + frame(ACCEPTED, encode(accepted(7))))
    assert verify(log.home).findings[0] == finding


@pytest.mark.parametrize("with_rows", [False, True])
def test_a_record_replaced_with_its_crc_put_right_is_found(log: Log, with_rows: bool) -> None:
    old = answered(0, message='he said {"id":"x"}')
    new = encode(msgspec.structs.replace(old, cost=999))
    before = verify(log.home)
    replaced(newest(log.home), encode(old), new)
    if with_rows:
        path = log.home / "rows/0"
        path.write_bytes(path.read_bytes().replace(leaf_hash(encode(old)), leaf_hash(new)))
    report = verify(log.home)
    root = f"The first {before.size} leaves are not those that it signs"
    assert report.matched == before.matched - 1
    found = [(f.what, f.file, f.id) for f in report.findings]
    if with_rows:
        assert found == [(root, "checkpoint", None)]
    else:
        leaf = f"Leaf {before.size - 1} differs from its hash in rows/0"
        assert found == [(root, "checkpoint", None), (leaf, newest(log.home).name, id_of(0))]


def test_a_log_cut_below_a_checkpoint_is_found_also_when_its_own_checkpoints_are_cut_with_it(log: Log) -> None:
    kept = (log.home / "checkpoint").read_bytes()
    path = newest(log.home)
    fd = os.open(path, os.O_RDONLY)
    *_, last = frames(fd, HEADER_BYTES)
    os.close(fd)
    os.truncate(path, last.offset)
    assert [f.file for f in verify(log.home).findings] == ["checkpoint"]

    checkpoints = log.home / "checkpoints"
    fd = os.open(checkpoints, os.O_RDONLY)
    *_, before, note = frames(fd, 0)
    os.close(fd)
    os.truncate(checkpoints, note.offset)
    (log.home / "checkpoint").write_bytes(before.payload)
    assert verify(log.home).ok
    (finding,) = verify(log.home, witnessed=[kept]).findings
    assert (finding.file, finding.what[:10]) == ("witnessed checkpoint 1", "It covers ")


def test_a_missing_segment_and_a_missing_log_are_found(log: Log, tmp_path: Path) -> None:
    (log.home / "00000002.log").unlink()
    first = verify(log.home).findings[0]
    assert (first.what, first.file) == ("The segment is missing", "00000002.log")
    assert [(f.file, f.what[:20]) for f in verify(tmp_path / "nothing").findings] == [
        ("key.pub", "No checkpoint can be"),
        ("00000001.log", "There is no log here"),
    ]


def test_a_log_signed_with_another_key_does_not_verify_against_the_one_kept(log: Log) -> None:
    other = str(Signer("freehold/node-1", bytes(32)).verifier)
    report = verify(log.home, key=other)
    assert not report.ok
    assert report.matched == 0
    assert verify(log.home, key=log.vkey).ok
    (log.home / "key.pub").write_text("nonsense")
    assert [f.file for f in verify(log.home).findings] == ["key.pub"]


def test_two_roots_for_one_size_are_found(log: Log) -> None:
    seed = b64decode((log.home / "key").read_text().strip().split("+", 4)[4])[1:]
    forged = Signer("freehold/node-1", seed).checkpoint(size=verify(log.home).size, root=bytes(32))
    assert any("Another root was signed over" in f.what for f in verify(log.home, witnessed=[forged]).findings)


def test_a_promise_broken_or_kept_twice_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        journal.accept(accepted(1))
        journal.close(answered(1))
        journal.close(answered(1))
        journal.accept(accepted(2))
        journal.accept(accepted(2))
        journal.close(Inference(id=id_of(3), at=0, outcome="refused", route="fast"))
        journal.accept(accepted(4))
    home = journal.home
    report = verify(home)
    assert [(f.what[:32], f.id) for f in report.findings] == [
        ("The record is the second of its ", id_of(1)),
        ("Accepted twice", id_of(2)),
    ]
    assert report.open == (id_of(2), id_of(4))
    assert report.outcomes == {"answered": 2, "refused": 1}

    with opened(tmp_path):
        pass
    assert verify(home).open == ()
    last = newest(home)
    fd = os.open(last, os.O_RDONLY)
    unknown = next(f for f in frames(fd, HEADER_BYTES) if f.kind == RECORD and id_of(4).encode() in f.payload)
    os.close(fd)
    data = last.read_bytes()
    last.write_bytes(data[: unknown.offset] + data[unknown.end :])
    assert ("Accepted before a restart and never closed", id_of(4)) in {(f.what, f.id) for f in verify(home).findings}


def test_a_payload_that_is_not_what_its_kind_says_is_found(log: Log) -> None:
    replaced(newest(log.home), encode(answered(0, message='he said {"id":"x"}')), b'{"id":1}')
    assert "does not hold what its kind says" in verify(log.home).findings[0].what


def test_a_log_verifies_while_it_is_being_written(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1500) as (journal, _):
        journal.accept(accepted(0))
        for number in range(1, 30):
            write(journal, range(number, number + 1))
            if number % 7 == 0:
                journal.settle()
            report = verify(journal.home)
            assert (report.findings, report.open) == ((), (id_of(0),))


def test_a_header_that_numbers_its_leaves_wrongly_is_found(log: Log) -> None:
    path = log.home / "00000002.log"
    data = bytearray(path.read_bytes())
    data[14] ^= 1  # the count of leaves before it
    data[30:34] = crc32(bytes(data[:30])).to_bytes(4, "little")
    path.write_bytes(data)
    finding = verify(log.home).findings[0]
    assert (finding.file, finding.offset, finding.what[:15]) == (path.name, 0, "The header says")
