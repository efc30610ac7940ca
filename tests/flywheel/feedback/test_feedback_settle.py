"""What is believed after everything that was said."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.feedback import (
    Category,
    Comment,
    Correction,
    Feedback,
    Judgement,
    Origin,
    Preference,
    Score,
    Thumb,
)
from freehold.flywheel.feedback.settle import UNKNOWN, settle

number = count()


def said(
    judgement: Judgement,
    author: str = "ann",
    *,
    at: int | None = None,
    origin: Origin = "person",
    reliability: float = 0.9,
    episode: bool = False,
) -> Feedback:
    n = next(number)
    return Feedback(
        id=f"f{n:06}",
        at=n if at is None else at,
        judgement=judgement,
        inference=None if episode else "i",
        episode="e" if episode else None,
        origin=origin,
        reliability=reliability,
        author=author,
    )


def test_nothing_said_is_nothing_known() -> None:
    assert settle([]) == UNKNOWN
    assert (UNKNOWN.quality, UNKNOWN.weight, UNKNOWN.target) == (0.5, 0.0, None)


def test_one_person_counts_as_much_as_it_is_reliable() -> None:
    good = settle([said(Thumb(True), reliability=0.9)])
    assert round(good.quality, 6) == 0.9
    assert round(good.weight, 6) == 0.8
    assert round(settle([said(Thumb(False), reliability=0.9)]).quality, 6) == 0.1


def test_the_last_correction_of_the_same_person_wins_in_whatever_order_they_arrive() -> None:
    late, early = said(Correction("refund"), at=9), said(Correction("return"), at=1)
    for order in ([late, early], [early, late]):
        settled = settle(order)
        assert settled.target == "refund"
        assert settled.contradictions == ()


def test_the_majority_of_persons_wins_over_the_latest_and_the_quarrel_is_named() -> None:
    settled = settle(
        [
            said(Correction("refund"), "ann"),
            said(Correction("Refund "), "bob"),
            said(Correction("return"), "cy"),
        ]
    )
    assert settled.target == "Refund "
    assert settled.contradictions == ("2 corrected to 'Refund ', 1 to 'return'",)
    assert 0.6 < settled.target_weight < 0.7


def test_corrections_that_are_the_same_json_agree() -> None:
    settled = settle([said(Correction('{"a": 1, "b": 2}'), "ann"), said(Correction('{"b":2,"a":1}'), "bob")])
    assert settled.contradictions == ()
    assert settled.target_weight > 0.98


def test_a_correction_says_that_the_answer_was_bad() -> None:
    settled = settle([said(Correction("refund"))])
    assert settled.quality < 0.2
    assert settled.target == "refund"


def test_people_who_differ_on_quality_are_named_and_weigh_as_they_are_many() -> None:
    settled = settle([said(Thumb(True), "ann"), said(Thumb(True), "bob"), said(Thumb(False), "cy")])
    assert settled.quality > 0.5
    assert settled.contradictions == ("2 said good, 1 bad",)


def test_someone_who_praises_and_corrects_is_a_contradiction_and_the_correction_stays() -> None:
    settled = settle([said(Correction("refund")), said(Thumb(True))])
    assert settled.target == "refund"
    assert settled.contradictions == ("1 said good and bad, one after the other",)


def test_implicit_signals_are_weaker_than_one_person() -> None:
    signals = [
        said(Thumb(False), origin="retry", reliability=0.7),
        said(Thumb(False), origin="tool_error", reliability=0.65),
    ]
    assert settle(signals).quality < 0.3
    assert settle([*signals, said(Thumb(True), reliability=0.95)]).quality > 0.7


def test_a_signal_seen_many_times_counts_once() -> None:
    one = [said(Thumb(False), origin="retry", reliability=0.7)]
    many = [said(Thumb(False), origin="retry", reliability=0.7) for _ in range(20)]
    assert settle(one).quality == settle(many).quality


def test_what_a_person_corrects_overrules_what_an_edit_suggests() -> None:
    settled = settle([said(Correction("refund")), said(Correction("edited"), origin="edit")])
    assert settled.target == "refund"
    assert settle([said(Correction("edited"), origin="edit", reliability=0.8)]).target == "edited"


def test_a_judgement_of_the_episode_counts_half_and_its_correction_only_for_the_last_answer() -> None:
    whole = [said(Thumb(True), episode=True, reliability=0.9)]
    assert round(settle(whole).quality, 6) == 0.7
    corrected = [said(Correction("refund"), episode=True)]
    assert settle(corrected, last=True).target == "refund"
    assert settle(corrected, last=False) == UNKNOWN


def test_a_preference_counts_for_one_and_against_the_other() -> None:
    preferred = Feedback(id="p", at=1, judgement=Preference("worse"), inference="better", reliability=0.9)
    better, worse = settle([preferred], inference="better"), settle([preferred], inference="worse")
    assert (better.better_than, better.worse_than) == (("worse",), ())
    assert (worse.better_than, worse.worse_than) == ((), ("better",))
    assert better.quality == 1 - worse.quality == 0.7


def test_categories_and_comments_are_kept_but_judge_nothing() -> None:
    settled = settle([said(Category("tone")), said(Category("tone")), said(Comment("too long"))])
    assert (settled.categories, settled.comments) == (("tone",), ("too long",))
    assert (settled.quality, settled.weight) == (0.5, 0.0)


judgements = st.one_of(
    st.builds(Thumb, st.booleans()),
    st.builds(Score, st.floats(0, 1)),
    st.builds(Correction, st.sampled_from(["a", "b", "c", '{"x":1}', "[", ""])),
    st.builds(Category, st.just("c")),
    st.builds(Comment, st.just("c")),
    st.builds(Preference, st.just("other")),
)
everything = st.lists(
    st.builds(
        said,
        judgements,
        st.sampled_from(["ann", "bob", "cy"]),
        at=st.integers(0, 5),
        origin=st.sampled_from(["person", "import", "retry", "edit"]),
        reliability=st.floats(0, 1),
    ),
    max_size=12,
)


@given(everything, st.randoms())
def test_the_order_of_arrival_never_matters(feedback: list[Feedback], random: object) -> None:
    shuffled = list(feedback)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert settle(shuffled) == settle(feedback)


@given(everything)
def test_beliefs_stay_between_none_and_certain(feedback: list[Feedback]) -> None:
    settled = settle(feedback)
    assert 0 <= settled.quality <= 1
    assert 0 <= settled.weight <= 1
    assert 0 <= settled.target_weight <= 1
    assert (settled.target is None) == (settled.target_weight == 0) or settled.target is not None


@given(everything)
def test_one_more_reliable_praise_never_lowers_quality(feedback: list[Feedback]) -> None:
    praised = settle([*feedback, said(Thumb(True), "someone new", reliability=0.9)])
    assert praised.quality >= settle(feedback).quality


def test_a_small_edit_gives_a_target_but_does_not_say_that_the_answer_was_bad() -> None:
    edited = [
        said(Score(0.95), origin="edit", reliability=0.8),
        said(Correction("almost the same"), origin="edit", reliability=0.8),
    ]
    settled = settle(edited)
    assert settled.target == "almost the same"
    assert settled.quality > 0.7
