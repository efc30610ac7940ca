"""Access tokens of Google Cloud, and an upstream that sends them along.

A service account signs a claim with its key and gets a token for it (RFC 7523, RS256); a person's credential has a
refresh token to show (RFC 6749, section 6). A token is fetched when the first request needs one, kept, and replaced in
the background while it still holds, so that later requests wait for nothing. See
developers.google.com/identity/protocols/oauth2/service-account.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from freehold.core.errors import Broken, CredentialRefused, FreeholdError, ProviderError
from freehold.core.ports import Headers, SendHeaders, Sending, Sink, Upstream

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI = "https://oauth2.googleapis.com/token"
LIFE = 3600
"""Seconds for which a claim asks; Google gives no more."""
EARLY = 300.0
"""Seconds before its end at which a token is replaced."""
LAST = 30.0
"""Seconds before its end at which a token is used no more: the request has to arrive."""
MOST = 64 * 1024
"""Bytes of an answer that is a token, and of a file that is a credential."""
_FORM = (("content-type", "application/x-www-form-urlencoded"),)


class Credential(Struct, frozen=True, kw_only=True):
    """What a JSON file of Google's holds: a service account's key, or what a person's login left."""

    type: Literal["service_account", "authorized_user"]
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = TOKEN_URI
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.type})"


def credential(secret: str) -> Credential | str:
    """What a setting holds: the JSON itself, the path of its file, or a token. ValueError says what is wrong with it,
    never what is in it."""
    text = secret.strip()
    if not text.startswith("{"):
        if not text.startswith(("/", "~", ".")) and not text.endswith(".json"):
            return text
        try:
            text = Path(text).expanduser().read_bytes()[:MOST].decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise ValueError(f"the credential file cannot be read: {reason}") from None
    try:
        found = msgspec.json.decode(text, type=Credential)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the credential is no service account and no user's login: {error}") from None
    url = urlsplit(found.token_uri)
    if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("the credential's token_uri is not https")
    if found.type == "service_account":
        _key(found)
    return found


def _key(credential: Credential) -> RSAPrivateKey:
    """The key of a service account; ValueError where it is none."""
    try:
        key = load_pem_private_key(credential.private_key.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the credential's private_key is not an RSA key in PEM")
    return key


def _part(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def grant(credential: Credential, now: float) -> bytes:
    """The body that asks for a token at this time (seconds since 1970)."""
    if credential.type == "authorized_user":
        return urlencode({
            "grant_type": "refresh_token",
            "client_id": credential.client_id,
            "client_secret": credential.client_secret,
            "refresh_token": credential.refresh_token,
        }).encode()  # fmt: skip
    head = {"alg": "RS256", "typ": "JWT", "kid": credential.private_key_id}
    claims = {
        "iss": credential.client_email,
        "scope": SCOPE,
        "aud": credential.token_uri,
        "iat": int(now),
        "exp": int(now) + LIFE,
    }
    signed = f"{_part(msgspec.json.encode(head))}.{_part(msgspec.json.encode(claims))}"
    signature = _key(credential).sign(signed.encode(), PKCS1v15(), SHA256())
    assertion = f"{signed}.{_part(signature)}"
    return urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}).encode()


class _Granted(Struct, frozen=True):
    access_token: str
    expires_in: float = LIFE


Waiter = Callable[[FreeholdError | None], None]


class Tokens:
    """The token of one credential. `connect` makes the upstream of an address; `now` is in seconds since 1970."""

    def __init__(
        self, credential: Credential | str, *, name: str, connect: Callable[[str], Upstream], now: Callable[[], float]
    ) -> None:
        self._credential = credential
        self._name = name
        self._now = now
        self._connect = connect
        self._upstream: Upstream | None = None
        self._fetching: _Fetching | None = None
        self._waiting: list[Waiter] = []
        self._token = credential if isinstance(credential, str) else ""
        self._until = float("inf") if self._token else 0.0

    def current(self) -> str | None:
        """The token, if there is one that holds; one that ends soon is replaced meanwhile."""
        left = self._until - self._now()
        if left < EARLY and self._fetching is None:
            self._fetch()
        return self._token if left > LAST else None

    def wait(self, waiter: Waiter) -> None:
        """Call `waiter` once, when there is a token (None) or there will be none (why)."""
        self._waiting.append(waiter)

    def _fetch(self) -> None:
        known = self._credential
        assert isinstance(known, Credential)
        url = urlsplit(known.token_uri)
        if self._upstream is None:
            self._upstream = self._connect(f"{url.scheme}://{url.netloc}")
        self._fetching = _Fetching(self)
        self._upstream.send(url.path or "/", _FORM, grant(known, self._now()), self._fetching)

    def fetched(self, status: int, headers: Headers, body: bytes, error: FreeholdError | None) -> None:
        """What came of it. A token that still holds stays where there is no new one."""
        self._fetching = None
        if error is None:
            try:
                granted = msgspec.json.decode(body, type=_Granted) if status == 200 else None
            except msgspec.MsgspecError:
                granted = None
            if granted is not None:
                self._token, self._until = granted.access_token, self._now() + granted.expires_in
            else:
                error = self._refused(status, body)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter(error)

    def _refused(self, status: int, body: bytes) -> ProviderError:
        told = body[:300].decode("utf-8", "replace").strip()
        if status in (400, 401, 403):
            return CredentialRefused(f"Google gives no token for the credential of {self._name}: {told}")
        return Broken(f"Google answered {status} where {self._name} asked for a token: {told}")

    async def close(self) -> None:
        if self._upstream is not None:
            await self._upstream.close()


class _Fetching:
    """The sink of one request for a token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._status = 0
        self._headers: Headers = {}
        self._body = b""

    def head(self, status: int, headers: Headers) -> None:
        self._status, self._headers = status, headers

    def data(self, piece: bytes) -> None:
        if len(self._body) < MOST:
            self._body += piece

    def done(self) -> None:
        self._tokens.fetched(self._status, self._headers, self._body, None)

    def failed(self, error: FreeholdError) -> None:
        self._tokens.fetched(0, {}, b"", error)


class Tokened:
    """An `Upstream` that sends a token along, and waits for it where there is none yet."""

    def __init__(self, upstream: Upstream, tokens: Tokens) -> None:
        self._upstream = upstream
        self._tokens = tokens

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        token = self._tokens.current()
        if token is not None:
            return self._upstream.send(path, _with(headers, token), body, sink)
        waiting = _Waiting()

        def ready(error: FreeholdError | None) -> None:
            if waiting.over:
                return
            given = self._tokens.current()
            if error is not None or given is None:
                sink.failed(error or Broken("Google gave a token that had ended"))
                return
            waiting.begun(self._upstream.send(path, _with(headers, given), body, sink))

        self._tokens.wait(ready)
        return waiting

    async def close(self) -> None:
        await self._tokens.close()
        await self._upstream.close()


def _with(headers: SendHeaders, token: str) -> SendHeaders:
    return (*headers, ("authorization", f"Bearer {token}"))


class _Waiting:
    """A request that waits for its token; what is asked of it meanwhile holds for it later."""

    def __init__(self) -> None:
        self.over = False
        self._paused = False
        self._sending: Sending | None = None

    def begun(self, sending: Sending) -> None:
        self._sending = sending
        if self._paused:
            sending.pause()

    def cancel(self) -> None:
        self.over = True
        if self._sending is not None:
            self._sending.cancel()

    def pause(self) -> None:
        self._paused = True
        if self._sending is not None:
            self._sending.pause()

    def resume(self) -> None:
        self._paused = False
        if self._sending is not None:
            self._sending.resume()
