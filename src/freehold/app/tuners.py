"""Tuners, made ready: what each needs of settings and stores is found here."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from freehold.app.on_demand import on_demand
from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Feedback
from freehold.core.interaction import Body
from freehold.core.ports import FeedbackStore, KeptBodies
from freehold.core.request import Message
from freehold.core.tuned import Method
from freehold.flywheel.curation.terms import Terms
from freehold.flywheel.evaluation.replay import Asker
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.tuner import Made, Task, Tuner
from freehold.providers.known import KNOWN
from freehold.settings.book import Book

PLAIN: dict[Method, tuple[str, str]] = {
    "student": ("freehold.flywheel.tuning.student.port", "StudentTuner"),
    "lora": ("freehold.flywheel.tuning.lora.tuner", "LoraTuner"),
    "prompt": ("freehold.flywheel.tuning.prompt.tuner", "PromptTuner"),
}
"""Tuners that need nothing but their task."""


class Workbench:
    """Makes the tuner of a method. `params` lose what was for the tuner's making: the account, the teacher."""

    def __init__(
        self,
        book: Callable[[], Book],
        *,
        bodies: KeptBodies,
        feedback: FeedbackStore,
        messages: Callable[[Body], tuple[Message, ...]],
        terms: Callable[[], Terms],
        asker: Callable[[str, int | None], AbstractContextManager[Asker]],
    ) -> None:
        self._book = book
        self._bodies = bodies
        self._feedback = feedback
        self._messages = messages
        self._terms = terms
        self._asker = asker

    def tuner(self, method: Method, params: dict[str, Any]) -> Tuner:
        """InvalidRequest where something that the method needs is missing, and how to give it."""
        match method:
            case "student" | "lora" | "prompt":
                return on_demand(*PLAIN[method])()
            case "dpo":
                return on_demand("freehold.flywheel.tuning.lora.tuner", "DpoTuner")(self._pairs)
            case "provider":
                return self._provider(params)
            case "distil":
                return self._distil(params)

    def _provider(self, params: dict[str, Any]) -> Tuner:
        name = str(params.pop("provider", ""))
        endpoint = self._book().endpoints.get(name)
        if endpoint is None or endpoint.api_key is None:
            known = ", ".join(n for n, e in self._book().endpoints.items() if e.api_key is not None) or "none"
            raise InvalidRequest(f"Write --method provider:NAME with an account that has a key; there are: {known}")
        provider = endpoint.provider
        account = on_demand("freehold.flywheel.tuning.provider.client", "Account")(
            service=provider.id,
            key=endpoint.api_key,
            base_url=None if endpoint.base_url == KNOWN[provider.id].base_url else endpoint.base_url,
            account=params.pop("account", None),
        )
        return on_demand("freehold.flywheel.tuning.provider.tuner", "ProviderTuner")(account)

    def _distil(self, params: dict[str, Any]) -> Tuner:
        name, then = str(params.pop("teacher", "")), params.pop("then", "student")
        deployment = self._book().deployment(name)
        if deployment is None:
            raise InvalidRequest("Distilling needs a teacher: --set teacher=DEPLOYMENT, one that is served here")
        if then not in PLAIN:
            raise InvalidRequest(f"What is learned from a teacher can go to {', '.join(PLAIN)}, not to {then!r}")
        teacher = on_demand("freehold.flywheel.tuning.distil.tuner", "Teacher")(
            deployment=name, provider=deployment.provider, model=deployment.model
        )
        return _Distilling(teacher, self.tuner(then, params), self._terms(), self._asker)

    def _pairs(self, task: Task) -> Sequence[Any]:
        """Preferences and corrections about what the dataset was made from."""
        known = [e.inference for e in task.train if e.inference is not None]
        judged: Sequence[Feedback] = self._feedback.about(inferences=known)

        def answered(id: str) -> tuple[tuple[Message, ...], str] | None:
            body = self._bodies.get(id)
            return None if body is None else (self._messages(body), body.answer.text)

        return on_demand("freehold.flywheel.tuning.lora.conversation", "pairs_of")(task.train, answered, judged)


class _Distilling:
    """Distilling, with a pipeline to ask the teacher only while it runs."""

    method: Method = "distil"

    def __init__(
        self,
        teacher: Any,
        then: Tuner,
        terms: Terms,
        asker: Callable[[str, int | None], AbstractContextManager[Asker]],
    ) -> None:
        self._teacher = teacher
        self._then = then
        self._terms = terms
        self._asker = asker

    def tune(self, task: Task, steps: Steps) -> Made:
        with self._asker("distil", None) as asking:
            tuner = on_demand("freehold.flywheel.tuning.distil.tuner", "DistilTuner")
            return tuner(self._teacher, asking, self._terms, self._then).tune(task, steps)


def served_as(method: Method, params: dict[str, Any]) -> Method:
    """The method by which the result is served: what distilling hands its answers to."""
    return params.get("then", "student") if method == "distil" else method
