"""Tuning APIs: what OpenAI, Together, Mistral and Fireworks call the same few things.

Paths and members are from the providers' API references as of 2026-11: developers.openai.com/api/reference,
docs.together.ai/reference, docs.mistral.ai/api, docs.fireworks.ai/api-reference.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from freehold.core.errors import Broken, Overloaded, Rejected, SettingsWrong
from freehold.dialects.openai_chat.loose import members
from freehold.flywheel.tuning.provider.client import Client

State = Literal["running", "done", "failed", "cancelled"]
NANO = 1_000_000_000


class Order(Struct, frozen=True, kw_only=True):
    """What is asked for. Files are the provider's ids; None where the provider is to choose."""

    base: str
    training_file: str
    validation_file: str | None
    suffix: str
    seed: int
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float | None = None


class Status(Struct, frozen=True, kw_only=True):
    """Where a job is. `said` is the provider's own word; `cost` in nano-dollars where the provider states it."""

    state: State
    said: str
    deployment: str | None = None
    trained_tokens: int | None = None
    cost: int | None = None
    error: str = ""


class Service(Protocol):
    """One provider's API. Errors are `ProviderError`s with the provider's message."""

    def upload(self, name: str, data: bytes, rows: int) -> str:
        """Send a file of JSON lines, each `{"messages": [...]}`; its id."""
        ...

    def find(self, order: Order) -> str | None:
        """The job that an earlier try has ordered, if any: it uses the same file."""
        ...

    def create(self, order: Order) -> str:
        """Order the job; its id."""
        ...

    def status(self, job: str) -> Status: ...

    def cancel(self, job: str) -> None: ...


class _Jobs:
    """What OpenAI, Together and Mistral have in common: files, and jobs under one path."""

    path = "/fine_tuning/jobs"
    files = "/files"
    recent = "?limit=100"
    words: Mapping[str, State] = {}
    """States that are an end; every other one means that the job goes on."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def upload(self, name: str, data: bytes, rows: int) -> str:
        return _id(self._client.upload(self.files, name, data, self.form(name)), self._client.name)

    def form(self, name: str) -> dict[str, str]:
        return {"purpose": "fine-tune"}

    def find(self, order: Order) -> str | None:
        jobs: Sequence[dict[str, Any]] = self._client.get(f"{self.path}{self.recent}").get("data") or []
        return next((str(j["id"]) for j in jobs if order.training_file in self.files_of(j)), None)

    def files_of(self, job: Mapping[str, Any]) -> Sequence[str]:
        return [job.get("training_file") or ""]

    def create(self, order: Order) -> str:
        return _id(self._client.post(self.path, _given(self.body(order))), self._client.name)

    def body(self, order: Order) -> dict[str, Any]:
        raise NotImplementedError

    def status(self, job: str) -> Status:
        said = self._client.get(f"{self.path}/{job}")
        word = str(said.get("status", ""))
        return self.read(said, word, self.words.get(word, "running"))

    def read(self, said: dict[str, Any], word: str, state: State) -> Status:
        raise NotImplementedError

    def cancel(self, job: str) -> None:
        self._client.post(f"{self.path}/{job}/cancel", {}, again=True)


class OpenAI(_Jobs):
    words = {"succeeded": "done", "failed": "failed", "cancelled": "cancelled"}

    def body(self, order: Order) -> dict[str, Any]:
        how = {"n_epochs": order.epochs, "batch_size": order.batch, "learning_rate_multiplier": order.learning_rate}
        return {
            "model": order.base,
            "training_file": order.training_file,
            "validation_file": order.validation_file,
            "suffix": order.suffix[:64],
            "seed": order.seed,
            "method": {"type": "supervised", "supervised": {"hyperparameters": _given(how)}},
        }

    def read(self, said: dict[str, Any], word: str, state: State) -> Status:
        return Status(
            state=state,
            said=word,
            deployment=said.get("fine_tuned_model"),
            trained_tokens=said.get("trained_tokens"),
            error=str(members(said.get("error")).get("message") or ""),
        )


class Mistral(_Jobs):
    recent = "?page_size=100"
    words = {"SUCCESS": "done", "FAILED": "failed", "FAILED_VALIDATION": "failed", "CANCELLED": "cancelled"}

    def files_of(self, job: Mapping[str, Any]) -> Sequence[str]:
        return job.get("training_files") or []

    def body(self, order: Order) -> dict[str, Any]:
        return {
            "model": order.base,
            "training_files": [{"file_id": order.training_file, "weight": 1}],
            "validation_files": None if order.validation_file is None else [order.validation_file],
            "suffix": order.suffix[:18],
            "hyperparameters": _given({"epochs": order.epochs, "learning_rate": order.learning_rate}),
            "auto_start": True,
        }

    def read(self, said: dict[str, Any], word: str, state: State) -> Status:
        more: dict[str, Any] = said.get("metadata") or {}
        cost = more.get("cost") if more.get("cost_currency") == "USD" else None
        events: Sequence[dict[str, Any]] = said.get("events") or []
        errors = [str(members(e.get("data")).get("error") or "") for e in events]
        return Status(
            state=state,
            said=word,
            deployment=said.get("fine_tuned_model"),
            trained_tokens=said.get("trained_tokens"),
            cost=None if cost is None else round(cost * NANO),
            error=next((e for e in errors if e), ""),
        )


class Together(_Jobs):
    path = "/fine-tunes"
    files = "/files/upload"
    recent = ""
    words = {"completed": "done", "error": "failed", "user_error": "failed", "cancelled": "cancelled"}

    def form(self, name: str) -> dict[str, str]:
        return {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"}

    def body(self, order: Order) -> dict[str, Any]:
        return {
            "model": order.base,
            "training_file": order.training_file,
            "validation_file": order.validation_file,
            "suffix": order.suffix[:40],
            "n_epochs": order.epochs,
            "batch_size": order.batch,
            "learning_rate": order.learning_rate,
            "n_evals": None if order.validation_file is None else 1,
            "random_seed": order.seed,
        }

    def read(self, said: dict[str, Any], word: str, state: State) -> Status:
        events: Sequence[dict[str, Any]] = said.get("events") or []
        price = said.get("total_price")  # in nano-dollars (the SDK divides by 10^9)
        return Status(
            state=state,
            said=word,
            deployment=said.get("model_output_name"),
            trained_tokens=said.get("token_count"),
            cost=price if isinstance(price, int) and price > 0 else None,
            error=str(events[-1].get("message") or "") if events and state == "failed" else "",
        )


class Fireworks:
    """Names are ours to choose, so a second try finds what the first has made."""

    words: Mapping[str, State] = {
        "JOB_STATE_COMPLETED": "done",
        "JOB_STATE_FAILED": "failed",
        "JOB_STATE_FAILED_CLEANING_UP": "failed",
        "JOB_STATE_EXPIRED": "failed",
        "JOB_STATE_CANCELLED": "cancelled",
    }

    def __init__(self, client: Client, account: str, wait: Callable[[float], None]) -> None:
        self._client = client
        self._account = f"accounts/{account}"
        self._jobs = f"/{self._account}/supervisedFineTuningJobs"
        self._wait = wait

    def upload(self, name: str, data: bytes, rows: int) -> str:
        id = name.removesuffix(".jsonl")
        path = f"/{self._account}/datasets"
        dataset: dict[str, Any] = {"userUploaded": {}, "exampleCount": str(rows), "format": "CHAT"}
        try:
            self._client.post(path, {"datasetId": id, "dataset": dataset}, again=True)
        except (Overloaded, Rejected) as error:  # 409 (Overloaded to us): an earlier try has made it
            if b"already" not in error.body.lower():
                raise
        if self._client.get(f"{path}/{id}").get("state") != "READY":
            self._client.upload(f"{path}/{id}:upload", name, data, {})
            while self._client.get(f"{path}/{id}").get("state") == "UPLOADING":
                self._wait(2.0)
        return f"{self._account}/datasets/{id}"

    def find(self, order: Order) -> str | None:
        try:
            self._client.get(f"{self._jobs}/{order.suffix}")
        except Rejected as error:
            if error.status == 404:
                return None
            raise
        return order.suffix

    def create(self, order: Order) -> str:
        body = {
            "dataset": order.training_file,
            "evaluationDataset": order.validation_file,
            "baseModel": order.base,
            "outputModel": f"{self._account}/models/{order.suffix}",
            "displayName": order.suffix,
            "epochs": order.epochs,
            "batchSize": order.batch,
            "learningRate": order.learning_rate,
        }
        self._client.post(f"{self._jobs}?supervisedFineTuningJobId={order.suffix}", _given(body))
        return order.suffix

    def status(self, job: str) -> Status:
        said = self._client.get(f"{self._jobs}/{job}")
        word = str(said.get("state", ""))
        return Status(
            state=self.words.get(word, "running"),
            said=word.removeprefix("JOB_STATE_").lower(),
            deployment=said.get("outputModel"),
            error=str(members(said.get("status")).get("message") or ""),
        )

    def cancel(self, job: str) -> None:
        """Its API has no call to cancel a supervised job; taking the job away ends it."""
        self._client.delete(f"{self._jobs}/{job}")


SERVICES = {
    "openai": "https://api.openai.com/v1",
    "together": "https://api.together.xyz/v1",
    "mistral": "https://api.mistral.ai/v1",
    "fireworks": "https://api.fireworks.ai/v1",
}
"""Services by name, and where they are."""


def service(name: str, client: Client, account: str | None, wait: Callable[[float], None]) -> Service:
    """SettingsWrong where there is no such service, or it needs an account's name."""
    match name:
        case "openai":
            return OpenAI(client)
        case "together":
            return Together(client)
        case "mistral":
            return Mistral(client)
        case "fireworks" if account:
            return Fireworks(client, account, wait)
        case "fireworks":
            raise SettingsWrong("Tuning at Fireworks needs the name of your account there; say account=NAME")
        case _:
            raise SettingsWrong(f"There is no tuning service {name!r}; there are {', '.join(SERVICES)}")


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is left to the provider."""
    return {k: v for k, v in body.items() if v is not None}


def _id(said: Mapping[str, Any], provider: str) -> str:
    id = said.get("id")
    if not isinstance(id, str) or not id:
        raise Broken(f"{provider} answered without an id")
    return id
