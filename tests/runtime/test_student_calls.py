"""A student in the plan of a route: it answers where it is sure, and hands the rest on."""

import sys
from pathlib import Path
from types import MappingProxyType

import pytest
from msgspec.structs import replace

from freehold.runtime.student.upstream import StudentUpstream

sys.path.append(str(Path(__file__).parents[1] / "gateway"))  # the house in which whole gateways are tested

from gateway_world import House, house

SETTINGS = """
[simulated.own]
reply = "replaced"
price = { input = "0", output = "0" }
[simulated.big]
reply = "other"
price = { input = "1.00", output = "2.00" }
[deployments.own]
provider = "own"
model = "own"
[deployments.big]
provider = "big"
model = "big"
[routes.r]
deployments = ["own", "big"]
objective = "cheapest"
[routes.alone]
deployments = ["own"]
[retry]
attempts = 1
[breaker]
failures = 1
"""


def move_in(home: House, student: StudentUpstream) -> None:
    """The deployment `own` is the student from now on."""
    pipeline = home.gateway.engine.pipeline
    accounts = dict(pipeline.world.accounts)
    accounts["own"] = replace(accounts["own"], upstream=student)
    pipeline.world = replace(pipeline.world, accounts=MappingProxyType(accounts))


@pytest.fixture(scope="module")
def student(student_folder: Path) -> StudentUpstream:
    return StudentUpstream(student_folder)


def ask(home: House, text: str, model: str = "r") -> tuple[int, str, list[tuple[str, str | None]]]:
    """Status, what was said, and the calls with their errors."""
    answer = home.chat(model, messages=[{"role": "user", "content": text}])
    said = answer.json["choices"][0]["message"]["content"] if answer.status == 200 else answer.error["code"]
    return answer.status, said, [(c.deployment, c.error) for c in home.record(answer).calls]


def test_a_student_answers_what_it_knows_and_the_next_deployment_the_rest(
    tmp_path: Path, student: StudentUpstream
) -> None:
    with house(tmp_path, SETTINGS) as home:
        move_in(home, student)
        known = ask(home, "hello, i lost the card")
        strange = [ask(home, "play some jazz please") for _ in range(3)]
        after = ask(home, "hello, i lost the card")

    assert known == after == (200, "card_lost", [("own", None)])
    assert strange == [(200, "other", [("own", "model_abstained"), ("big", None)])] * 3


def test_where_nobody_else_can_be_asked_the_caller_is_told_why(tmp_path: Path, student: StudentUpstream) -> None:
    with house(tmp_path, SETTINGS) as home:
        move_in(home, student)

        assert ask(home, "play some jazz please", "alone") == (422, "model_abstained", [("own", "model_abstained")])
        assert ask(home, "hello, i lost the card", "alone")[0] == 200
