"""The journal: what was promised is there after whatever happened, and nothing is dropped in silence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_world import (
    NEVER,
    NODE,
    Ticks,
    accepted,
    acts,
    answered,
    id_of,
    newest,
    opened,
    outcomes,
    signed,
    snapshot,
    until,
    write,
)
from msgspec.structs import replace

from freehold.core.errors import LedgerDamaged, SettingsWrong, StoreFailed
from freehold.core.inference import Inference
from freehold.ledger.checkpoint import Verifier
from freehold.ledger.entry import Act
from freehold.ledger.journal import Journal
from freehold.ledger.notary import Pace
from freehold.ledger.reader import read
from freehold.ledger.verify import verify


def test_what_is_written_is_read_back_in_order(tmp_path: Path) -> None:
    clock = Ticks()
    revoked = Act(at=clock(), actor="ann", verb="key.revoked", subject="key-1", detail="lost")
    with opened(tmp_path, clock=clock) as (journal, recovery):
        journal.accept(accepted(1))
        journal.act(revoked)
        journal.close(answered(1))
        position = journal.position

    entries = list(read(tmp_path / NODE))
    (_, first), *rest = entries
    assert isinstance(first, Act)
    assert (first.actor, first.verb, first.subject) == ("freehold", "ledger.opened", NODE)
    assert [e for _, e in rest] == [accepted(1), revoked, answered(1)]
    assert rest[-1][0] == position
    assert (recovery.torn, recovery.closed, recovery.replayed, recovery.size) == ((), (), 0, 0)


def test_the_first_start_makes_a_key_and_each_stop_leaves_a_checkpoint_over_everything(tmp_path: Path) -> None:
    for start in (1, 2):
        with opened(tmp_path) as (journal, _):
            write(journal, range(start * 10, start * 10 + 5))
        home = tmp_path / NODE
        verifier = Verifier.parse((home / "key.pub").read_text())
        assert (home / "key").stat().st_mode & 0o777 == 0o600
        assert verifier == journal.verifier
        assert verifier.open((home / "checkpoint").read_bytes()).size == start * 6
        assert verify(home).ok


def test_a_folder_is_open_in_one_place_only_and_the_message_names_the_process(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        other = "from pathlib import Path; from freehold.ledger.journal import Journal; import sys, time\n"
        other += f"Journal.open(Path(sys.argv[1]), node={NODE!r}, clock=time.time_ns)"
        done = subprocess.run([sys.executable, "-c", other, tmp_path], capture_output=True, text=True, check=False)
        assert f"in use by process {os.getpid()}. Stop that one" in done.stderr
        with pytest.raises(StoreFailed, match=f"in use by process {os.getpid()}"):
            Journal.open(tmp_path, node=NODE, clock=Ticks())
        write(journal, range(1))
    with opened(tmp_path):
        pass


def test_what_was_accepted_and_never_closed_is_closed_as_unknown_at_the_next_start(tmp_path: Path) -> None:
    with opened(tmp_path / "live") as (journal, _):
        write(journal, range(3))
        journal.accept(accepted(3))
        journal.accept(accepted(4))
        dead = snapshot(tmp_path / "live", tmp_path / "dead")

    with opened(dead) as (_, recovery):
        assert recovery.closed == (id_of(3), id_of(4))
    records = [e for _, e in read(dead / NODE) if isinstance(e, Inference)]
    unknown = records[-1]
    assert (unknown.id, unknown.at, unknown.route, unknown.key) == (id_of(4), accepted(4).at, "fast", "key-1")
    assert (unknown.outcome, unknown.error) == ("unknown", "process_died")
    assert acts(dead / NODE)[1] == ("ledger.opened", "closed 2 inferences as unknown")
    assert verify(dead / NODE).ok
    with opened(dead) as (_, recovery):
        assert recovery.closed == ()


def test_an_acceptance_is_carried_across_segments_and_checkpoints(tmp_path: Path) -> None:
    with opened(tmp_path / "live", segment_bytes=2000) as (journal, _):
        journal.accept(accepted(1))
        journal.accept(accepted(2))
        write(journal, range(10, 40))
        journal.settle()
        write(journal, range(40, 60))
        journal.close(answered(1))
        assert journal.position.segment > 3
        dead = snapshot(tmp_path / "live", tmp_path / "dead")

    with opened(dead) as (_, recovery):
        assert recovery.closed == (id_of(2),)
        assert not recovery.rebuilt
        assert recovery.replayed == 41
    found = outcomes(dead / NODE)
    assert (found[id_of(1)], found[id_of(2)]) == ("answered", "unknown")
    assert verify(dead / NODE).ok


def test_a_start_goes_on_from_the_newest_checkpoint(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(100))
    with opened(tmp_path) as (_, recovery):
        assert (recovery.replayed, recovery.rebuilt, recovery.size) == (0, False, 101)


@pytest.mark.parametrize("harm", ["resume", "rows/0", "garbled", "older"])
def test_a_start_without_a_usable_checkpoint_rebuilds_the_tree_from_the_log(tmp_path: Path, harm: str) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(300))
        home = journal.home
        journal.settle()
        older = (home / "resume").read_bytes()
        write(journal, range(300, 350))
    before = (home / "checkpoint").read_bytes()
    match harm:
        case "garbled":
            (home / "resume").write_bytes(b"{")
        case "older":
            (home / "resume").write_bytes(older)
        case _:
            (home / harm).unlink()
    with opened(tmp_path) as (journal, recovery):
        assert recovery.rebuilt is (harm != "older")
        assert recovery.replayed == (100 if harm == "older" else 701)
        assert (home / "checkpoint").read_bytes() == before
    assert verify(home).ok


def test_a_tail_torn_at_any_byte_is_kept_aside_and_cut(tmp_path: Path) -> None:
    with opened(tmp_path / "live", pace=NEVER) as (journal, _):
        write(journal, range(2))
        start = journal.position.offset
        journal.accept(accepted(2))
        middle = journal.position.offset
        journal.close(answered(2))
        whole = snapshot(tmp_path / "live", tmp_path / "whole")
    size = newest(whole / NODE).stat().st_size

    for length in range(start, size):
        dead = snapshot(whole, tmp_path / str(length))
        log = newest(dead / NODE)
        os.truncate(log, length)
        good = middle if length >= middle else start
        tail = log.read_bytes()[good:]
        with opened(dead) as (_, recovery):
            assert recovery.closed == ((id_of(2),) if length >= middle else ())
            if tail:
                (torn,) = recovery.torn
                assert (torn.file, torn.offset, torn.bytes) == (log.name, good, len(tail))
                assert (dead / NODE / torn.saved).read_bytes() == tail
            else:
                assert recovery.torn == ()
        assert verify(dead / NODE).ok
        shutil.rmtree(dead)


@pytest.mark.parametrize("tail", [bytes(5000), b"\xff" * 30, b"\x02\x00\x00\x00junk\x02ab"])
def test_a_tail_of_zeros_or_junk_after_a_power_loss_is_cut_too(tmp_path: Path, tail: bytes) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(2))
        log = newest(journal.home)
    with log.open("ab") as file:
        file.write(tail)
    with opened(tmp_path) as (journal, recovery):
        assert [t.bytes for t in recovery.torn] == [len(tail)]
        assert acts(journal.home)[-1][1].startswith(f"cut {len(tail)} bytes of an unfinished write off {log.name}")
    assert verify(journal.home).ok


def test_a_new_segment_whose_header_never_reached_the_disk_is_begun_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(2))
    (journal.home / "00000002.log").write_bytes(bytes(10))
    with opened(tmp_path, segment_bytes=100) as (journal, recovery):
        assert [(t.file, t.bytes) for t in recovery.torn] == [("00000002.log", 10)]
        assert journal.position.segment == 2
    assert verify(journal.home).ok


@pytest.mark.parametrize("checkpointed", [True, False])
def test_damage_before_the_end_is_named_and_nothing_is_changed(tmp_path: Path, checkpointed: bool) -> None:
    with opened(tmp_path / "live", pace=NEVER) as (journal, _):
        write(journal, range(5))
        at = journal.position.offset
        write(journal, range(5, 10))
        dead = snapshot(tmp_path / "live", tmp_path / "dead")
    if checkpointed:
        dead = tmp_path / "live"
    log = newest(dead / NODE)
    for flipped in (at, at + 3, at + 5, at + 8, at + 50):  # length, CRC, kind, payload
        good = log.read_bytes()
        bad = bytearray(good)
        bad[flipped] ^= 0x10
        log.write_bytes(bad)
        (dead / NODE / "resume").unlink(missing_ok=True)
        with pytest.raises(LedgerDamaged, match=rf"{log} is damaged at offset {at}, before its end"):
            Journal.open(dead, node=NODE, clock=Ticks())
        assert log.read_bytes() == bad
        log.write_bytes(good)
    with opened(dead):
        pass


def test_a_segment_that_ends_early_or_is_gone_is_damage_not_a_torn_tail(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=1000) as (journal, _):
        write(journal, range(20))
    home = journal.home
    (home / "resume").unlink()
    second = home / "00000002.log"
    whole = second.read_bytes()

    second.write_bytes(whole[:-5])
    with pytest.raises(LedgerDamaged, match=rf"{second} is damaged at offset \d+"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())
    second.unlink()
    with pytest.raises(LedgerDamaged, match=f"Segment {second} is missing"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())
    second.write_bytes(b"?" + whole[1:])
    with pytest.raises(LedgerDamaged, match=f"{second} has a damaged header"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())


@pytest.mark.parametrize("resume", [True, False])
def test_a_log_cut_below_a_signed_checkpoint_is_refused(tmp_path: Path, resume: bool) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(5))
        end = journal.position.offset
        write(journal, range(5, 8))
    log = newest(journal.home)
    os.truncate(log, end)
    if not resume:
        (journal.home / "resume").unlink()
    with pytest.raises(LedgerDamaged, match="which was there" if resume else "has 6 leaves, but a checkpoint over 9"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())
    assert log.stat().st_size == end
    log.unlink()
    with pytest.raises(LedgerDamaged, match="missing"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())


def test_a_log_whose_key_or_checkpoints_are_gone_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        write(journal, range(5))
    home = journal.home
    (home / "checkpoints").rename(home / "away")
    with pytest.raises(LedgerDamaged, match="checkpoints ends before offset"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())
    (home / "away").rename(home / "checkpoints")
    (home / "key").unlink()
    with pytest.raises(LedgerDamaged, match=r"The key .* is missing"):
        Journal.open(tmp_path, node=NODE, clock=Ticks())


def test_in_sync_mode_every_promise_is_on_disk_when_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable: list[int] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        fsync(fd)
        durable.append(os.fstat(fd).st_size)

    with opened(tmp_path, sync="sync", pace=NEVER) as (journal, _):
        monkeypatch.setattr(os, "fsync", watched)
        for step in (lambda: journal.accept(accepted(1)), lambda: journal.close(answered(1))):
            step()
            assert durable[-1] == journal.position.offset
        monkeypatch.undo()
    assert verify(journal.home).ok


def test_checkpoints_are_signed_by_count_and_by_time_without_being_asked(tmp_path: Path) -> None:
    clock = Ticks()
    with opened(tmp_path, clock=clock, pace=Pace(sync_seconds=0, checkpoint_leaves=10)) as (journal, _):
        write(journal, range(9))
        until(lambda: signed(journal) == 10)
        write(journal, range(9, 12))
        clock.now += 11_000_000_000
        write(journal, range(12, 13))
        until(lambda: signed(journal) > 10)


def test_a_stopped_journal_refuses_and_can_be_stopped_again(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=10) as (journal, _):
        journal.stop()
        for late in (lambda: journal.accept(accepted(1)), lambda: journal.close(answered(1)), journal.settle):
            with pytest.raises(StoreFailed, match="is closed"):
                late()


def test_a_node_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    for name in ("", "../x", "a b", "a+b", "x" * 65):
        with pytest.raises(SettingsWrong, match="Node name"):
            Journal.open(tmp_path, node=name, clock=Ticks())


def test_a_journal_far_ahead_of_its_notary_waits_for_it(tmp_path: Path) -> None:
    ahead: list[int] = []
    with opened(tmp_path, pace=replace(NEVER, ahead=10)) as (journal, _):
        for number in range(200):
            write(journal, range(number, number + 1))
            ahead.append(journal.ahead)

    assert max(ahead) == 10
    assert verify(tmp_path / NODE).ok
