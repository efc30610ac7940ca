"""Feedback, consents and the list of datasets, on every database."""

import pytest

from freehold.core.errors import StoreFailed
from freehold.core.feedback import Correction, Feedback, Preference, Thumb
from freehold.core.interaction import Consent
from freehold.store.database import Database
from freehold.store.datasets import Listed, SqlDatasets
from freehold.store.feedback import SqlConsents, SqlFeedback

GOOD = Feedback(id="f1", at=3, judgement=Thumb(True), inference="i1", by="k1", author="ann")
RIGHT = Feedback(id="f2", at=1, judgement=Correction("refund"), inference="i1")
CHAT = Feedback(id="f3", at=2, judgement=Thumb(False), episode="e1")
BETTER = Feedback(id="f4", at=4, judgement=Preference("i1"), inference="i2")


def test_all_that_was_said_about_an_inference_comes_back_oldest_first(database: Database) -> None:
    store = SqlFeedback(database)
    store.put([GOOD, RIGHT, CHAT, BETTER])

    assert store.about(inferences=["i1"]) == [RIGHT, GOOD, BETTER]
    assert store.about(inferences=["i2"], episodes=["e1"]) == [CHAT, BETTER]
    assert store.about() == []
    assert store.between(2, 4) == [CHAT, GOOD]


def test_the_same_feedback_twice_is_kept_once(database: Database) -> None:
    store = SqlFeedback(database)
    store.put([GOOD])
    store.put([GOOD, Feedback(id="f1", at=9, judgement=Thumb(False), inference="i1")])

    assert store.about(inferences=["i1"]) == [GOOD]


def test_feedback_on_thousands_of_inferences_is_found_at_once(database: Database) -> None:
    store = SqlFeedback(database)
    many = [Feedback(id=f"f{n:05}", at=n, judgement=Thumb(True), inference=f"i{n}") for n in range(1_200)]
    store.put(many)

    assert store.about(inferences=[f"i{n}" for n in range(1_200)]) == many


def test_forgotten_feedback_is_gone(database: Database) -> None:
    store = SqlFeedback(database)
    store.put([GOOD, RIGHT, CHAT, BETTER])

    assert store.forget(inferences=["i1"], episodes=["e1"]) == 4
    assert store.about(inferences=["i1", "i2"], episodes=["e1"]) == []


def test_the_newest_word_of_a_subject_counts_in_whatever_order_it_came(database: Database) -> None:
    store = SqlConsents(database)
    store.put(Consent(subject="ann", purpose="training", allowed=False, at=5))
    store.put(Consent(subject="ann", purpose="training", allowed=True, at=2))
    store.put(Consent(subject="bob", purpose="training", allowed=True, at=1))

    assert store.known("training") == {"ann": False, "bob": True}
    assert store.known("other") == {}


OLD = Listed(digest="aa11" * 16, name="support", at=1, examples=2, folder="support@aa11aa11aa11")
NEW = Listed(digest="aa22" * 16, name="support", at=2, examples=3, folder="support@aa22aa22aa22")


def test_a_dataset_is_found_by_name_by_both_and_by_digest(database: Database) -> None:
    store = SqlDatasets(database)
    store.add(OLD, ["i1", "i2"])
    store.add(NEW, ["i2", "i2", "i3"])

    assert [store.find(r) for r in ("support", "support@aa11aa11aa11", NEW.digest[:6], "support@aa3")] == [
        NEW,
        OLD,
        NEW,
        None,
    ]
    assert store.all() == [NEW, OLD]
    assert store.made_from(["i1"]) == [OLD]
    assert store.made_from(["i2", "i9"]) == [NEW, OLD]
    assert store.inferences(NEW.digest) == ["i2", "i3"]


def test_a_digest_cut_too_short_is_refused_with_what_it_may_be(database: Database) -> None:
    store = SqlDatasets(database)
    store.add(OLD, [])
    store.add(Listed(digest="aa11" * 15 + "ffff", name="other", at=3, examples=1, folder="x"), [])

    with pytest.raises(StoreFailed, match="may be any of other@aa11aa11aa11, support@aa11aa11aa11"):
        store.find("aa11aa11")


def test_a_quarantined_dataset_says_why(database: Database) -> None:
    store = SqlDatasets(database)
    store.add(OLD, [])
    store.mark(OLD.digest, "quarantined", "a subject was erased")

    found = store.find("support")
    assert found is not None
    assert (found.state, found.reason) == ("quarantined", "a subject was erased")
