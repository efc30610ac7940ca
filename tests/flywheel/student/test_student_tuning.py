"""Tuning a student, from examples to answers on messages that it has not seen."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.core.errors import InvalidRequest
from freehold.flywheel.tuning.student.calibrate import NEVER, kept, line, threshold
from freehold.flywheel.tuning.student.libraries import factored, solve_factored
from freehold.flywheel.tuning.student.measure import calibration_error
from freehold.flywheel.tuning.student.near import vote
from freehold.flywheel.tuning.student.rounds import Round, rounds
from freehold.flywheel.tuning.student.tuner import Recipe, tune
from freehold.runtime.student.heads import best_path, nearness
from freehold.runtime.student.student import Student, calibrated

sys.path.append(str(Path(__file__).parents[2] / "runtime"))

from student_world import example, inbox, orders

NOISY = Recipe(name="noisy", accuracy=0.95)


def test_a_student_is_right_on_messages_it_has_not_seen_and_unsure_of_the_rest(tmp_path: Path) -> None:
    student = Student.load(tune(inbox(400, noise=0.1), NOISY, tmp_path))

    said = [(student.predict(e.text), e.target) for e in inbox(200, seed=5)]

    assert np.mean([p.target == target for p, target in said]) > 0.97
    assert 0.8 < student.manifest.metrics["accuracy"] < 0.95  # the noise is in the held rows too
    assert not student.predict("zq xv kwj").sure


def test_objects_are_answered_whole(tmp_path: Path) -> None:
    student = Student.load(tune(orders(300), Recipe(name="orders", accuracy=0.9), tmp_path))

    said = [(student.predict(e.text), e.target) for e in orders(60, seed=7)]

    assert np.mean([json.loads(p.target) == json.loads(target) for p, target in said]) > 0.95
    assert np.mean([p.sure for p, _ in said]) > 0.8


def test_the_same_examples_and_seed_give_the_same_student(tmp_path: Path) -> None:
    first = tune(inbox(120), NOISY, tmp_path / "a")

    assert tune(inbox(120), NOISY, tmp_path / "b").name == first.name
    assert tune(inbox(120), replace(NOISY, seed=1), tmp_path / "c").name != first.name


def test_what_is_not_for_training_is_not_learnt(tmp_path: Path) -> None:
    more = [replace(e, split="test", target="card_lost") for e in inbox(100, seed=3)]
    unweighted = [replace(e, weight=0.0, target="top_up") for e in inbox(100, seed=4)]

    assert (
        tune([*inbox(120), *more, *unweighted], NOISY, tmp_path / "a").name
        == tune(inbox(120), NOISY, tmp_path / "b").name
    )


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    heard: list[float] = []

    tune(inbox(120), NOISY, tmp_path, progress=lambda share, what: heard.append(share))

    assert heard[0] == 0.0
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
    assert len(heard) > 50


def test_who_listens_to_the_progress_can_stop_it_and_nothing_is_left(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(share: float, what: str) -> None:
        if share > 0.3:
            raise Enough

    with pytest.raises((Enough, InterruptedError)):
        tune(inbox(120), NOISY, tmp_path / "models", progress=stop)
    assert not (tmp_path / "models").exists()


def test_too_few_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="give at least 20"):
        tune(inbox(19), NOISY, tmp_path)


def test_a_label_out_of_scope_must_be_a_label(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No example has the label nonsense"):
        tune(inbox(60), replace(NOISY, out_of_scope=("nonsense",)), tmp_path)


def test_one_label_alone_is_answered_always(tmp_path: Path) -> None:
    student = Student.load(tune([example(f"text {i}", "same") for i in range(200)], NOISY, tmp_path))

    assert student.predict("anything").target == "same"


def test_n_grams_alone_make_a_student_that_needs_no_encoder(tmp_path: Path) -> None:
    student = Student.load(tune(inbox(120), replace(NOISY, encoder=None), tmp_path))

    assert student.manifest.encoder is None
    assert student.predict("hello, i lost the card").target == "card_lost"


@pytest.mark.parametrize("block", [1024, 50])
def test_what_the_votes_say_of_held_rows_is_what_the_others_alone_would_have_said(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.flywheel.tuning.student.libraries.BLOCK", block)
    dice = np.random.default_rng(0)
    vectors = dice.normal(size=(120, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = [dice.integers(0, 3, 120), dice.integers(0, 2, 120)]
    weights = dice.uniform(0.5, 2, 120).astype(np.float32)
    fold = dice.integers(0, 4, 120)
    plan = [Round(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in (0, 1)]

    votes = vote(vectors, labels, [3, 2], plan, weights=weights, random=dice)

    for number, round_ in enumerate(plan):
        alone = vote(
            vectors[round_.learn],
            [x[round_.learn] for x in labels],
            [3, 2],
            [],
            weights=weights[round_.learn],
            random=dice,
        )
        near = nearness(vectors[round_.hold], vectors[round_.learn][alone.rows])
        for enum in (0, 1):
            assert votes.held[enum][number] == pytest.approx(near @ alone.votes[enum], abs=1e-3)


def test_a_factored_matrix_solves_what_the_matrix_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.flywheel.tuning.student.libraries.BLOCK", 30)
    dice = np.random.default_rng(0)
    matrix = dice.normal(size=(100, 100)).astype(np.float32)
    matrix = matrix @ matrix.T + 10 * np.eye(100, dtype=np.float32)
    right = dice.normal(size=(100, 3)).astype(np.float32)

    found = solve_factored(factored(matrix.copy()), right)

    assert found == pytest.approx(np.linalg.solve(matrix.astype(np.float64), right), abs=1e-4)
    with pytest.raises(ValueError, match="not positive definite"):
        factored(np.diag(np.array([1] * 40 + [-1], np.float32)))


def test_of_very_many_texts_some_vote_and_the_held_ones_are_judged_by_those_to_learn_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("freehold.flywheel.tuning.student.near.MOST", 60)
    dice = np.random.default_rng(0)
    labels = np.arange(200) % 2
    vectors = np.stack([np.cos(labels * 1.5), np.sin(labels * 1.5)], 1).astype(np.float32)
    plan = [Round(np.arange(150), np.arange(180, 200))]  # rows 150 to 179 are of the held fold but not measured

    votes = vote(vectors, [labels], [2], plan, weights=np.ones(200, np.float32), random=dice)

    assert len(votes.rows) == 60
    assert not set(votes.rows.tolist()) & set(range(150, 180))
    assert (votes.held[0][0].argmax(1) == labels[180:]).all()


def test_rows_of_one_episode_or_one_text_stay_on_one_side() -> None:
    rows = [replace(e, episode=f"e{i // 4}") for i, e in enumerate(inbox(200))]
    rows += [example("the very same text", "top_up")] * 3 + [example("The very  same text", "pin_change")]

    for round_ in rounds(rows, seed=0):
        learn = {rows[i].episode or rows[i].text.lower().split()[0] for i in round_.learn}
        hold = {rows[i].episode or rows[i].text.lower().split()[0] for i in round_.hold}
        assert not learn & hold
        assert len(round_.learn) + len(round_.hold) == len(rows)
    few = rounds(rows, seed=0, enough=10)
    assert [len(r.hold) for r in few] == [10]


def selective(dice: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Chances of being right that hold, as a student of some 91 % has them."""
    chances = dice.beta(5, 0.5, count)
    return chances, dice.random(count) < chances


@pytest.mark.parametrize("risk", [0.1, 0.4])
def test_answers_above_the_threshold_are_seldom_right_less_often_than_was_asked(risk: float) -> None:
    dice = np.random.default_rng(0)
    shares: list[float] = []
    broken = 0
    for _ in range(400):
        chances, good = selective(dice, 2000)
        least = threshold(chances, good, 0.97, risk=risk)
        fresh, _ = selective(dice, 20_000)
        shares.append(float((fresh >= least).mean()))
        broken += bool((fresh >= least).any() and fresh[fresh >= least].mean() < 0.97)

    assert broken / 400 <= risk
    assert np.mean(shares) > 0.55  # of 0.685 that could be answered if all were known


def test_where_no_threshold_keeps_the_promise_nothing_is_answered() -> None:
    dice = np.random.default_rng(0)

    assert threshold(dice.random(500), dice.random(500) < 0.6, 0.97) == NEVER
    assert threshold(np.ones(5), np.ones(5, bool), 0.97) == NEVER  # five rows prove nothing


def test_equal_chances_are_answered_together_or_not_at_all() -> None:
    chances = np.repeat([0.9, 0.5], 200)
    right = np.repeat([True, False], 200)
    right[200:260] = True

    assert threshold(chances, right, 0.97) == 0.9


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.5, 0.99))
def test_a_share_of_new_rows_reaches_the_score_that_is_kept(seed: int, share: float) -> None:
    scores = np.random.default_rng(seed).normal(size=2001)

    least = kept(scores[:1000], share)

    assert (scores[:1000] >= least).mean() >= share
    assert (scores[1000:] >= least).mean() > share - 0.08


def test_chances_are_calibrated_and_stay_finite_where_nothing_was_wrong() -> None:
    dice = np.random.default_rng(0)
    chances, right = selective(dice, 4000)
    bold = 1 / (1 + np.exp(-3 * np.log(chances / (1 - chances + 1e-12) + 1e-12)))  # three times too sure

    slope, offset = line(np.log(bold), right)
    better = np.array([calibrated(float(np.log(b)), slope, offset) for b in bold])

    assert calibration_error(better, right) < 0.02 < calibration_error(bold, right)
    slope, _ = line(np.log(chances), np.ones(4000, bool))
    assert 0 < slope < 20


@given(st.integers(0, 10**6))
def test_the_best_path_is_the_best_of_all_paths(seed: int) -> None:
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=(4, 3))
    step, start = dice.normal(size=(3, 3)), dice.normal(size=3)
    step[0, 2] = start[2] = -np.inf

    path, log_chance = best_path(logits, step, start)

    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    every = {
        p: start[p[0]] + sum(step[a, b] for a, b in pairwise(p)) + sum(logs[i, t] for i, t in enumerate(p))
        for p in np.ndindex(3, 3, 3, 3)
    }
    assert tuple(path) == max(every, key=lambda p: every[p])
    assert log_chance == pytest.approx(sum(logs[i, t] for i, t in enumerate(path)))
