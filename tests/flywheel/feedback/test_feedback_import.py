"""Feedback from tables: every row is taken, or refused by its line."""

from collections.abc import Generator
from pathlib import Path

import pytest

from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Category, Correction, Score, Thumb
from freehold.flywheel.feedback.importing import import_csv
from freehold.store.database import Database
from freehold.store.feedback import SqlFeedback


@pytest.fixture
def store(tmp_path: Path) -> Generator[SqlFeedback]:
    database = Database.open(tmp_path / "store.db")
    yield SqlFeedback(database)
    database.close()


def write(folder: Path, text: str | bytes, name: str = "feedback.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_good_rows_are_kept_and_bad_ones_named_by_line_and_reason(tmp_path: Path, store: SqlFeedback) -> None:
    path = write(
        tmp_path,
        "inference,good,correction,author,at\n"
        "i1,yes,,ann,2026-03-01T12:00:00Z\n"
        'i2,no,"two\nlines",bob,\n'
        "i3,perhaps,,,\n"
        ",yes,,,\n"
        "i5,,,,\n"
        "\n"
        "i6,yes,,,yesterday\n"
        "i7,yes,,,,one too many\n"
        "i8,down,,,1700000000000000000\n",
    )
    report = import_csv(path, store, now=7, by="root")

    assert (report.rows, report.accepted, report.unfilled, report.judgements) == (8, 3, 1, 4)
    assert [(r.line, r.reason) for r in report.refused] == [
        (5, "good: 'perhaps' is neither yes nor no (true, yes, 1, good, up; false, no, 0, bad, down)"),
        (6, "inference: name exactly one of inference and episode"),
        (9, "at: 'yesterday' is no time such as 2026-03-01T12:00:00Z"),
        (10, "has 6 cells, the header has 5"),
    ]
    assert report.refused[-1].text == "i7,yes,,,,one too many"
    kept = store.about(inferences=["i1", "i2", "i8"])
    assert [(f.inference, f.judgement, f.at) for f in kept] == [
        ("i2", Thumb(False), 7),
        ("i2", Correction("two\nlines"), 7),
        ("i8", Thumb(False), 1_700_000_000_000_000_000),
        ("i1", Thumb(True), 1_772_366_400_000_000_000),
    ]
    assert {(f.origin, f.by) for f in kept} == {("import", "root")}


def test_the_same_file_again_adds_nothing_though_a_row_that_is_there_twice_counts_twice(
    tmp_path: Path, store: SqlFeedback
) -> None:
    path = write(tmp_path, "inference,good\ni1,1\ni1,1\n")
    assert import_csv(path, store, now=1) == import_csv(path, store, now=2)
    assert len(store.about(inferences=["i1"])) == 2


def test_semicolons_a_byte_order_mark_and_decimal_commas_are_read(tmp_path: Path, store: SqlFeedback) -> None:
    report = import_csv(write(tmp_path, "\ufeffInference;Score;Category\ni1;0,5;tone\n"), store, now=1)
    assert report.refused == ()
    assert [f.judgement for f in store.about(inferences=["i1"])] == [Score(0.5), Category("tone")]


def test_json_lines_are_read_too(tmp_path: Path, store: SqlFeedback) -> None:
    text = '{"inference":"i1","correction":{"a":1}}\n{"inference":"i1","good":1}\nnonsense\n{"x":1}\n[1]\n'
    report = import_csv(write(tmp_path, text, "f.jsonl"), store, now=1)
    assert [f.judgement for f in store.about(inferences=["i1"])] == [Correction('{"a":1}')]
    assert [r.line for r in report.refused] == [2, 3, 4, 5]
    assert report.rows == 5


def test_a_quote_that_never_closes_refuses_what_it_swallows(tmp_path: Path, store: SqlFeedback) -> None:
    report = import_csv(write(tmp_path, 'inference,comment\ni1,fine\ni2,"open\ni3,lost\n'), store, now=1)
    assert (report.accepted, len(report.refused)) == (1, 1)
    assert (report.refused[0].line, "i3,lost" in report.refused[0].text) == (3, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"inference,stars\ni1,5\n", "has a column 'stars'. Its columns may be: inference, episode, good"),
        (b"", "has no header"),
        (b"inference,inference\n", "one column twice"),
        (b"inference,comment\ni1,ok\ni2,\xff\n", "line 3: is not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_whole(
    tmp_path: Path, store: SqlFeedback, text: bytes, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        import_csv(write(tmp_path, text), store, now=1)
    assert message in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path, store: SqlFeedback) -> None:
    with pytest.raises(InvalidRequest, match=r"absent\.csv cannot be read: No such file"):
        import_csv(tmp_path / "absent.csv", store, now=1)
