"""The gates, in the order in which candidates meet them: first what may be used, then what is worth it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.label import Sensitivity
from freehold.core.request import CallPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.flywheel.curation import pii
from freehold.flywheel.curation.alike import Contamination, Contradictions, Duplicates
from freehold.flywheel.curation.candidate import PEOPLE, Candidate, refined
from freehold.flywheel.curation.gate import Each, Gate, Kept
from freehold.flywheel.curation.injection import injection
from freehold.flywheel.curation.secrets import secrets
from freehold.flywheel.curation.terms import Terms
from freehold.flywheel.rollout.withdrawn import Distrust, taken_back, trusting

Mask = Callable[[str], tuple[str, Mapping[str, int]]]
"""A text without personal data, and how much of each type there was. Must be linear in the text."""

REMEMBERED = 50_000
"""Texts whose masked form, or freedom from secrets and attacks, is kept: system prompts come again and again."""


class Policy(Struct, frozen=True, kw_only=True):
    """What may become training data.

    `consent`: what holds for subjects that said nothing, and for requests that name none. `ceiling`: the strictest
    label that passes; `refuses`: categories that never do. `min_quality`: answers that are less likely to be good are
    kept out (0.5: nothing known). `near`: overlap from which two prompts count as one; `contamination`: the same
    against evaluation sets.
    """

    consent: Literal["allow", "deny"] = "allow"
    ceiling: Sensitivity = Sensitivity.CONFIDENTIAL
    refuses: frozenset[str] = frozenset()
    personal_data: Literal["mask", "drop", "keep"] = "mask"
    secrets: Literal["drop", "keep"] = "drop"
    injection: Literal["drop", "keep"] = "drop"
    min_quality: float = 0.3
    near: float = 0.9
    contamination: float = 0.8


class Rules(Struct, frozen=True, kw_only=True):
    """What gates ask others: who allowed what, providers' terms, detectors, evaluation sets, and rollouts."""

    consents: Mapping[str, bool] = {}
    terms: Terms
    mask: Mask = pii.mask
    has_secret: Callable[[str], str | None] = lambda text: next((s.form for s in secrets(text)), None)
    attack: Callable[[str], str | None] = injection
    held_out: Sequence[Example] = ()
    distrusts: Distrust = trusting


def gates(policy: Policy, rules: Rules) -> tuple[Gate, ...]:
    """The gates of a policy."""
    found: list[Gate] = [
        _consent(policy, rules.consents),
        _ceiling(policy),
        OutputTerms(rules.terms),
        _rollouts(rules.distrusts),
        _quality(policy),
    ]
    if policy.secrets == "drop":
        found.append(_spoken("secrets", rules.has_secret))
    if policy.injection == "drop":
        found.append(_spoken("injection", rules.attack, own=False))
    if policy.personal_data != "keep":
        found.append(PersonalData(rules.mask, drop=policy.personal_data == "drop"))
    found += [Contradictions(), Duplicates(policy.near), Contamination(rules.held_out, policy.contamination)]
    return tuple(found)


def imported_gates(policy: Policy, rules: Rules) -> tuple[Gate, ...]:
    """The gates for what a file brings, whose owner answers for consent and terms: those that look at the words."""
    return tuple(g for g in gates(policy, rules) if g.name not in {"consent", "label", "terms", "rollouts", "quality"})


def _consent(policy: Policy, known: Mapping[str, bool]) -> Gate:
    def judge(row: Candidate) -> str | None:
        allowed = known.get(row.subject) if row.subject is not None else None
        if allowed is False:
            return "the subject does not allow training"
        if allowed is None and policy.consent == "deny":
            return "the subject did not allow training" if row.subject else "no subject is named whose consent counts"
        return None

    return Each("consent", judge)


def _ceiling(policy: Policy) -> Gate:
    def judge(row: Candidate) -> str | None:
        if row.label.sensitivity > policy.ceiling:
            return f"content is {row.label.sensitivity.name.lower()}, the ceiling is {policy.ceiling.name.lower()}"
        refused = row.label.categories & policy.refuses
        return f"content is of category {', '.join(sorted(refused))}" if refused else None

    return Each("label", judge)


class OutputTerms(Struct, frozen=True):
    """The licence of the answering model and the terms of its provider. What people wrote passes, but leaves behind the
    provider's answer that it corrects."""

    terms: Terms
    name: str = "terms"

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        kept: list[Candidate] = []
        out: list[tuple[Candidate, str]] = []
        notes: Counter[str] = Counter()
        changed = 0
        for row in rows:
            reason = _unknown(row) or self.terms(row.provider or "", row.model or "")
            if reason is None:
                notes["the terms allow it"] += 1
                kept.append(row)
            elif row.example.source not in PEOPLE:
                out.append((row, reason))
            else:
                notes["a person's correction is the owner's own data"] += 1
                changed += row.example.rejected is not None
                own = msgspec.structs.replace(row.example, rejected=None)
                kept.append(msgspec.structs.replace(row, example=own))
        return Kept(rows=kept, out=out, changed=changed, notes=dict(notes))


def _unknown(row: Candidate) -> str | None:
    return "the deployment that answered is no longer known" if row.provider is None else None


def _rollouts(distrusts: Distrust) -> Gate:
    def judge(row: Candidate) -> str | None:
        if row.example.source in PEOPLE or row.inference is None or not taken_back(row.inference, distrusts):
            return None
        return f"{row.inference.deployment} answered, which was taken back from {row.inference.route} afterwards"

    return Each("rollouts", judge)


def _quality(policy: Policy) -> Gate:
    def judge(row: Candidate) -> str | None:
        if row.example.source in PEOPLE or row.settled.quality >= policy.min_quality:
            return None
        return f"quality is below {policy.min_quality:g}"

    return Each("quality", judge)


def _spoken(name: str, detect: Callable[[str], str | None], *, own: bool = True) -> Gate:
    """Keep out where a detector names something in what was said. `own`: also in system prompts, which are ours."""
    remembered: dict[str, str | None] = {}

    def judge(row: Candidate) -> str | None:
        texts = [t for m in row.example.messages if own or m.role != "system" for t in _texts(m)]
        for text in (*texts, row.example.target):
            if text not in remembered:
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
                remembered[text] = detect(text)
            found = remembered[text]
            if found is not None:
                return found
        return None

    return Each(name, judge)


class PersonalData:
    """Replaces personal data in prompts and targets by its type, or keeps out what has some."""

    name = "personal data"

    def __init__(self, mask: Mask, *, drop: bool = False) -> None:
        self._mask = mask
        self._drop = drop
        self._remembered: dict[str, tuple[str, Mapping[str, int]]] = {}

    def pass_through(self, rows: Sequence[Candidate]) -> Kept:
        kept: list[Candidate] = []
        out: list[tuple[Candidate, str]] = []
        notes: Counter[str] = Counter()
        changed = 0
        for row in rows:
            counts: Counter[str] = Counter()
            masked = self._example(row.example, counts)
            if counts and self._drop:
                out.append((row, f"has {', '.join(sorted(counts))}"))
                continue
            notes.update(counts)
            changed += bool(counts)
            kept.append(msgspec.structs.replace(row, example=masked) if counts else row)
        return Kept(rows=kept, out=out, changed=changed, notes=dict(sorted(notes.items())))

    def _example(self, example: Example, counts: Counter[str]) -> Example:
        messages = tuple(Message(m.role, tuple(self._part(p, counts) for p in m.parts)) for m in example.messages)
        target = self._text(example.target, counts)
        rejected = None if example.rejected is None else self._text(example.rejected, counts)
        return refined(example, messages=messages, target=target, rejected=rejected) if counts else example

    def _part(self, part: Part, counts: Counter[str]) -> Part:
        match part:
            case TextPart(text):
                return TextPart(self._text(text, counts))
            case ResultPart(id_, text):
                return ResultPart(id_, self._text(text, counts))
            case ReasoningPart(text):
                return ReasoningPart(self._text(text, counts))
            case CallPart(id_, name, arguments):
                return CallPart(id_, name, self._text(arguments, counts))
            case _:
                return part

    def _text(self, text: str, counts: Counter[str]) -> str:
        if text not in self._remembered:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[text] = self._mask(text)
        masked, found = self._remembered[text]
        counts.update(found)
        return masked


def _texts(message: Message) -> list[str]:
    found: list[str] = []
    for part in message.parts:
        match part:
            case TextPart(text) | ResultPart(_, text) | ReasoningPart(text):
                found.append(text)
            case CallPart(_, _, arguments):
                found.append(arguments)
            case _:
                pass
    return found
