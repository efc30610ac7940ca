"""Texts that are nearly the same are found, others are not."""

import random
import string

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.flywheel.curation.minhash import clusters, pairs, signatures, template


def shingles(text: str) -> set[str]:
    text = " ".join(text.casefold().split()).ljust(5, "\0")
    return {text[i : i + 5] for i in range(len(text) - 4)}


def overlap(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def sentence(draw: random.Random, words: int = 20) -> str:
    return " ".join("".join(draw.choices(string.ascii_lowercase, k=6)) for _ in range(words))


def test_agreement_estimates_the_overlap_of_shingles_without_bias() -> None:
    draw = random.Random(1)
    ones, others, exact = [], [], []
    for _ in range(400):
        words = sentence(draw).split()
        changed = [sentence(draw, 1) if draw.random() < draw.random() else w for w in words]
        ones.append(" ".join(words))
        others.append(" ".join(changed))
        exact.append(overlap(ones[-1], others[-1]))
    estimates = (signatures(ones) == signatures(others)).mean(axis=1)
    errors = estimates - np.array(exact)
    assert abs(errors.mean()) < 0.01
    assert np.abs(errors).max() < 0.2
    assert float(np.sqrt((errors**2).mean())) < 0.045


def test_near_duplicates_are_all_found_and_nothing_else() -> None:
    draw = random.Random(2)
    originals = [sentence(draw) for _ in range(300)]
    copies = [text.upper().replace(text.split()[3].upper(), "") for text in originals]
    found = pairs(signatures([*originals, *copies]), 0.7)
    assert [(i, j) for i, j, _ in found] == [(i, i + 300) for i in range(300)]
    assert all(share > 0.7 for *_, share in found)


def test_case_and_spaces_do_not_count_and_short_texts_have_a_signature() -> None:
    found = signatures(["Where is  my CARD?", "where is my card?", "", " ", "a", "b"])
    assert (found[0] == found[1]).all()
    assert (found[2] == found[3]).all()
    assert not (found[4] == found[5]).any()


def test_a_template_that_all_share_does_not_make_texts_alike() -> None:
    draw = random.Random(3)
    frame = sentence(draw, 200)
    texts = [f"{frame} {sentence(draw, 8)}" for _ in range(100)]
    assert len(pairs(signatures(texts), 0.8)) > 1_000
    assert pairs(signatures(texts, ignore=template(texts)), 0.8) == []
    bare = signatures([frame, frame], ignore=template(texts))
    assert (bare[0] == bare[1]).all()


def test_a_signature_does_not_depend_on_its_neighbours() -> None:
    draw = random.Random(4)
    texts = [sentence(draw, draw.randrange(0, 400)) for _ in range(200)]
    whole = signatures(texts)
    assert all((signatures([text])[0] == whole[i]).all() for i, text in enumerate(texts))


def test_pairs_between_two_sets_name_a_row_of_each() -> None:
    draw = random.Random(5)
    train, held_out = [sentence(draw) for _ in range(50)], [sentence(draw) for _ in range(50)]
    train[7] = held_out[3] + " indeed"
    assert [(i, j) for i, j, _ in pairs(signatures(train), 0.8, other=signatures(held_out))] == [(7, 3)]


def test_a_crowd_of_the_same_text_is_one_cluster_without_comparing_all_with_all() -> None:
    found = pairs(signatures(["the very same text"] * 500), 0.9)
    assert len(found) < 500 * 9
    assert set(clusters(500, [(i, j) for i, j, _ in found])) == {0}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_clusters_are_what_can_be_reached(linked: list[tuple[int, int]]) -> None:
    found = clusters(30, linked)
    assert all(found[i] == found[j] for i, j in linked)
    assert all(found[root] == root <= i for i, root in enumerate(found))
    reached = {i: {i} for i in range(30)}
    for _ in range(30):
        for i, j in linked:
            reached[i] = reached[j] = reached[i] | reached[j]
    for i in range(30):
        for j in range(30):
            if found[i] != found[j]:
                assert j not in reached[i]
