"""Settle: what is believed of an inference after everything that was said about it. Pure.

A judgement counts as much as it is reliable: with reliability r (how often such a judgement is right) it moves the
log-odds of "the answer was good" by logit(r), towards good or bad (naive Bayes from even odds). Each person has one
voice: its latest word. An implicit signal counts once, however often it was seen: repetitions are not independent.
"""

from collections.abc import Iterable, Sequence
from math import exp, log

import msgspec
from msgspec import Struct

from freehold.core.feedback import Category, Comment, Correction, Feedback, Preference, Score, Thumb

SUREST = 0.99
"""Nobody is always right: a greater reliability counts as this."""

EXPLICIT = frozenset({"person", "import"})


class Settled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is now believed.

    `target`: what the answer should have been (None: nobody said), trusted by `target_weight` (0 to 1). `quality`: the
    chance that the answer given was good (0.5: nothing known), on evidence of `weight` (0: none, 1: as much as
    there can be). `contradictions`: what was said against what, in words. `better_than`, `worse_than`: inferences.
    """

    target: str | None = None
    target_weight: float = 0.0
    quality: float = 0.5
    weight: float = 0.0
    voices: int = 0
    contradictions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    better_than: tuple[str, ...] = ()
    worse_than: tuple[str, ...] = ()


class _Vote(Struct, frozen=True):
    """One voice on quality: `value` from 0 (bad) to 1 (good)."""

    value: float
    reliability: float


UNKNOWN = Settled()


def settle(feedback: Sequence[Feedback], *, inference: str | None = None, last: bool = True) -> Settled:
    """What is believed of one inference, given what was said about it and about its episode.

    `inference`: its id, which tells a preference for it from one against it (None: all are for it). `last`: it is the
    last of its episode, so that a correction of the episode is meant for it; other judgements of an episode count
    for each of its inferences, half as reliable.
    """
    ordered = sorted((f for f in feedback if last or not _corrects_episode(f)), key=lambda f: (f.at, f.id))
    if not ordered:
        return UNKNOWN
    votes = _votes(ordered, inference)
    target, target_weight, quarrels = _target(ordered)
    better = _unique(f.judgement.over for f in ordered if isinstance(f.judgement, Preference) and _is_for(f, inference))
    worse = _unique(
        f.inference
        for f in ordered
        if isinstance(f.judgement, Preference) and not _is_for(f, inference) and f.inference is not None
    )
    evidence = 1.0
    for vote in votes:
        evidence *= 2 * (1 - vote.reliability)
    return Settled(
        target=target,
        target_weight=target_weight,
        quality=_quality(votes),
        weight=1 - evidence if votes else 0.0,
        voices=len({_voice(f) for f in ordered}),
        contradictions=(*quarrels, *_quarrels(ordered, inference)),
        categories=_unique(f.judgement.name for f in ordered if isinstance(f.judgement, Category)),
        comments=_unique(f.judgement.text for f in ordered if isinstance(f.judgement, Comment)),
        better_than=better,
        worse_than=worse,
    )


def same(one: str, other: str) -> bool:
    """Whether two answers say the same, but for case, spaces, and the order of JSON members."""
    return _gist(one) == _gist(other)


def _voice(f: Feedback) -> str:
    """Who speaks: a person, or a kind of signal."""
    if f.origin in EXPLICIT:
        return f"{f.by or ''}/{f.author or ''}"
    return f"signal {f.origin}"


def _corrects_episode(f: Feedback) -> bool:
    return f.inference is None and isinstance(f.judgement, Correction)


def _is_for(f: Feedback, inference: str | None) -> bool:
    return inference is None or f.inference == inference


def _reliability(f: Feedback) -> float:
    """From 0.5 (says nothing) to `SUREST`."""
    half = isinstance(f.judgement, Preference) or (f.inference is None and not isinstance(f.judgement, Correction))
    trusted = 0.5 + (f.reliability - 0.5) / 2 if half else f.reliability
    return min(max(trusted, 0.5), SUREST)


def _value(f: Feedback, inference: str | None) -> float | None:
    """How good the answer is in the eyes of one judgement; None: it does not say."""
    match f.judgement:
        case Thumb(good):
            return float(good)
        case Score(value):
            return min(max(value, 0.0), 1.0)
        case Correction():
            return None if f.origin == "edit" else 0.0
        case Preference():
            return float(_is_for(f, inference))
        case Category() | Comment():
            return None


def _votes(ordered: Sequence[Feedback], inference: str | None) -> list[_Vote]:
    """The latest word of each voice."""
    latest: dict[str, _Vote] = {}
    for f in ordered:
        value = _value(f, inference)
        if value is not None:
            latest[_voice(f)] = _Vote(value, _reliability(f))
    return list(latest.values())


def _quality(votes: Iterable[_Vote]) -> float:
    odds = sum((2 * v.value - 1) * log(v.reliability / (1 - v.reliability)) for v in votes)
    return 1 / (1 + exp(-max(min(odds, 500.0), -500.0)))


def _target(ordered: Sequence[Feedback]) -> tuple[str | None, float, tuple[str, ...]]:
    """The correction that most reliability stands behind; the later one where it is equal. People overrule signals."""
    latest: dict[str, Feedback] = {_voice(f): f for f in ordered if isinstance(f.judgement, Correction)}
    if any(f.origin in EXPLICIT for f in latest.values()):
        latest = {voice: f for voice, f in latest.items() if f.origin in EXPLICIT}
    groups: dict[str, list[Feedback]] = {}
    for f in latest.values():
        assert isinstance(f.judgement, Correction)
        groups.setdefault(_gist(f.judgement.answer), []).append(f)
    if not groups:
        return None, 0.0, ()
    weights = {gist: sum(map(_reliability, group)) for gist, group in groups.items()}
    ranked = sorted(groups, key=lambda g: (weights[g], max((f.at, f.id) for f in groups[g])), reverse=True)
    winners = groups[ranked[0]]
    newest = max(winners, key=lambda f: (f.at, f.id))
    wrong = 1.0
    for f in winners:
        wrong *= 1 - _reliability(f)
    share = weights[ranked[0]] / sum(weights.values())
    quarrels = tuple(
        f"{len(winners)} corrected to {_short(newest)}, {len(groups[g])} to {_short(groups[g][-1])}" for g in ranked[1:]
    )
    assert isinstance(newest.judgement, Correction)
    return newest.judgement.answer, share * (1 - wrong), quarrels


def _quarrels(ordered: Sequence[Feedback], inference: str | None) -> list[str]:
    """Who says good against who says bad."""
    said: dict[str, set[bool]] = {}
    for f in ordered:
        value = _value(f, inference)
        if value is not None and value != 0.5 and f.origin in EXPLICIT:
            said.setdefault(_voice(f), set()).add(value > 0.5)
    both = sum(1 for values in said.values() if len(values) == 2)
    good = sum(1 for values in said.values() if values == {True})
    bad = sum(1 for values in said.values() if values == {False})
    quarrels = [f"{both} said good and bad, one after the other"] if both else []
    return [*quarrels, f"{good} said good, {bad} bad"] if good and bad else quarrels


def _gist(answer: str) -> str:
    text = answer.strip()
    if text[:1] in {"{", "["}:
        try:
            return msgspec.json.encode(msgspec.json.decode(text), order="deterministic").decode()
        except (msgspec.DecodeError, RecursionError):
            pass
    return " ".join(text.split()).casefold()


def _short(f: Feedback) -> str:
    assert isinstance(f.judgement, Correction)
    text = f.judgement.answer
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
