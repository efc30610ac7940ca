"""AWS Signature Version 4: requests signed with an access key (docs.aws.amazon.com, "Create a signed AWS API request").

The path is encoded once as it is sent, and once more in what is signed: every service but S3 wants it so.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from msgspec import Struct

from freehold.core.money import NANO
from freehold.core.ports import Clock, SendHeaders
from freehold.core.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
_SPACES = re.compile(r" +")
_REGION = re.compile(r"\.([a-z]{2,3}(?:-[a-z]+)+-\d)\.")


class Credentials(Struct, frozen=True, kw_only=True):
    """An access key, its secret, and the token of a session where the key is one of a session."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret | None = None


class Scope(Struct, frozen=True, kw_only=True):
    """What a signature holds for: an instant (UTC nanoseconds), a region and a service."""

    at: int
    region: str
    service: str

    @property
    def stamp(self) -> str:
        """The instant as `x-amz-date` has it: 20150830T123600Z."""
        return datetime.fromtimestamp(self.at // NANO, UTC).strftime("%Y%m%dT%H%M%SZ")

    def __str__(self) -> str:
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"


def canonical(method: str, target: str, headers: SendHeaders, body: bytes) -> str:
    """The canonical request. `target` is path and query as they are sent; names of headers are in lower case, and all
    of them are signed."""
    path, _, query = target.partition("?")
    folded: dict[str, list[str]] = {}
    for name, value in headers:
        folded.setdefault(name, []).append(_SPACES.sub(" ", value.strip()))
    lines = [f"{name}:{','.join(folded[name])}\n" for name in sorted(folded)]
    pairs = sorted(_pair(one) for one in query.split("&") if one)
    return "\n".join(
        (
            method,
            quote(path or "/", safe="/~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(lines),
            ";".join(sorted(folded)),
            hashlib.sha256(body).hexdigest(),
        )
    )


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return quote(name, safe="-_.~%"), quote(value, safe="-_.~%")


def to_sign(request: str, scope: Scope) -> str:
    """The string that is signed, for a canonical request."""
    return f"{ALGORITHM}\n{scope.stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"


def signature(text: str, scope: Scope, secret: str) -> str:
    """Hexadecimal signature of a string, by the key that `scope` derives from a secret."""
    key = f"AWS4{secret}".encode()
    for part in (scope.stamp[:8], scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def authorization(
    method: str, target: str, headers: SendHeaders, body: bytes, *, scope: Scope, credentials: Credentials
) -> str:
    """The value of the header that carries the signature of all these headers."""
    text = to_sign(canonical(method, target, headers, body), scope)
    signed = ";".join(sorted({name for name, _ in headers}))
    made = signature(text, scope, credentials.secret_key.reveal())
    return f"{ALGORITHM} Credential={credentials.access_key.reveal()}/{scope}, SignedHeaders={signed}, Signature={made}"


def signer(
    base_url: str, headers: SendHeaders, *, region: str, service: str, credentials: Credentials, clock: Clock
) -> Callable[[str, bytes], SendHeaders]:
    """(path, body) -> all headers of a POST below `base_url`. `headers` are those that are always sent; of them only
    the type of the body is signed, since a proxy may change others."""
    url = urlsplit(base_url)
    prefix = url.path.rstrip("/")
    token = credentials.session_token
    steady = [("host", url.netloc), *((n, v) for n, v in headers if n == "content-type")]
    if token is not None:
        steady.append(("x-amz-security-token", token.reveal()))

    def sign(path: str, body: bytes) -> SendHeaders:
        scope = Scope(at=clock(), region=region, service=service)
        signed = (*steady, ("x-amz-date", scope.stamp))
        made = authorization("POST", prefix + path, signed, body, scope=scope, credentials=credentials)
        names = {name for name, _ in signed}
        rest = tuple(one for one in headers if one[0] not in names)
        return (*rest, *signed[1:], ("authorization", made))

    return sign


def region_of(base_url: str) -> str:
    """The region that an address of AWS names; '' where it names none."""
    found = _REGION.search(urlsplit(base_url).hostname or "")
    return "" if found is None else found[1]
