"""Responses in the background: asked for until they are there, cancelled, failed, and what a dead process leaves."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from gateway_world import House, house
from openai import OpenAI
from openai.types.responses import Response
from scripted_upstream import LEAVE, Upstream, always, providers, sized

SETTINGS = """
[simulated.sim]
reply = "Hello there"
[deployments.support]
provider = "sim"
model = "simulated"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("background"), SETTINGS) as made:
        yield made


@pytest.fixture
def client(home: House) -> Iterator[OpenAI]:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as made:
        yield made


def valid(response: Response) -> Response:
    Response.model_validate(response.model_dump())
    return response


def test_a_response_in_the_background_is_asked_for_until_it_is_there(client: OpenAI) -> None:
    made = valid(client.responses.create(model="support", input="hi", background=True))
    assert (made.status, made.background, made.output) == ("queued", True, [])

    while made.status == "queued":
        made = client.responses.retrieve(made.id)
    assert (made.status, made.background, valid(made).output_text) == ("completed", True, "Hello there")
    follow = client.responses.create(model="support", input="And now?", previous_response_id=made.id)
    assert follow.previous_response_id == made.id


def test_a_response_in_the_background_is_cancelled(tmp_path: Path) -> None:
    with (
        Upstream(always(LEAVE)) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        made = client.responses.create(model="r", input="hi", background=True)
        home.until(lambda: up.asked)
        cancelled = valid(client.responses.cancel(made.id))

        assert (cancelled.id, cancelled.status) == (made.id, "cancelled")
        assert up.left.wait(60)
        assert client.responses.retrieve(made.id).status == "cancelled"
        assert client.responses.cancel(made.id).status == "cancelled"
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="r", input="hi", background=True, store=False)


def test_a_synchronous_response_cannot_be_cancelled(client: OpenAI) -> None:
    made = client.responses.create(model="support", input="hi")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(made.id)


def test_what_fails_in_the_background_says_why(tmp_path: Path) -> None:
    body = b'{"error":{"message":"said no","type":"t","param":null,"code":"nope"}}'
    with (
        Upstream(always(sized(body, status=400))) as up,
        house(tmp_path, providers(up.port)) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
    ):
        made = client.responses.create(model="r", input="hi", background=True)
        while made.status == "queued":
            made = client.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):  # refused at once: there is nothing to ask for later
            client.responses.create(model="nobody", input="hi", background=True)

    assert made.status == "failed"
    assert made.error is not None
    assert "said no" in made.error.message


def test_a_response_on_which_a_dead_process_worked_has_failed(tmp_path: Path) -> None:
    with Upstream(always(LEAVE)) as up:
        with house(tmp_path, providers(up.port)) as home, OpenAI(base_url=home.base_url, api_key="none") as client:
            made = client.responses.create(model="r", input="hi", background=True)
            home.until(lambda: up.asked)
            home.run(home.gateway.responses.conversations.memory.keeping.settled())
            with sqlite3.connect(tmp_path / "data" / "freehold.sqlite") as database:
                row = database.execute("SELECT * FROM responses").fetchone()
        with sqlite3.connect(tmp_path / "data" / "freehold.sqlite") as database:
            database.execute("DELETE FROM responses")
            database.execute(f"INSERT INTO responses VALUES ({','.join('?' * len(row))})", row)
        with house(tmp_path, providers(up.port)) as home, OpenAI(base_url=home.base_url, api_key="none") as client:
            found = client.responses.retrieve(made.id)

    assert found.status == "failed"
    assert found.error is not None
    assert "ended while it worked" in found.error.message
