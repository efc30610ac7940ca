"""A model made here: where its weights are, what they were made from, and whether it may serve."""

from typing import Any, Literal

from msgspec import Struct

Method = Literal["student", "lora", "dpo", "distil", "prompt", "provider"]


class Tuned(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tuned model under the name by which callers and routes know it.

    `digest` is that of its artifact (SHA-256, hex), which lies in `path`; `dataset` is 'name@digest'; `run` made it;
    `created_at` is UTC nanoseconds. `metrics` are what its making measured, on data that it did not learn from. `base`
    is what it was tuned from, or, of the method prompt, the deployment that answers; `provider` and `deployment`: of a
    model that a provider serves, the account and the provider's name for it.
    `replaces`: the quarantined model in whose place it was made.
    quarantined: something in its data was erased or withdrawn; withdrawn: taken out by its owner. Neither serves.
    """

    name: str
    digest: str
    method: Method
    path: str
    dataset: str
    run: str
    created_at: int
    base: str | None = None
    provider: str | None = None
    deployment: str | None = None
    state: Literal["active", "quarantined", "withdrawn"] = "active"
    reason: str = ""
    metrics: dict[str, float] = {}
    replaces: str | None = None


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of building, tuning or evaluation. Times are UTC nanoseconds, `cost` nano-dollars.

    `energy` is in joules, estimated from processor seconds; `made` names what came out: a dataset, a model, a report.
    `params` are the method's own: with them, `method`, `seed` and `dataset` it can be executed again.
    """

    id: str
    kind: str
    started_at: int
    ended_at: int
    params: dict[str, Any] = {}
    method: Method | None = None
    dataset: str | None = None
    made: str | None = None
    seed: int | None = None
    cost: int = 0
    energy: float | None = None
    metrics: dict[str, float] = {}
