"""The way of a candidate into a route."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.deployment import Rollout
from freehold.core.errors import InvalidRequest
from freehold.flywheel.rollout.state import Plan, RolloutState, promote, roll_back, start


def begun(*, shares: tuple[float, ...] = (0.05, 0.25), two_people: bool = False) -> RolloutState:
    return start(
        id="r1",
        route="support",
        candidate="own",
        plan=Plan(shares=shares),
        actor="ann",
        at=1,
        two_people=two_people,
        before=None,
    )


def test_a_rollout_goes_from_shadow_over_its_canaries_to_full() -> None:
    state = begun()
    seen = [state.routed()]
    for at in (2, 3, 4):
        state = promote(state, actor="ann", at=at, why="good")
        seen.append(state.routed())

    assert seen == [
        Rollout(candidate="own", step="shadow", share=0.0, salt="r1"),
        Rollout(candidate="own", step="canary", share=0.05, salt="r1"),
        Rollout(candidate="own", step="canary", share=0.25, salt="r1"),
        Rollout(candidate="own", step="full", share=1.0, salt="r1"),
    ]
    with pytest.raises(InvalidRequest, match="is full; it has no next step"):
        promote(state, actor="ann", at=5, why="more")


@pytest.mark.parametrize("promotions", [0, 1, 2, 3])
def test_it_can_be_rolled_back_from_everywhere_and_once(promotions: int) -> None:
    state = begun()
    for at in range(promotions):
        state = promote(state, actor="ann", at=at, why="good")

    back = roll_back(state, actor="guard", at=9, why="errors rose")

    assert back.routed() is None
    assert (back.now.actor, back.now.why) == ("guard", "errors rose")
    with pytest.raises(InvalidRequest, match="rolled back already"):
        roll_back(back, actor="ann", at=10, why="again")
    with pytest.raises(InvalidRequest, match="is rolled back; it has no next step"):
        promote(back, actor="ann", at=10, why="again")


def test_with_two_people_the_first_only_proposes() -> None:
    proposed = promote(begun(two_people=True), actor="ann", at=2, why="good")
    assert proposed.step == "shadow"

    with pytest.raises(InvalidRequest, match="ann proposed this promotion; a second person has to make it"):
        promote(proposed, actor="ann", at=3, why="yes")
    moved = promote(proposed, actor="bob", at=3, why="agreed")

    assert moved.step == "canary"
    assert moved.now.actor == "ann and bob"
    assert moved.now.why == "good; agreed"
    assert moved.proposal is None


def test_a_second_rollout_waits_for_the_first() -> None:
    first = begun()
    again = {"id": "r2", "route": "support", "candidate": "other", "plan": Plan(), "actor": "ann", "at": 9}

    with pytest.raises(InvalidRequest, match=r"already rolls out own \(shadow\)"):
        start(**again, two_people=False, before=first)  # type: ignore[arg-type]
    back = roll_back(first, actor="ann", at=5, why="no")
    assert start(**again, two_people=False, before=back).step == "shadow"  # type: ignore[arg-type]


@given(shares=st.lists(st.floats(-1, 2), max_size=4))
def test_canaries_grow_whatever_shares_were_asked_for(shares: list[float]) -> None:
    try:
        state = begun(shares=tuple(shares))
    except InvalidRequest:
        assert not shares or shares != sorted(set(shares)) or min(shares) <= 0 or max(shares) > 1
        return
    last = 0.0
    while state.running:
        state = promote(state, actor="ann", at=2, why="good")
        assert last < state.now.share <= 1
        last = state.now.share
    assert (state.step, last) == ("full", 1.0)


def test_what_went_full_keeps_serving_while_the_next_one_is_tried_and_after_it_was_taken_back() -> None:
    state = begun(shares=(0.5,))
    for at in (2, 3):
        state = promote(state, actor="ann", at=at, why="good")

    again = start(
        id="r2", route="support", candidate="new", plan=Plan(), actor="ann", at=9, two_people=False, before=state
    )
    back = roll_back(again, actor="guard", at=10, why="worse")

    assert again.routed() == Rollout(candidate="new", step="shadow", salt="r2", incumbent="own")
    assert back.routed() == Rollout(candidate="own", step="full", salt="r2")
    third = start(
        id="r3", route="support", candidate="third", plan=Plan(), actor="ann", at=11, two_people=False, before=back
    )
    assert third.incumbent == "own"
    with pytest.raises(InvalidRequest, match="own serves support already"):
        start(id="r4", route="support", candidate="own", plan=Plan(), actor="a", at=12, two_people=False, before=back)
