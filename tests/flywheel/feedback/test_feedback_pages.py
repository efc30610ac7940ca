"""Feedback over HTTP, by the client that ships with the product."""

import threading
from collections.abc import Generator
from itertools import count
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from freehold.client import Freehold, FreeholdRefused
from freehold.core.errors import FreeholdError
from freehold.core.feedback import Feedback
from freehold.core.inference import Inference
from freehold.core.principal import Key
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.feedback.pages import pages
from freehold.store.database import Database
from freehold.store.feedback import SqlFeedback

KEYS = {
    f"Bearer {name}": Key(id=name, digest=b"", name=name, created_at=0, team=team, admin=name == "root")
    for name, team in (("ann", "support"), ("bob", "support"), ("eve", None), ("root", None))
}
INFERENCES = {
    "i1": Inference(id="i1", at=1, outcome="answered", route="r", key="ann", team="support", episode="e1"),
    "i3": Inference(id="i3", at=3, outcome="answered", route="r", key="cy"),
    "i2": Inference(id="i2", at=2, outcome="answered", route="r", key="ann", team="support", episode="e1"),
}


class World:
    def __init__(self, folder: Path) -> None:
        self.database = Database.open(folder / "store.db")
        self.recorded: list[Feedback] = []
        self.url = ""
        number = count(1)

        def who(request: Request) -> Key | None:
            return KEYS.get(request.headers.get("authorization", ""))

        (page,) = pages(
            SqlFeedback(self.database),
            who=who,
            find=INFERENCES.get,
            answer={"i1": "Hello"}.get,
            clock=lambda: 1_000,
            ids=lambda: f"f{next(number)}",
            record=self.recorded.append,
        )
        assert page.permission == "key"

        async def failed(_: Request, error: Exception) -> Response:
            assert isinstance(error, FreeholdError)
            return Response(OPENAI_CHAT.encode_error(error), status_code=error.status)

        route = Route(page.path, page.answer, methods=list(page.methods))
        self.app = Starlette(routes=[route], exception_handlers={FreeholdError: failed})

    def client(self, name: str) -> Freehold:
        return Freehold(self.url, api_key=name)


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    found = World(tmp_path)
    server = uvicorn.Server(uvicorn.Config(found.app, port=0, log_level="error", ws="none", lifespan="off"))
    started = threading.Event()
    startup = server.startup

    async def tell(*given: object, **named: object) -> None:
        await startup()
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(60)
    found.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield found
    server.should_exit = True
    thread.join()
    found.database.close()


def test_what_is_said_is_kept_recorded_and_settled(world: World) -> None:
    client = world.client("ann")
    given = client.feedback("i1", good=False, correction={"intent": "refund"}, comment="wrong", author="kim")

    assert [f["judgement"] for f in given] == [
        {"type": "thumb", "good": False},
        {"type": "comment", "text": "wrong"},
        {"type": "correction", "answer": '{"intent":"refund"}'},
    ]
    assert [f.id for f in world.recorded] == ["f1", "f2", "f3"]
    assert {(f.by, f.author, f.at) for f in world.recorded} == {("ann", "kim", 1_000)}
    read = client.feedback_on("i1")
    assert read["data"] == given
    assert read["settled"]["target"] == '{"intent":"refund"}'
    assert read["settled"]["quality"] < 0.1


def test_a_team_shares_its_inferences_and_an_administrator_sees_all(world: World) -> None:
    world.client("bob").feedback("i1", good=True)
    world.client("root").feedback("i1", score=0.25)
    assert len(world.client("ann").feedback_on("i1")["data"]) == 2


def test_somebody_else_learns_not_even_that_an_inference_exists(world: World) -> None:
    refusals: list[str] = []
    for id_ in ("i1", "i3", "i9"):
        with pytest.raises(FreeholdRefused) as caught:
            world.client("eve").feedback(id_, good=True)
        refusals.append(caught.value.message.replace(id_, "ID"))
        with pytest.raises(FreeholdRefused) as caught:
            world.client("eve").feedback_on(id_)
        refusals.append(caught.value.message.replace(id_, "ID"))
    with pytest.raises(FreeholdRefused, match="preferred_over: no inference of yours"):
        world.client("ann").feedback("i1", preferred_over="i9")

    assert set(refusals) == {"inference: no inference of yours has the id 'ID'"}
    assert world.recorded == []


def test_a_judgement_of_an_episode_shows_at_its_inferences_if_it_came_with_the_same_key(world: World) -> None:
    world.client("ann").feedback(episode="e1", good=True)
    world.client("eve").feedback(episode="e1", good=False)

    settled = world.client("ann").feedback_on("i2")
    assert [f["by"] for f in settled["data"]] == ["ann"]


def test_what_the_user_sent_in_the_end_is_measured_against_the_answer(world: World) -> None:
    found = world.client("ann").feedback("i1", sent="Hallo")
    assert [(f["origin"], f["judgement"]) for f in found] == [
        ("edit", {"type": "score", "value": 0.8}),
        ("edit", {"type": "correction", "answer": "Hallo"}),
    ]
    with pytest.raises(FreeholdRefused, match="was not kept, since its route does not collect"):
        world.client("ann").feedback("i2", sent="Hallo")


@pytest.mark.parametrize(
    ("wrong", "param", "message"),
    [
        ({"score": 2}, "score", "score: Expected `float` <= 1.0"),
        ({"good": "yes"}, "good", "good: Expected `bool | null`, got `str`"),
        ({}, "good", "judges nothing"),
        ({"good": True, "episode": "e1"}, "inference", "exactly one of inference and episode"),
        ({"preferred_over": "i1"}, "preferred_over", "cannot be better than itself"),
        ({"category": ""}, "category", "category: Expected `str` of length >= 1"),
    ],
)
def test_what_is_wrong_is_named(world: World, wrong: dict[str, object], param: str, message: str) -> None:
    with pytest.raises(FreeholdRefused) as caught:
        world.client("ann").feedback("i1", **wrong)  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.param) == (400, param)
    assert message in caught.value.message


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(FreeholdRefused, match=r"http://127\.0\.0\.1:1/v1/feedback cannot be reached") as caught:
        Freehold("http://127.0.0.1:1").feedback("i1", good=True)
    assert caught.value.status == 0
    with pytest.raises(ValueError, match="does not begin with http"):
        Freehold("file:///etc/passwd")
