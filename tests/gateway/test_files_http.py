"""Files through a running gateway with the real OpenAI SDK: kept, listed, read, deleted; each key sees its own."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from gateway_world import House, house
from openai import OpenAI

from freehold.governance.keys import mint

DATA = b'{"a": 1}\r\n--x\r\n\x00\xff\r\n'


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.fixture
def client(home: House) -> Iterator[OpenAI]:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as made:
        yield made


def kept(home: House) -> set[str]:
    """The names of the files whose bytes lie in the data folder."""
    return {path.name for path in (home.folder / "data" / "files").glob("*/*")}


def with_keys(home: House, *names: str, admin: str = "root") -> dict[str, OpenAI]:
    made = {n: mint(n, now=0, random=os.urandom, admin=n == admin) for n in (*names, admin)}
    home.keys(*(key for key, _ in made.values()))
    return {n: OpenAI(base_url=home.base_url, api_key=text, max_retries=0) for n, (_, text) in made.items()}


def test_a_file_is_kept_shown_read_and_deleted(home: House, client: OpenAI) -> None:
    made = client.files.create(file=("notes é.bin", DATA), purpose="user_data")
    again = client.files.retrieve(made.id)
    content = client.files.content(made.id)

    assert (made.object, made.bytes, made.filename, made.purpose) == ("file", len(DATA), "notes é.bin", "user_data")
    assert made.expires_at is None
    assert again == made
    assert content.content == DATA
    assert kept(home) == {hashlib.sha256(DATA).hexdigest()}
    assert client.files.delete(made.id).deleted
    assert kept(home) == set()
    with pytest.raises(openai.NotFoundError) as raised:
        client.files.retrieve(made.id)
    assert raised.value.body == {
        "message": f"No such File object: {made.id}",
        "type": "not_found_error",
        "param": "file_id",
        "code": "not_found",
    }


def test_the_same_bytes_are_kept_once_until_the_last_file_of_them_goes(home: House, client: OpenAI) -> None:
    first, second = (client.files.create(file=(name, DATA), purpose="user_data") for name in ("a", "b"))

    assert len(kept(home)) == 1
    client.files.delete(first.id)
    assert client.files.content(second.id).content == DATA
    client.files.delete(second.id)
    assert kept(home) == set()


def test_files_are_listed_page_by_page_and_by_purpose(client: OpenAI) -> None:
    made = [client.files.create(file=(f"{n}", b"x"), purpose="user_data").id for n in range(5)]
    batch = client.files.create(file=("b", b"{}"), purpose="batch")

    assert {file.id for file in client.files.list()} == {*made, batch.id}
    assert [file.id for file in client.files.list(limit=2)] == sorted([*made, batch.id], reverse=True)
    assert [file.id for file in client.files.list(limit=2, order="asc")] == sorted([*made, batch.id])
    assert [file.id for file in client.files.list(purpose="batch")] == [batch.id]


def test_a_file_expires_when_its_caller_says_so_and_one_for_a_batch_after_a_month(home: House, client: OpenAI) -> None:
    hour = client.files.create(
        file=("a", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    month = client.files.create(file=("a", b"y"), purpose="batch")

    assert hour.expires_at == hour.created_at + 3600
    assert month.expires_at == month.created_at + 30 * 86_400
    files = home.gateway.engine.home.files
    later = (hour.created_at + 3601) * 10**9
    assert files.get(hour.id, now=later) is None
    assert files.expire(later) == 1
    assert kept(home) == {hashlib.sha256(b"y").hexdigest()}


def test_a_key_sees_its_own_files_alone_and_an_admin_all(home: House) -> None:
    clients = with_keys(home, "ann", "bob")
    made = clients["ann"].files.create(file=("a", DATA), purpose="user_data")
    bob = clients["bob"]

    assert list(bob.files.list()) == []
    for look in (bob.files.retrieve, bob.files.content, bob.files.delete):
        with pytest.raises(openai.NotFoundError):
            look(made.id)
    assert clients["root"].files.content(made.id).content == DATA
    assert [file.id for file in clients["root"].files.list()] == [made.id]
    assert clients["ann"].files.delete(made.id).deleted
    with pytest.raises(openai.AuthenticationError):
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0).files.list()


@pytest.mark.parametrize(
    ("content_type", "body", "status", "said"),
    [
        ("application/json", b"{}", 415, "multipart/form-data"),
        ("multipart/form-data", b"", 400, "no boundary"),
        ("multipart/form-data; boundary=x", b"--y\r\n", 400, "ends too early"),
        ("multipart/form-data; boundary=x", b"--x\r\na: b\r\n\r\nno end", 400, "ends too early"),
        ("multipart/form-data; boundary=x", b"--x\r\na: b\r\n\r\n1\r\n--x--\r\n", 400, "has no name"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400, "file: is missing"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\n1\r\n--x--\r\n',
            400,
            "file: is missing",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n1\r\n--x--\r\n',
            400,
            "purpose: expected one of",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n\r\n'
            b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n',
            400,
            "file: is empty",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' * 2 + b"--x--\r\n",
            400,
            "comes more than once",
        ),
    ],
)
def test_a_form_that_is_none_is_refused_by_name(
    home: House, content_type: str, body: bytes, status: int, said: str
) -> None:
    answer = httpx.post(f"{home.base_url}/files", content=body, headers={"content-type": content_type})

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


def test_a_file_over_the_limit_of_the_door_is_refused(home: House, client: OpenAI) -> None:
    home.limit(max_body=10_000)

    with pytest.raises(openai.APIStatusError) as raised:
        client.files.create(file=("a", b"x" * 10_001), purpose="user_data")
    assert raised.value.status_code == 413
