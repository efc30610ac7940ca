"""A provider as it is known to everyone: where it is, how it wants the key, what it speaks."""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Literal

from msgspec import Struct

from freehold.core.request import Need
from freehold.core.secret import Secret
from freehold.dialects.quirks import Quirks

Auth = Literal["bearer", "optional-bearer", "api-key", "x-api-key", "x-goog-api-key", "google", "aws", "none"]
"""How the key is sent: as `Authorization: Bearer`, or as the header of that name; `google`: as a token that is got for
it (see `providers.google`); `aws`: as Bearer too, or by a signature where it is an access key with a secret (see
`providers.sigv4`)."""

SPOKEN = "openai-chat"
"""The dialect that most providers speak."""


class Tongue(Struct, frozen=True, kw_only=True):
    """A dialect in which a provider can be called beside `openai-chat`. What is empty is as there.

    `tail` replaces the end of the base URL, (this, by that). `path` is the dialect's own unless it is said here.
    `models`: how the names of those models begin that can be called in this dialect and no other; empty: it is for all.
    """

    dialect: str
    tail: tuple[str, str] = ("", "")
    path: str = ""
    auth: Auth | None = None
    headers: dict[str, str] = {}
    quirks: Quirks = Quirks()
    models: tuple[str, ...] = ()

    def base_url(self, base_url: str) -> str:
        old, new = self.tail
        return base_url.removesuffix(old) + new if base_url.endswith(old) else base_url


class Provider(Struct, frozen=True, kw_only=True):
    """A known provider. `base_url` may hold {placeholders}, filled from settings or the variables in `values`; it is
    empty where every installation has its own.

    `key_env` are the variables tried for the key, in that order; `url_env` those that hold the address (without
    `url_tail`). `dialects` are what the service speaks: it can be called where `openai-chat` or one of the `tongues` is
    among them. `port` is where an engine listens on its own machine. `jurisdiction` is the operator's, as ISO 3166,
    where it is certain. `lacks` is what it cannot do as it is called, whatever the model can. `needs` is what beyond
    the dialect is missing to call it. A caller is served in its own dialect where the provider speaks that too
    (`tongues`), and in the `native` one otherwise. `signs` is the service that a signature is for; `pair_env` are the
    variables of the secret of an access key and of its session's token, by the variable that holds the access key.
    """

    id: str
    name: str
    base_url: str
    path: str = "/chat/completions"
    auth: Auth = "bearer"
    key_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    url_tail: str = ""
    values: dict[str, tuple[str, ...]] = {}
    dialects: tuple[str, ...] = (SPOKEN,)
    port: int | None = None
    jurisdiction: str | None = None
    lacks: frozenset[Need] = frozenset()
    headers: dict[str, str] = {}
    quirks: Quirks = Quirks()
    needs: str = ""
    native: str = SPOKEN
    tongues: tuple[Tongue, ...] = ()
    signs: str = ""
    pair_env: dict[str, tuple[str, str]] = {}

    @property
    def unreachable(self) -> str | None:
        """Why it cannot be called yet, or None."""
        if self.needs:
            return f"not reachable yet: needs {self.needs}"
        if SPOKEN not in self.dialects and not self.tongues:
            return f"not reachable yet: speaks {', '.join(self.dialects)}"
        return None


def authorization(auth: Auth, key: Secret | None) -> dict[str, str]:
    """The header that carries the key, name in lower case; none without a key."""
    if key is None or auth in ("none", "google"):
        return {}
    if auth in ("bearer", "optional-bearer", "aws"):
        return {"authorization": f"Bearer {key.reveal()}"}
    return {auth: key.reveal()}


def key(provider: Provider, env: Mapping[str, str]) -> Secret | None:
    """The provider's key from the first of its variables that is set."""
    for name in provider.key_env:
        if value := env.get(name, "").strip():
            return Secret(value, source=f"env:{name}")
    return None


class Pair(Struct, frozen=True):
    """What belongs to an access key, where the environment has it. `missing`: the variable of its secret is not set."""

    secret_key: Secret | None = None
    session_token: Secret | None = None
    missing: str = ""


def pair(provider: Provider, api_key: Secret | None, env: Mapping[str, str]) -> Pair:
    """The secret and the session's token that belong to a key which is an access key of the environment."""
    names = provider.pair_env.get("" if api_key is None else api_key.source.removeprefix("env:"))
    if names is None:
        return Pair()
    secret, token = (Secret(v, source=f"env:{n}") if (v := env.get(n, "").strip()) else None for n in names)
    return Pair(secret, token) if secret is not None else Pair(missing=names[0])


def address(provider: Provider, values: Mapping[str, str], env: Mapping[str, str]) -> str:
    """The provider's base URL with its placeholders filled; ValueError names the first one that nothing fills."""
    for name in provider.url_env:
        if url := env.get(name, "").strip().rstrip("/"):
            return url if url.endswith(provider.url_tail) else url + provider.url_tail
    filled = dict(values)
    for field in placeholders(provider):
        variables = provider.values.get(field, ())
        value = filled.get(field) or next((env[v] for v in variables if env.get(v)), None)
        if value is None:
            ways = " or ".join((f'values = {{ {field} = "..." }}', *variables, *provider.url_env))
            raise ValueError(f"the address of {provider.name} needs its {field}: set {ways}")
        filled[field] = value
    return provider.base_url.format_map(filled)


def placeholders(provider: Provider) -> Iterator[str]:
    return (field for _, field, _, _ in Formatter().parse(provider.base_url) if field)
