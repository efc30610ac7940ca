"""Nothing that is known while training is tested later."""

from collections import Counter
from collections.abc import Callable, Sequence

from curation_world import example
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.dataset import Example
from freehold.flywheel.curation.split import TOGETHER, Shares, split, together

WORDS = [
    *("where", "card", "money", "lost", "parcel", "refund", "order", "account"),
    *("password", "change", "cancel", "late", "broken", "open", "close", "hello"),
]
rows = st.lists(
    st.builds(
        lambda words, at, episode, subject: example(" ".join(words), at=at, episode=episode, subject=subject),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
        st.integers(0, 50),
        st.none() | st.sampled_from(["e1", "e2", "e3", "e4"]),
        st.none() | st.sampled_from(["s1", "s2", "s3"]),
    ),
    max_size=60,
    unique_by=lambda e: e.id,
)


def shingles(text: str) -> set[str]:
    text = text.ljust(5, "\0")
    return {text[i : i + 5] for i in range(len(text) - 4)}


@settings(max_examples=60, deadline=None)
@given(rows)
def test_no_episode_subject_or_near_duplicate_straddles_the_splits(examples: list[Example]) -> None:
    sides = split(examples, Shares(validation=0.2, test=0.2))

    def straddles(name: Callable[[Example], str | None]) -> list[str]:
        seen: dict[str, set[str]] = {}
        for e, side in zip(examples, sides, strict=True):
            if (key := name(e)) is not None:
                seen.setdefault(key, set()).add(side)
        return [key for key, found in seen.items() if len(found) > 1]

    assert straddles(lambda e: e.episode) == []
    assert straddles(lambda e: e.subject) == []
    for i, one in enumerate(examples):
        for j, other in enumerate(examples[:i]):
            a, b = shingles(one.text), shingles(other.text)
            if len(a & b) / len(a | b) >= TOGETHER + 0.15:  # well beyond the error of the estimate
                assert sides[i] == sides[j]


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms())
def test_the_order_in_which_examples_come_does_not_matter(examples: list[Example], random: object) -> None:
    shuffled = list(examples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert by_id(shuffled) == by_id(examples)


def by_id(examples: Sequence[Example]) -> dict[str, str]:
    return {e.id: side for e, side in zip(examples, split(examples), strict=True)}


def several(count: int, **more: Callable[[int], object]) -> list[Example]:
    return [
        example(f"{n * 7919 % 1009} {WORDS[n % 16]} {n * 31 % 97}", **{k: f(n) for k, f in more.items()})
        for n in range(count)
    ]


def test_the_latest_are_the_test_and_those_before_them_the_validation() -> None:
    examples = several(1_000, at=lambda n: n + 1)
    sides = split(examples)
    assert Counter(sides) == {"train": 800, "validation": 100, "test": 100}
    latest = {side: max(e.at for e, s in zip(examples, sides, strict=True) if s == side) for side in set(sides)}
    assert latest["train"] < latest["validation"] < latest["test"]
    assert sides[-50:] == ["test"] * 50


def test_an_episode_that_reaches_into_the_last_days_is_tested_whole() -> None:
    examples = several(200, at=lambda n: n + 1, episode=lambda n: "long" if n in {3, 50, 199} else None)
    sides = split(examples)
    assert [sides[n] for n in (3, 50, 199)] == ["test"] * 3


def test_a_group_that_is_too_large_trains_and_the_others_are_split_as_they_should() -> None:
    examples = several(400, at=lambda n: n + 1, subject=lambda n: "big" if n % 2 else None)
    sides = split(examples)
    assert {side for e, side in zip(examples, sides, strict=True) if e.subject} == {"train"}
    assert Counter(sides) == {"train": 320, "validation": 40, "test": 40}


def test_rows_without_a_time_are_drawn_by_their_hash() -> None:
    examples = several(1_000)
    sides = split(examples)
    assert Counter(sides) == {"train": 800, "validation": 100, "test": 100}
    places = [n for n, side in enumerate(sides) if side == "test"]
    assert 400 < sum(places) / len(places) < 600


def test_groups_join_over_episode_subject_and_likeness() -> None:
    examples = [
        example("where is my parcel from monday", episode="e"),
        example("something else", episode="e", subject="s"),
        example("a third thing", subject="s"),
        example("where is my parcel from monday?"),
        example("not related at all"),
    ]
    assert together(examples) == [0, 0, 0, 0, 4]
