"""The journal on a disk that is full or fails: nothing is promised that cannot be kept."""

import os
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledger_world import NEVER, NODE, Ticks, accepted, answered, id_of, newest, opened, outcomes, write

from freehold.core.errors import StoreFailed
from freehold.ledger.journal import Journal
from freehold.ledger.verify import verify


@contextmanager
def no_room_beyond(bytes: int) -> Generator[None]:
    """No file of this process may grow beyond a size: the kernel then writes a part, and after that nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_what_does_not_fit_and_leaves_no_half_frame(tmp_path: Path) -> None:
    with opened(tmp_path, pace=NEVER) as (journal, _):
        write(journal, range(5))
        end = journal.position.offset
        for room in (0, 1, 50):
            with no_room_beyond(end + room):
                with pytest.raises(StoreFailed, match=r"cannot be written: .* Free some space and try again"):
                    journal.accept(accepted(5))
                with pytest.raises(StoreFailed, match="cannot be written"):
                    journal.close(answered(5))
            assert newest(journal.home).stat().st_size == journal.position.offset == end
        write(journal, range(5, 8))
    assert len(outcomes(journal.home)) == 8
    assert verify(journal.home).ok


def test_what_is_written_together_is_in_the_log_whole_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path, pace=NEVER) as (journal, _):
        end = journal.position.offset
        journal.accept(*map(accepted, range(3)))
        one = (journal.position.offset - end) // 3
        end = journal.position.offset
        with no_room_beyond(end + 2 * one + 1), pytest.raises(StoreFailed, match="cannot be written"):
            journal.accept(*map(accepted, range(3, 6)))
        assert newest(journal.home).stat().st_size == journal.position.offset == end
        journal.close(*map(answered, range(3)))
    assert list(outcomes(journal.home)) == [id_of(number) for number in range(3)]
    assert verify(journal.home).ok


def test_a_segment_that_cannot_be_begun_refuses_and_goes_on_later(tmp_path: Path) -> None:
    with opened(tmp_path, pace=NEVER, segment_bytes=100) as (journal, _):
        with no_room_beyond(10), pytest.raises(StoreFailed, match="cannot begin a segment"):
            journal.accept(accepted(1))
        write(journal, range(1, 4))
    assert verify(journal.home).ok


def test_half_a_frame_that_cannot_be_taken_back_ends_the_log_until_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with opened(tmp_path, pace=NEVER) as (journal, _):
        write(journal, range(5))
        end = journal.position.offset
        with no_room_beyond(end + 10), monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", refuse)
            with pytest.raises(StoreFailed, match=f"half a frame at offset {end} that could not be taken back"):
                journal.accept(accepted(5))
        with pytest.raises(StoreFailed, match=f"half a frame at offset {end}"):
            journal.accept(accepted(6))
    with opened(tmp_path) as (journal, recovery):
        assert [(t.offset, t.bytes) for t in recovery.torn] == [(end, 10)]
    assert verify(journal.home).ok


def test_a_disk_that_fails_to_sync_ends_acceptance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(5, "Input/output error")

    journal, _ = Journal.open(tmp_path, node=NODE, clock=Ticks(), pace=NEVER)
    journal.accept(accepted(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreFailed, match="could not be brought to disk"):
            journal.settle()
    with pytest.raises(StoreFailed, match="Check the disk, then start again"):
        journal.accept(accepted(2))
    journal.close(answered(1))
    with pytest.raises(StoreFailed, match="could not be brought to disk"):
        journal.stop()
    assert outcomes(tmp_path / NODE) == {id_of(1): "answered"}


def test_checkpoints_that_cannot_be_written_pause_acceptance_until_they_can(tmp_path: Path) -> None:
    with opened(tmp_path, pace=NEVER) as (journal, _):
        write(journal, range(5))
        with no_room_beyond(10):
            with pytest.raises(StoreFailed, match="cannot write its checkpoints"):
                journal.settle()
            with pytest.raises(StoreFailed, match="goes on by itself"):
                journal.accept(accepted(6))
        journal.settle()
        assert journal.trouble is None
        write(journal, range(6, 9))
    assert verify(journal.home).ok
