"""Bodies on disk: kept, found, repaired, forgotten."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import StoreFailed
from freehold.core.events import Choice, WholeCall
from freehold.core.interaction import Body
from freehold.store.bodies.files import BodyFiles
from freehold.store.bodies.segment import decode, encode
from freehold.store.bodies.writer import WritingBodies


def body(n: int, *, route: str = "support", subject: str | None = None, text: str = "answer") -> Body:
    return Body(
        id=f"inference-{n:04}",
        at=n,
        route=route,
        dialect="openai-chat",
        request=b'{"messages":[{"role":"user","content":"question %d"}]}' % n,
        answer=Choice(text=f"{text} {n}", finish="stop"),
        episode="chat",
        subject=subject,
        deployment="own/model",
    )


def silent(line: str) -> None:
    raise AssertionError(line)


def opened(folder: Path, *, node: str = "main", segment_bytes: int = 1 << 20) -> WritingBodies:
    return WritingBodies.open(folder, node=node, told=silent, segment_bytes=segment_bytes)


def test_what_was_put_is_there_at_once_and_after_a_restart(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    bodies.put(body(1))
    assert bodies.get("inference-0001") == body(1)
    assert bodies.get("inference-0002") is None
    bodies.close()

    again = opened(tmp_path)
    again.put(body(2))
    assert list(again.scan()) == [body(1), body(2)]
    again.close()


def test_a_scan_is_bounded_by_time_and_route_over_all_nodes_and_many_files(tmp_path: Path) -> None:
    one, two = opened(tmp_path, node="one", segment_bytes=500), opened(tmp_path, node="two")
    for n in range(20):
        one.put(body(n))
        one.flush()
    two.put(body(21, route="sales"))
    two.put(body(12))
    one.close()
    two.close()

    files = BodyFiles(tmp_path)
    assert len(list((tmp_path / "one").glob("*.bodies"))) > 3
    assert [b.at for b in files.scan(since=10, until=14)] == [10, 11, 12, 13, 12]
    assert [b.at for b in files.scan(route="sales")] == [21]
    assert [files.get(f"inference-{n:04}") for n in (0, 19, 21, 99)] == [
        body(0),
        body(19),
        body(21, route="sales"),
        None,
    ]
    assert list((tmp_path / "one").glob("*.index"))
    assert [b.at for b in BodyFiles(tmp_path).scan(since=10, until=14)] == [10, 11, 12, 13, 12]


def test_a_reader_sees_what_another_process_adds_meanwhile(tmp_path: Path) -> None:
    bodies, reader = opened(tmp_path), BodyFiles(tmp_path)
    bodies.put(body(1))
    bodies.flush()
    assert reader.get("inference-0001") == body(1)
    bodies.put(body(2))
    bodies.flush()
    assert reader.get("inference-0002") == body(2)
    bodies.close()


def test_a_forgotten_subject_is_in_no_file_any_more_and_writing_goes_on(tmp_path: Path) -> None:
    bodies = opened(tmp_path, segment_bytes=700)
    for n in range(12):
        bodies.put(body(n, subject="ann" if n % 3 == 0 else "bob", text="SECRET-OF-ANN" if n % 3 == 0 else "fine"))
        bodies.flush()
    list(bodies.scan())  # so that there are index files, which know the subject too

    assert bodies.forget(subject="ann") == 4
    assert bodies.forget(subject="ann") == 0
    bodies.put(body(13, subject="bob"))

    assert [b.at for b in bodies.scan()] == [1, 2, 4, 5, 7, 8, 10, 11, 13]
    left = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"SECRET-OF-ANN" not in left
    assert b"ann" not in left
    bodies.close()


def test_another_process_may_forget_while_one_writes(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    bodies.put(body(1, subject="ann"))
    bodies.put(body(2))
    bodies.flush()

    assert BodyFiles(tmp_path).forget(subject="ann") == 1
    bodies.put(body(3))
    assert list(bodies.scan()) == [body(2), body(3)]
    bodies.close()


def test_single_inferences_can_be_forgotten(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    bodies.put(body(1))
    bodies.put(body(2))

    assert bodies.forget(ids=["inference-0001", "inference-0009"]) == 1
    assert bodies.get("inference-0001") is None
    bodies.close()


def test_an_incomplete_end_is_cut_and_told(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    bodies.put(body(1))
    bodies.put(body(2))
    bodies.close()
    path = tmp_path / "main" / "00000001.bodies"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])

    assert list(BodyFiles(tmp_path).scan()) == [body(1)]
    told: list[str] = []
    again = WritingBodies.open(tmp_path, node="main", told=told.append)
    again.put(body(3))
    assert list(again.scan()) == [body(1), body(3)]
    again.close()
    assert len(told) == 1
    assert f"{path} ended in an incomplete body" in told[0]


@pytest.mark.parametrize("at", [1, 40])
def test_damage_before_good_bodies_is_named_not_cut(tmp_path: Path, at: int) -> None:
    bodies = opened(tmp_path)
    bodies.put(body(1))
    bodies.put(body(2))
    bodies.close()
    path = tmp_path / "main" / "00000001.bodies"
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(StoreFailed, match=r"00000001\.bodies is damaged at offset 0"):
        opened(tmp_path)
    with pytest.raises(StoreFailed, match=r"00000001\.bodies is damaged at offset 0"):
        list(BodyFiles(tmp_path).scan())
    assert path.read_bytes() == data


def test_damage_found_behind_an_index_is_named(tmp_path: Path) -> None:
    bodies = opened(tmp_path, segment_bytes=100)
    for n in range(3):
        bodies.put(body(n))
        bodies.flush()
    list(bodies.scan())
    bodies.close()
    path = tmp_path / "main" / "00000001.bodies"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(StoreFailed, match=r"00000001\.bodies is damaged at offset 0"):
        list(BodyFiles(tmp_path).scan())


def test_two_processes_do_not_write_the_same_files(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(StoreFailed, match="written by another process"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_where_the_disk_takes_nothing_bodies_wait_and_what_does_not_fit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.store.bodies.writer.PENDING_BYTES", 1_000)
    bodies = opened(tmp_path)

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("freehold.store.bodies.writer._append", full)
        for n in range(50):
            bodies.put(body(n))
        with pytest.raises(StoreFailed, match="No space left on device"):
            bodies.flush()

    kept = list(bodies.scan())
    assert kept == [body(n) for n in range(len(kept))]
    assert 0 < len(kept) == 50 - bodies.dropped
    bodies.close()


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_bodies import body
from freehold.store.bodies.writer import WritingBodies
bodies = WritingBodies.open(Path(sys.argv[1]), node="main", told=print)
n = 0
while True:
    bodies.put(body(n))
    n += 1
    if n % 50 == 0:
        bodies.flush()
        print(n, flush=True)
"""


def test_what_was_flushed_survives_kill_9_and_nothing_is_half_there(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    flushed = 0
    while flushed < 2_000:
        flushed = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    flushed = int(rest[-1]) if rest else flushed

    told: list[str] = []
    again = WritingBodies.open(tmp_path, node="main", told=told.append)
    found = list(again.scan())
    again.close()
    assert len(found) >= flushed
    assert found == [body(n) for n in range(len(found))]


@settings(max_examples=50)
@given(
    request=st.binary(max_size=200),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    subject=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
)
def test_a_body_comes_back_as_it_was(request: bytes, text: str, subject: str | None) -> None:
    call = WholeCall(id="c", name="look", arguments=text)
    whole = Body(
        id="i",
        at=2**62,
        route=text,
        dialect="d",
        request=request,
        answer=Choice(text=text, tool_calls=(call,), finish="tool_calls"),
        subject=subject,
    )
    assert decode(encode(whole), Path("x"), 0) == whole


def test_an_index_of_another_file_is_not_believed(tmp_path: Path) -> None:
    bodies = opened(tmp_path, segment_bytes=100)
    for n in range(4):
        bodies.put(body(n))
        bodies.flush()
    assert [b.at for b in BodyFiles(tmp_path).scan()] == [0, 1, 2, 3]
    bodies.close()
    home = tmp_path / "main"
    assert (home / "00000001.index").exists()
    (home / "copy").write_bytes((home / "00000002.bodies").read_bytes())
    (home / "copy").replace(home / "00000001.bodies")

    files = BodyFiles(tmp_path)
    assert files.get("inference-0000") is None
    assert [b.at for b in files.scan()] == [1, 1, 2, 3]
