"""The contract of a student, read off examples."""

import json
import random
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import InvalidRequest
from freehold.flywheel.tuning.student.align import places, tags
from freehold.flywheel.tuning.student.infer import contract
from freehold.runtime.student.contract import Constant, Contract, Enum, Field, Span, read, written
from freehold.runtime.student.heads import pieces
from freehold.runtime.student.tokens import tokens

sys.path.append(str(Path(__file__).parents[2] / "runtime"))

from student_world import CITIES, example, inbox, orders


def field(found: Contract, *path: str) -> Field:
    return next(f for f in found.fields if f.path == path)


def test_bare_labels_are_one_enum() -> None:
    assert contract(inbox(60)) == Contract((Enum((), ("card_lost", "exchange_rate", "pin_change", "top_up")),))


def test_each_member_of_an_object_becomes_what_it_is() -> None:
    found = contract(orders(200))

    assert [f.path for f in found.fields] == [
        ("v",),
        ("kind",),
        ("slots", "city"),
        ("slots", "food"),
        ("slots", "count"),
        ("hurry",),
    ]
    assert field(found, "v") == Constant(("v",), msgspec.Raw(b"1"))
    assert field(found, "kind") == Enum(("kind",), ("order", "question"))
    assert field(found, "slots", "city") == Span(("slots", "city"))
    assert field(found, "slots", "count") == Span(("slots", "count"), number=True)
    assert field(found, "hurry") == Enum(("hurry",), (False, True))


@pytest.mark.parametrize(("nothing", "empty"), [(None, "null"), ([], "list")])
def test_lists_of_pieces_are_spans_and_remember_how_nothing_is_written(nothing: object, empty: str) -> None:
    rows = [
        example(f"from {a} to {b}", json.dumps({"cities": [a, b] if i % 2 else nothing}))
        for i, (a, b) in enumerate(zip(CITIES, reversed(CITIES), strict=True))
    ]

    assert contract(rows).fields == (Span(("cities",), many=True, empty=empty),)  # type: ignore[arg-type]


def test_a_member_that_is_sometimes_missing_is_an_optional_enum() -> None:
    rows = [
        example(f"t{i}", json.dumps({"a": "x" if i % 2 else "y"} | ({"b": True} if i % 3 else {}))) for i in range(30)
    ]

    assert field(contract(rows), "b") == Enum(("b",), (True,), optional=True)


def test_free_text_is_refused_by_its_name() -> None:
    dice = random.Random(0)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    rows = [
        example(
            f"message {i}",
            json.dumps({"kind": "a" if i % 2 else "b", "reply": {"text": " ".join(dice.choices(words, k=6))}}),
        )
        for i in range(60)
    ]

    with pytest.raises(InvalidRequest, match=r"write reply\.text: it is free text.*--method lora") as caught:
        contract(rows)
    assert caught.value.param == "reply.text"


def test_answers_in_prose_are_refused() -> None:
    rows = [example(f"message {i}", f"a whole sentence number {i}") for i in range(60)]

    with pytest.raises(InvalidRequest, match="60 different ones in 60 examples"):
        contract(rows)


def test_a_schema_says_which_values_there_are() -> None:
    schema = {"type": "object", "properties": {"kind": {"enum": ["order", "question", "rant"]}, "v": {"const": 1}}}

    found = contract(orders(200), schema)

    assert field(found, "kind") == Enum(("kind",), ("order", "question", "rant"))
    assert field(found, "slots", "city") == Span(("slots", "city"))


def test_with_a_schema_a_target_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="its target is no JSON object"):
        contract([*orders(30), example("hi", "order")], {"type": "object"})


@pytest.mark.parametrize("row", orders(40), ids=lambda row: row.id[:6])
def test_a_target_taken_apart_and_written_again_is_the_same(row: object) -> None:
    found = contract(orders(200))
    leaves = read(found, row.target)  # type: ignore[attr-defined]
    spans = {f.path: [str(leaves[f.path])] for f in found.spans if f.path in leaves}

    again = written(found, {**leaves, **spans})

    assert json.loads(again) == json.loads(row.target)  # type: ignore[attr-defined]


WORDS = st.lists(st.text("abcÄß'’-., 7", min_size=1, max_size=6), min_size=1, max_size=8)


@given(WORDS, st.data())
def test_tags_give_back_the_pieces_that_they_were_made_from(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    row = tokens(text)
    if not row:
        return
    first = data.draw(st.integers(0, len(row) - 1))
    last = data.draw(st.integers(first, len(row) - 1))
    piece = text[row[first].start : row[last].end]

    tagged = tags(text, row, {1: [piece]})

    assert tagged is not None
    assert pieces(text, row, tagged) == {1: [piece]}


def test_pieces_do_not_overlap_and_lists_keep_their_order() -> None:
    text = "play new york new york by new order"
    row = tokens(text)

    tagged = tags(text, row, {0: ["new york new york"], 1: ["new order"]})
    listed = tags(text, row, {0: ["new york", "new york"], 1: ["new"]})

    assert tagged == [0, 1, 2, 2, 2, 0, 3, 4]
    assert listed == [0, 1, 2, 1, 2, 0, 3, 0]


def test_a_piece_that_stands_nowhere_has_no_place() -> None:
    row = tokens("Add it to Jazz.")

    assert places("Add it to Jazz.", row, "jazz") == [(3, 4)]
    assert places("Add it to Jazz.", row, "azz") == []
    assert tags("Add it to Jazz.", row, {0: ["Rock"]}) is None
