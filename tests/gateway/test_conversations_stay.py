"""A conversation stays where its prompt is cached, though its route draws deployments by weight."""

from collections import Counter
from pathlib import Path
from typing import Any

from gateway_world import SIM, house, post

SETTINGS = (
    SIM
    + "".join(f'[deployments.d{n}]\nprovider = "sim"\nmodel = "m{n}"\n' for n in range(2))
    + '[routes.r]\ndeployments = ["d0", "d1"]\nweights = { d0 = 1, d1 = 1 }\n'
)
SYSTEM = {"role": "system", "content": "Answer in one sentence."}


def turns(first: str, count: int) -> list[dict[str, Any]]:
    """A conversation that has come to its turn `count`."""
    said = [SYSTEM, {"role": "user", "content": first}]
    for n in range(1, count):
        said += [{"role": "assistant", "content": f"answer {n}"}, {"role": "user", "content": f"question {n}"}]
    return said


def test_every_turn_of_a_conversation_goes_to_the_same_deployment_and_conversations_are_spread_by_weight(
    tmp_path: Path,
) -> None:
    with house(tmp_path, SETTINGS) as home:
        went = {
            first: [
                home.ask(post({"model": "r", "messages": turns(f"question {first}", count)})).headers[
                    "x-freehold-deployment"
                ]
                for count in range(1, 5)
            ]
            for first in range(40)
        }

    assert [deployments for deployments in went.values() if len(set(deployments)) != 1] == []
    assert min(Counter(deployments[0] for deployments in went.values()).values()) > 8


def test_a_caller_may_name_its_conversation_and_the_record_knows_it(tmp_path: Path) -> None:
    with house(tmp_path, SETTINGS) as home:
        answers = [
            home.ask(post({"model": "r", "messages": turns(f"other beginning {n}", 1)}, "x-freehold-episode: talk-1"))
            for n in range(12)
        ]
        episodes = {home.record(answer).episode for answer in answers}

    assert len({answer.headers["x-freehold-deployment"] for answer in answers}) == 1
    assert episodes == {"talk-1"}
