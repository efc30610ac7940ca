"""Tuning at a provider: examples go up, a job is ordered and watched, and the model is a deployment there."""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest, ProviderError, Rejected
from freehold.core.tuned import Method
from freehold.flywheel.jobs.job import Cancelled, Json, Steps
from freehold.flywheel.tuning.artifact import seal
from freehold.flywheel.tuning.lora.conversation import turns
from freehold.flywheel.tuning.provider.client import Account, Client
from freehold.flywheel.tuning.provider.services import NANO, SERVICES, Order, Service, Status, service
from freehold.flywheel.tuning.tuner import Made, Task

FIRST_POLL = 5.0
LONGEST_POLL = 60.0
LOOK = 1.0
"""Seconds between looks whether the job was cancelled, while waiting for the provider."""

FAILED_POLLS = 20
"""Polls in a row that may fail in passing before the run gives up."""


class ProviderParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to tune. `learning_rate` is a multiplier at OpenAI, a rate elsewhere; None leaves a choice to the provider.
    `usd_per_million_tokens`: its price for tokens trained on, where it states tokens but no cost (OpenAI)."""

    base: str
    epochs: Annotated[int, Meta(ge=1)] | None = None
    batch: Annotated[int, Meta(ge=1)] | None = None
    learning_rate: Annotated[float, Meta(gt=0)] | None = None
    usd_per_million_tokens: Annotated[float, Meta(ge=0)] | None = None


class ProviderTuner:
    """One account at one provider. What is asked of the provider is a step each, so that a worker that goes on after
    another's death asks for nothing twice; a cancelled job is cancelled there too."""

    method: Method = "provider"

    def __init__(self, account: Account, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._account = account
        self._sleep = sleep

    def tune(self, task: Task, steps: Steps) -> Made:
        try:
            how = msgspec.convert(task.params, ProviderParams, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"Parameters of {task.name}: {error}") from None
        if not task.train:
            raise InvalidRequest(f"{task.dataset} has no examples to train on")

        def wait(seconds: float) -> None:
            while seconds > 0:
                steps.progress(0.1, f"waiting for {self._account.service}")
                self._sleep(min(seconds, LOOK))
                seconds -= LOOK

        there = self._service(wait)
        order = self._uploaded(task, how, there, steps)
        job = steps.step("order", lambda: there.find(order) or there.create(order))
        try:
            ended = msgspec.convert(steps.step("wait", lambda: _end(there, job, steps, wait)), Status)
        except Cancelled:
            there.cancel(job)
            raise
        return self._made(task, how, job, ended, steps)

    def _service(self, wait: Callable[[float], None]) -> Service:
        name = self._account.service
        url = self._account.base_url or SERVICES.get(name, "")
        return service(name, Client(name, url, self._account.key, wait), self._account.account, wait)

    def _uploaded(self, task: Task, how: ProviderParams, there: Service, steps: Steps) -> Order:
        data, rows = lines(task.train), len(task.train)
        # names the files and the job: the same for every try of this task, another for another one
        key = sha256(f"{task.name}\n{task.dataset}\n{task.seed}\n{task.work}\n{how}".encode() + data).hexdigest()[:12]
        steps.progress(0.0, f"sending {rows} examples")
        training = steps.step("upload training", lambda: there.upload(f"train-{key}.jsonl", data, rows))
        validation = None
        if task.validation:
            more = lines(task.validation)
            validation = steps.step(
                "upload validation", lambda: there.upload(f"validation-{key}.jsonl", more, len(task.validation))
            )
        return Order(
            base=how.base,
            training_file=training,
            validation_file=validation,
            suffix=_suffix(task.name, key),
            seed=task.seed,
            epochs=how.epochs,
            batch=how.batch,
            learning_rate=how.learning_rate,
        )

    def _made(self, task: Task, how: ProviderParams, job: str, ended: Status, steps: Steps) -> Made:
        tokens = ended.trained_tokens or 0
        stated = ended.cost
        cost = round(tokens * (how.usd_per_million_tokens or 0) * NANO / 1_000_000) if stated is None else stated
        about: Json = {
            "method": self.method,
            "provider": self._account.service,
            "base": how.base,
            "deployment": ended.deployment,
            "job": job,
            "dataset": task.dataset,
            "seed": task.seed,
            "params": task.params,
        }
        digest, path = steps.step("write", lambda: _sealed(task, about))
        metrics = {"trained_tokens": float(tokens)} if tokens else {}
        return Made(digest=digest, path=path, metrics=metrics, base=how.base, cost=cost, deployment=ended.deployment)


def lines(examples: Sequence[Example]) -> bytes:
    """JSON lines as all four providers read them: `{"messages": [{"role", "content"}, ...]}`, the answer last."""
    rows: list[bytes] = []
    for example in examples:
        rows.append(
            msgspec.json.encode(
                {"messages": [*turns(example.messages), {"role": "assistant", "content": example.target}]}
            )
        )
    return b"\n".join(rows) + b"\n"


def _end(there: Service, job: str, steps: Steps, wait: Callable[[float], None]) -> Json:
    """Poll until the job has ended, less and less often. Failures in passing are waited out."""
    pause, failed, share = FIRST_POLL, 0, 0.1
    while True:
        try:
            status = there.status(job)
        except ProviderError as error:
            failed += 1
            if not error.retryable or failed > FAILED_POLLS:
                raise
            wait(max(pause, error.retry_after or 0.0))
            continue
        failed = 0
        if status.state == "done" and status.deployment:
            return msgspec.to_builtins(status)
        if status.state in {"failed", "cancelled"}:
            raise Rejected(f"Job {job} {status.state} at the provider: {status.error or 'no reason given'}")
        share += (1 - share) * 0.05  # nobody tells how long it takes
        steps.progress(share, f"{job}: {status.said}")
        wait(pause)
        pause = min(pause * 1.5, LONGEST_POLL)


def _sealed(task: Task, about: Json) -> list[str]:
    digest, path = seal(task.name, task.artifacts, about, lambda _: None)
    return [digest, str(path)]


def _suffix(name: str, key: str) -> str:
    """A name that every provider takes: lower case letters, digits and hyphens, and a letter first."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return f"fh-{plain[: 40 - 16].strip('-')}-{key}"
