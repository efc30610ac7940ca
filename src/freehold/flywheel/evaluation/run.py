"""Evaluation and swap as jobs: questions are asked in steps, so that a successor asks none again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.core.ports import Clock
from freehold.flywheel.evaluation.judging import both_orders, difference, judged_verdict
from freehold.flywheel.evaluation.replay import Asker, Question, Reply, again, question
from freehold.flywheel.evaluation.report import page
from freehold.flywheel.evaluation.results import Comparison, Results, compared, handed_on, results, scores_of
from freehold.flywheel.evaluation.scorers import Scorer, scorer
from freehold.flywheel.evaluation.traffic import Judged
from freehold.flywheel.jobs.job import Json, Steps
from freehold.flywheel.verdict.verdict import NotEnough, Verdict

AT_A_TIME = 25
"""Questions in a step: what a killed worker may have to ask again."""

T = TypeVar("T")

OpenAsker = Callable[[str, int | None], AbstractContextManager[Asker]]
"""An asker by the name of what it is for, with a budget in nano-dollars."""


class Evaluation(Struct, frozen=True, kw_only=True):
    """The parameters of an evaluation. The first deployment is the one that others are compared with.

    `more`: further members of each request, such as `response_format`. `budget`: nano-dollars for all of it. `judge`: a
    deployment that compares the answers.
    """

    dataset: str
    deployments: tuple[str, ...]
    scorers: tuple[str, ...] = ("exact",)
    split: str = "test"
    limit: int | None = None
    margin: float = 0.02
    alpha: float = 0.05
    budget: int | None = None
    judge: str | None = None
    more: dict[str, Any] = {}


class Swap(Struct, frozen=True, kw_only=True):
    """The parameters of a swap: may `to` take over from `from_` on a route? Asked on the route's own traffic.

    `since`: UTC nanoseconds. At most `limit` requests are replayed, the newest first; it ends as soon as it is decided.
    """

    route: str
    from_: str
    to: str
    since: int = 0
    limit: int = 2_000
    scorer: str = "normalised"
    margin: float = 0.02
    alpha: float = 0.05
    budget: int | None = None


class Asking:
    """Asks in steps of a job. The pipeline behind it is opened with the first question that nobody asked yet."""

    def __init__(self, steps: Steps, opened: Callable[[], AbstractContextManager[Asker]], total: int) -> None:
        self._steps = steps
        self._opened = opened
        self._asker: Asker | None = None
        self._stack = ExitStack()
        self._total = max(total, 1)
        self._done = 0

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def ask(self, name: str, questions: Sequence[Question]) -> list[Reply]:
        """One step."""

        def asked() -> Any:
            if self._asker is None:
                self._asker = self._stack.enter_context(self._opened())
            return msgspec.to_builtins(self._asker.ask(questions))

        replies = msgspec.convert(self._steps.step(name, asked), list[Reply])
        self._done += len(questions)
        self._steps.progress(min(self._done / self._total, 1.0), f"{self._done:,} of {self._total:,} questions")
        return replies


def evaluate(
    params: Json,
    steps: Steps,
    *,
    load: Callable[[str, str], Sequence[Example]],
    asker: OpenAsker,
    reports: Path,
    clock: Clock,
) -> Json:
    """Ask every deployment every example of a split and write a report. `load` gives a dataset's split."""
    wanted = msgspec.convert(params, Evaluation)
    scorers = [scorer(spec) for spec in wanted.scorers]
    examples = load(wanted.dataset, wanted.split)[: wanted.limit]
    if not examples:
        raise InvalidRequest(f"The {wanted.split} split of {wanted.dataset} is empty; choose another with --split")
    if not wanted.deployments:
        raise InvalidRequest("Name at least one deployment to evaluate")
    replies: dict[str, list[Reply]] = {d: [] for d in wanted.deployments}
    total = len(examples) * len(replies)
    with Asking(steps, lambda: asker("evaluate", wanted.budget), total) as asking:
        for start, some in _chunks(examples):
            for deployment in replies:
                questions = [question(e, deployment, wanted.more) for e in some]
                replies[deployment] += asking.ask(f"{deployment} {start}", questions)
        found = results(examples, replies, scorers, margin=wanted.margin, alpha=wanted.alpha)
        if wanted.judge is not None:
            found = replace(
                found,
                comparisons=tuple(
                    replace(c, judged=_judge(wanted, c, examples, replies, by=scorers[0], asking=asking))
                    for c in found.comparisons
                ),
            )

    def reported() -> Json:
        reports.mkdir(parents=True, exist_ok=True)
        at = clock()
        about = [
            ("dataset", f"{wanted.dataset}, {wanted.split} split, {len(examples):,} examples"),
            ("margin", f"{wanted.margin:g}, decided by {scorers[0].name} at alpha {wanted.alpha:g}"),
        ]
        path = reports / f"evaluation-{at}.html"
        path.write_text(page(found, title=f"Evaluation on {wanted.dataset}", about=about, at=at))
        return {"report": str(path)}

    return {**steps.step("report", reported), "results": msgspec.to_builtins(found)}


def _judge(
    wanted: Evaluation,
    comparison: Comparison,
    examples: Sequence[Example],
    replies: Mapping[str, Sequence[Reply]],
    *,
    by: Scorer,
    asking: Asking,
) -> Verdict:
    """What the judge makes of one comparison, sharpened by what people said."""
    judge = wanted.judge or ""
    a = replies[comparison.incumbent]
    b = handed_on(replies[comparison.candidate], a)
    said: list[float] = []
    for start, some in _chunks(list(zip(examples, a, b, strict=True))):
        questions = [q for e, one, other in some for q in both_orders(judge, e, one, other)]
        words = asking.ask(f"judge {comparison.candidate} {start}", questions)
        said += [difference(words[i], words[i + 1]) for i in range(0, len(words), 2)]
    scores = [scores_of(examples, one, by) for one in (a, b)]
    truth = [after - before for before, after in zip(*scores, strict=True)]
    return judged_verdict(examples, said, truth, margin=wanted.margin, alpha=wanted.alpha)


def swap(params: Json, steps: Steps, *, judged: Callable[[str, int, str], Sequence[Judged]], asker: OpenAsker) -> Json:
    """Replay a route's judged traffic until the verdict stands. What `from_` answered itself is not asked again.

    `judged` gives the route's traffic since a time for which people said what was right, the newest first; without
    what the candidate that it names has learned from.
    """
    wanted = msgspec.convert(params, Swap)
    score = scorer(wanted.scorer)
    traffic = list(judged(wanted.route, wanted.since, wanted.to))[: wanted.limit]
    examples: list[Example] = []
    a: list[Reply] = []
    b: list[Reply] = []
    comparison: Comparison | None = None
    with Asking(steps, lambda: asker("swap", wanted.budget), 2 * len(traffic)) as asking:
        for start, some in _chunks(traffic):
            examples += [one.example for one in some]
            a += asking.ask(
                f"{wanted.from_} {start}", [again(j.request, wanted.from_, of=j.example.inference) for j in some]
            )
            b += asking.ask(f"{wanted.to} {start}", [again(j.request, wanted.to, of=j.example.inference) for j in some])
            comparison = compared(
                examples, (wanted.from_, a), (wanted.to, b), score, margin=wanted.margin, alpha=wanted.alpha
            )
            if not isinstance(comparison.verdict, NotEnough):
                break
    if comparison is None:
        raise InvalidRequest(
            f"Route {wanted.route} has no collected traffic with feedback since then. Set collect = true on the route, "
            "and send corrections or thumbs to POST /v1/feedback"
        )
    return {"comparison": msgspec.to_builtins(comparison), "asked": len(examples), "judged": len(traffic)}


def _chunks(rows: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    for start in range(0, len(rows), AT_A_TIME):
        yield start, rows[start : start + AT_A_TIME]


def read_results(result: Json) -> Results:
    """The results of a finished evaluation."""
    return msgspec.convert(result["results"], Results)


def read_comparison(result: Json) -> Comparison:
    """The comparison of a finished swap."""
    return msgspec.convert(result["comparison"], Comparison)
