"""Access tokens of Google Cloud: asked for as its page says, kept, replaced before they end, never shown."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from freehold.core.errors import Broken, CredentialRefused, FreeholdError, Unreachable
from freehold.core.ports import Headers, SendHeaders, Sink
from freehold.providers.google import Tokened, Tokens, credential, grant

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOON = 1_800_000_000.0


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ACCOUNT: dict[str, Any] = {
    "type": "service_account",
    "project_id": "p",
    "client_email": "bot@p.iam.gserviceaccount.com",
    "private_key_id": "kid-1",
    "private_key": pem(KEY),
    "token_uri": "https://oauth2.googleapis.com/token",
}


class _Sending:
    """One request, for the test to answer."""

    def __init__(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> None:
        self.path, self.headers, self.body, self.sink = path, dict(headers), body, sink
        self.told: list[str] = []

    def cancel(self) -> None:
        self.told.append("cancel")

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def answer(self, status: int, body: bytes) -> None:
        self.sink.head(status, {})
        self.sink.data(body)
        self.sink.done()


class _Upstream:
    def __init__(self, address: str) -> None:
        self.address = address
        self.sent: list[_Sending] = []
        self.closed = False

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> _Sending:
        self.sent.append(_Sending(path, headers, body, sink))
        return self.sent[-1]

    async def close(self) -> None:
        self.closed = True


class _Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.error: FreeholdError | None = None

    def head(self, status: int, headers: Headers) -> None: ...

    def data(self, piece: bytes) -> None: ...

    def done(self) -> None: ...

    def failed(self, error: FreeholdError) -> None:
        self.error = error


class _World:
    """An account at Vertex at a time that the test sets."""

    def __init__(self, secret: str = "") -> None:
        self.now = NOON
        self.google: list[_Upstream] = []
        self.vertex = _Upstream("vertex")
        known = credential(secret or json.dumps(ACCOUNT))
        self.tokens = Tokens(known, name="vertex", connect=self._connect, now=lambda: self.now)
        self.upstream = Tokened(self.vertex, self.tokens)

    def _connect(self, address: str) -> _Upstream:
        self.google.append(_Upstream(address))
        return self.google[-1]

    @property
    def asked(self) -> list[_Sending]:
        return [sending for one in self.google for sending in one.sent]

    def send(self) -> tuple[Any, _Heard]:
        heard = _Heard()
        return self.upstream.send("/models/m:generateContent", (("content-type", "x"),), b"{}", heard), heard

    def give(self, token: str, seconds: float = 3600) -> None:
        body = json.dumps({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}).encode()
        self.asked[-1].answer(200, body)

    @property
    def sent(self) -> list[str]:
        """The tokens that were sent along, in their order."""
        return [s.headers["authorization"] for s in self.vertex.sent]


def decoded(part: str) -> Any:
    return json.loads(urlsafe_b64decode(part + "=="))


def test_a_service_account_signs_its_claim_with_its_key() -> None:
    known = credential(json.dumps(ACCOUNT))
    assert not isinstance(known, str)
    form = parse_qs(grant(known, NOON).decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    KEY.public_key().verify(urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
    assert decoded(head) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    assert decoded(claims) == {
        "iss": ACCOUNT["client_email"],
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": ACCOUNT["token_uri"],
        "iat": int(NOON),
        "exp": int(NOON) + 3600,
    }


def test_a_persons_login_shows_its_refresh_token() -> None:
    login = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    known = credential(json.dumps(login))
    assert not isinstance(known, str)
    assert parse_qs(grant(known, NOON).decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["c"],
        "client_secret": ["s"],
        "refresh_token": ["r"],
    }


def test_requests_that_come_before_the_first_token_wait_for_the_one_that_is_asked_for() -> None:
    world = _World()
    first, _ = world.send()
    second, _ = world.send()
    left, heard = world.send()
    second.pause()
    left.cancel()
    assert (len(world.asked), world.vertex.sent) == (1, [])
    assert (world.google[0].address, world.asked[0].path) == ("https://oauth2.googleapis.com", "/token")

    world.give("t1")
    world.send()
    assert world.sent == ["Bearer t1"] * 3
    assert (len(world.asked), heard.error) == (1, None)
    assert [s.told for s in world.vertex.sent] == [[], ["pause"], []]
    first.cancel()
    second.resume()
    assert [s.told for s in world.vertex.sent] == [["cancel"], ["pause", "resume"], []]


def test_a_token_is_replaced_before_it_ends_and_nobody_waits_for_that() -> None:
    world = _World()
    world.send()
    world.give("t1", 3600)
    world.now = NOON + 3600 - 299
    world.send()
    world.send()
    assert (world.sent, len(world.asked)) == (["Bearer t1"] * 3, 2)
    world.give("t2", 3600)
    world.send()
    assert (world.sent[-1], len(world.asked)) == ("Bearer t2", 2)


def test_a_token_that_cannot_be_replaced_is_used_to_its_end_and_not_beyond() -> None:
    world = _World()
    world.send()
    world.give("t1", 3600)
    world.now = NOON + 3500
    world.send()
    world.asked[-1].answer(503, b"later")
    world.send()
    assert world.sent == ["Bearer t1"] * 3
    world.asked[-1].sink.failed(Unreachable("no network"))
    world.now = NOON + 3600
    _, heard = world.send()
    assert len(world.sent) == 3
    world.asked[-1].sink.failed(Unreachable("no network"))
    assert isinstance(heard.error, Unreachable)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":"invalid_grant"}', CredentialRefused),
        (401, b'{"error":"invalid_client"}', CredentialRefused),
        (500, b"", Broken),
        (200, b"<html>", Broken),
        (200, b'{"access_token": "t", "expires_in": 10}', Broken),
    ],
)
def test_a_request_fails_with_the_reason_why_there_is_no_token(status: int, body: bytes, kind: type) -> None:
    world = _World()
    _, heard = world.send()
    world.asked[0].answer(status, body)
    assert type(heard.error) is kind
    assert world.vertex.sent == []
    if status != 200:
        world.send()
        assert len(world.asked) == 2, "the next request tries again"


def test_a_token_that_is_given_is_sent_as_it_is() -> None:
    world = _World("ya29.given")
    world.send()
    assert (world.sent, world.asked) == (["Bearer ya29.given"], [])


def test_a_credential_may_be_a_file_or_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps(ACCOUNT))
    assert credential(str(file)) == credential(json.dumps(ACCOUNT))


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("/no/such/file.json", "cannot be read"),
        ("{}", "no service account"),
        ('{"type": "external_account"}', "no service account"),
        (json.dumps({**ACCOUNT, "private_key": "SECRET"}), "not an RSA key"),
        (json.dumps({**ACCOUNT, "private_key": pem(ec.generate_private_key(ec.SECP256R1()))}), "not an RSA key"),
        (json.dumps({**ACCOUNT, "token_uri": "http://evil.example/token"}), "not https"),
    ],
)
def test_a_credential_that_is_none_is_refused_without_a_word_of_what_is_in_it(secret: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        credential(secret)
    assert "SECRET" not in str(refused.value)


def test_a_credential_does_not_show_its_key() -> None:
    shown = repr(credential(json.dumps(ACCOUNT)))
    assert "PRIVATE" not in shown


async def test_closing_closes_both_connections() -> None:
    world = _World()
    world.send()
    await world.upstream.close()
    assert (world.vertex.closed, world.google[0].closed) == (True, True)
