"""Prices that creep: steps that each pass are held back where together they come to more than twice."""

import random
from pathlib import Path

import pytest

from freehold.catalog.book import catalog, stood
from freehold.catalog.snapshots import Snapshots
from freehold.catalog.update import accept, rollback
from snapshots_world import HOUR, NOON, Acts, Draft, by, taken

DAY = 24 * HOUR
OFFER = "groq/openai/gpt-oss-120b"


class Feed:
    """A data folder that takes a catalog a day in which prices are so many times those of the package."""

    def __init__(self, folder: Path) -> None:
        self.snapshots = Snapshots(folder)
        self.stamp = 0

    def send(self, day: float, times: dict[str, float]) -> dict[str, str]:
        """What is held back that day, with the reasons."""
        draft = Draft()
        for offer, factor in times.items():
            draft.scale(offer, factor)
        self.stamp += 1  # no two snapshots are the same file
        draft.file["sources"]["pages"]["version"] = str(self.stamp)
        at = NOON + int(day * DAY)
        turned = taken(self.snapshots, draft.data, by(now=at), at=at)
        return {one.subject: "; ".join(one.why) for one in turned.new}

    def price(self, offer: str = OFFER) -> float:
        """How many times the package's price holds."""
        provider, _, id = offer.partition("/")
        inputs: list[int] = []
        for book in (stood(self.snapshots, self.snapshots.newest()), catalog()):
            listing = book.listing(provider, id)
            assert listing is not None
            tariff = listing.sightings[0].tariff
            assert tariff is not None
            inputs.append(tariff.rows[0].rates.input)
        return inputs[0] / inputs[1]


@pytest.fixture(name="feed")
def _feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


@pytest.mark.parametrize("steps", [(1.5, 2.25), (1.4, 1.9, 2.6), (0.7, 0.45)])
def test_steps_that_each_pass_are_held_back_when_they_come_to_more_than_twice_within_a_month(
    feed: Feed, steps: tuple[float, ...]
) -> None:
    *before, last = steps
    for day, times in enumerate(before, 1):
        assert feed.send(day, {OFFER: times}) == {}
        assert feed.price() == pytest.approx(times, rel=0.01)

    held = feed.send(len(steps), {OFFER: last})

    assert held.keys() == {OFFER}
    assert "since 2026-10-" in held[OFFER]
    assert " times" in held[OFFER]
    assert feed.price() == pytest.approx(before[-1], rel=0.01)


def test_it_stays_held_back_however_small_the_next_step_is(feed: Feed) -> None:
    feed.send(1, {OFFER: 1.9})

    assert [feed.send(day, {OFFER: times}).keys() for day, times in ((2, 2.05), (3, 2.1))] == [{OFFER}, {OFFER}]
    assert feed.price() == pytest.approx(1.9, rel=0.01)


def test_a_price_may_rise_to_more_than_twice_in_steps_that_are_a_month_apart(feed: Feed) -> None:
    assert [feed.send(day, {OFFER: times}) for day, times in ((1, 1.5), (32, 2.25), (63, 3.3))] == [{}, {}, {}]


def test_what_the_operator_accepted_is_what_the_next_steps_are_seen_beside(feed: Feed) -> None:
    feed.send(1, {OFFER: 1.5})
    assert feed.send(2, {OFFER: 2.5}).keys() == {OFFER}
    accept(feed.snapshots, [OFFER], by(now=NOON + 3 * DAY), Acts())
    assert feed.price() == pytest.approx(2.5, rel=0.01)

    assert feed.send(4, {OFFER: 3.5}) == {}
    held = feed.send(5, {OFFER: 5.5})
    assert held.keys() == {OFFER}
    assert held[OFFER].startswith("since 2026-11-27, ")


def test_going_back_is_a_decision_too(feed: Feed) -> None:
    feed.send(1, {OFFER: 1.9})
    feed.send(2, {OFFER: 1.0})
    rollback(feed.snapshots, by(now=NOON + 3 * DAY), Acts())
    assert feed.price() == pytest.approx(1.9, rel=0.01)

    assert feed.send(4, {OFFER: 3.0}) == {}


def test_a_snapshot_that_was_lost_keeps_no_new_one_out(feed: Feed) -> None:
    feed.send(1, {OFFER: 1.2})
    lost = feed.snapshots.newest().snapshot
    feed.send(32, {OFFER: 1.3})
    (feed.snapshots.folder / "snapshots" / f"{lost}.json").unlink()

    assert feed.send(33, {OFFER: 1.4}) == {}


def test_of_many_offers_those_that_creep_are_held_back_and_no_other(feed: Feed) -> None:
    draw = random.Random(30)
    draft = Draft()
    priced = [name for name in draft.offers if draft.rates(name) and min(draft.rates(name)[0].values()) > 1000]
    chosen = draw.sample(priced, 80)
    creeping, calm = chosen[:40], chosen[40:]
    steps = [1.35, 1.8, 2.4]
    held: list[set[str]] = []
    for day, times in enumerate(steps, 1):
        wobble = {name: draw.uniform(0.85, 1.25) for name in calm}
        found = feed.send(day, dict.fromkeys(creeping, times) | wobble)
        held.append({name for name, why in found.items() if "since 2026-10" in why})

    assert held[:2] == [set(), set()]
    assert held[2] == set(creeping)
