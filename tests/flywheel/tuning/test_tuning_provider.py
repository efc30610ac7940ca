"""Tuning at providers, against their APIs on loopback: ordered once, watched, cancelled, and its errors told."""

from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from flywheel.tuning.provider_server import World, provider
from flywheel.tuning.tuning_world import Killed, Told, examples, read
from freehold.core.errors import CredentialRefused, InvalidRequest, Rejected, SettingsWrong, Unreachable
from freehold.core.request import Message, ResultPart, TextPart
from freehold.core.secret import Secret
from freehold.flywheel.jobs.job import Cancelled
from freehold.flywheel.tuning.provider.client import Account
from freehold.flywheel.tuning.provider.tuner import ProviderTuner, lines
from freehold.flywheel.tuning.tuner import Task

STATES = {
    "openai": ["validating_files", "queued", "running", "succeeded"],
    "together": ["pending", "running", "uploading", "completed"],
    "mistral": ["QUEUED", "RUNNING", "SUCCESS"],
    "fireworks": ["JOB_STATE_CREATING", "JOB_STATE_RUNNING", "JOB_STATE_COMPLETED"],
}
FAILED = {"openai": "failed", "together": "error", "mistral": "FAILED", "fireworks": "JOB_STATE_FAILED"}
DEPLOYMENT = {"openai": "ft:tuned", "together": "me/tuned", "mistral": "ft:tuned"}
COST = {"openai": 6_000_000_000, "together": 1_500_000_000, "mistral": 2_500_000_000, "fireworks": 0}
"""Nano-dollars: 2 million tokens at 3 dollars from OpenAI, which states no cost; else what is stated, which Fireworks
does not do."""


@pytest.fixture(params=list(STATES))
def service(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def world(service: str) -> Generator[World]:
    with provider(service) as world:
        world.states = list(STATES[service])
        yield world


def task(folder: Path, **params: Any) -> Task:
    return Task(
        name="Support Inbox",
        dataset="support@abc",
        train=examples(5),
        validation=examples(2),
        work=folder / "work",
        artifacts=folder / "artifacts",
        seed=3,
        params={"base": "small-model", "epochs": "2", "usd_per_million_tokens": 3, **params},
    )


def tuner(service: str, world: World, slept: list[float] | None = None, key: str = "sk-right") -> ProviderTuner:
    account = Account(service=service, key=Secret(key, source="test"), base_url=world.url, account="acme")
    return ProviderTuner(account, sleep=(slept if slept is not None else []).append)


def test_examples_go_up_a_job_is_watched_and_a_deployment_comes_back(
    service: str, world: World, tmp_path: Path
) -> None:
    told = Told()
    made = tuner(service, world).tune(task(tmp_path), told)

    sent = [msgspec.json.decode(line) for line in next(iter(world.files.values())).splitlines()]
    assert sent[0] == {
        "messages": [
            {"role": "user", "content": "Please help, parcel number 0."},
            {"role": "assistant", "content": "delivery"},
        ]
    }
    assert len(world.files) == 2
    (job,) = world.jobs.values()
    assert made.deployment == DEPLOYMENT.get(service, job.get("outputModel"))
    assert made.cost == COST[service]
    assert made.base == job.get("model", job.get("baseModel")) == "small-model"
    assert read(Path(made.path) / "manifest.json")["deployment"] == made.deployment
    assert told.ran == ["upload training", "upload validation", "order", "wait", "write"]


def test_what_is_ordered_is_what_was_asked_for(service: str, world: World, tmp_path: Path) -> None:
    tuner(service, world).tune(task(tmp_path, learning_rate=0.5), Told())
    (job,) = world.jobs.values()
    files = list(world.files)
    match service:
        case "openai":
            assert job["method"] == {
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.5}},
            }
            assert (job["validation_file"], job["seed"]) == (files[1], 3)
        case "together":
            assert (job["n_epochs"], job["learning_rate"], job["validation_file"]) == (2, 0.5, files[1])
        case "mistral":
            assert job["hyperparameters"] == {"epochs": 2, "learning_rate": 0.5}
            assert (job["auto_start"], job["validation_files"]) == (True, [files[1]])
        case _:
            assert (job["epochs"], job["learningRate"], job["evaluationDataset"]) == (2, 0.5, files[1])
            assert job["outputModel"].startswith("accounts/acme/models/fh-support-inbox-")


def test_a_worker_that_goes_on_orders_nothing_twice(service: str, world: World, tmp_path: Path) -> None:
    first = Told(killed_at="waiting for")
    with pytest.raises(Killed):
        tuner(service, world).tune(task(tmp_path), first)
    lost = {k: v for k, v in first.results.items() if k != "order"}  # killed before the order was written down

    for kept in (first.results, lost):
        made = tuner(service, world).tune(task(tmp_path), Told(kept))
        assert made.deployment
        assert len(world.jobs) == 1
        assert len(world.files) == 2


def test_a_cancelled_job_is_cancelled_at_the_provider(service: str, world: World, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        tuner(service, world).tune(task(tmp_path), Told(cancel_at="waiting for"))
    if service == "fireworks":
        assert world.jobs == {}
    else:
        assert [job["status"] for job in world.jobs.values()] == ["cancelled"]


def test_a_failed_job_tells_the_providers_reason(service: str, world: World, tmp_path: Path) -> None:
    world.states = [world.states[0], FAILED[service]]
    with pytest.raises(Rejected, match="failed at the provider: too few rows"):
        tuner(service, world).tune(task(tmp_path), Told())


def test_an_order_that_is_refused_tells_the_providers_reason(service: str, world: World, tmp_path: Path) -> None:
    world.refuse = "model small-model cannot be tuned"
    with pytest.raises(Rejected, match="answered 400: model small-model cannot be tuned") as caught:
        tuner(service, world).tune(task(tmp_path), Told())
    assert caught.value.status == 400


def test_a_wrong_key_is_said_to_be_wrong(service: str, world: World, tmp_path: Path) -> None:
    with pytest.raises(CredentialRefused, match="Incorrect API key"):
        tuner(service, world, key="sk-wrong").tune(task(tmp_path), Told())


def test_what_fails_in_passing_is_waited_out(service: str, world: World, tmp_path: Path) -> None:
    world.faults = [(503, {}, {}), (429, {"retry-after": "7"}, {})]
    slept: list[float] = []
    assert tuner(service, world, slept).tune(task(tmp_path), Told()).deployment
    assert sum(slept[:8]) == 1 + 7


def test_polls_become_rarer(service: str, world: World, tmp_path: Path) -> None:
    world.states[1:-1] = [f"on-{i}" for i in range(8)]
    told = Told()
    tuner(service, world).tune(task(tmp_path), told)
    texts = [text for _, text in told.said]
    polls = [i for i, text in enumerate(texts) if "on-" in text]
    gaps = [b - a - 1 for a, b in pairwise(polls)]
    assert gaps == sorted(gaps)
    assert 5 <= gaps[0] < gaps[-1] <= 60  # seconds, with a look in each whether the job was cancelled


def test_what_a_tool_said_goes_up_as_every_provider_takes_it() -> None:
    talk = (Message("user", (TextPart("Where?"),)), Message("tool", (ResultPart("call-1", "depot"),)))
    (line,) = lines([replace(examples(1)[0], messages=talk)]).splitlines()
    assert [m["role"] for m in msgspec.json.decode(line)["messages"]] == ["user", "user", "assistant"]


def test_a_provider_that_is_not_there_is_named(tmp_path: Path) -> None:
    with provider("openai") as world:
        pass
    with pytest.raises(Unreachable, match="openai cannot be reached"):
        tuner("openai", world).tune(task(tmp_path), Told())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    account = Account(service="fireworks", key=Secret("k", source="test"))
    with pytest.raises(SettingsWrong, match="name of your account"):
        ProviderTuner(account).tune(task(tmp_path), Told())
    with pytest.raises(SettingsWrong, match="no tuning service 'acme'; there are openai, together"):
        ProviderTuner(Account(service="acme", key=account.key)).tune(task(tmp_path), Told())
    with pytest.raises(InvalidRequest, match="epochs"):
        ProviderTuner(account).tune(task(tmp_path, epochs=0), Told())
