"""APIs of one question and one answer, both JSON: embeddings, rankings, moderations. Nothing of it streams."""

from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.errors import Broken, FreeholdError, Internal, InvalidRequest, ProviderError
from freehold.core.events import Event, Used
from freehold.core.ports import Headers
from freehold.core.request import Message, Request
from freehold.core.retrieval import Ranked, Vectors
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source, StreamDecoder, Written
from freehold.dialects.openai_chat import errors
from freehold.dialects.openai_chat.loose import members, number
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read

Result = Vectors | Ranked
BYTES_PER_TOKEN = 4

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode
_text = msgspec.json.Decoder(str).decode


class Single:
    """What such dialects share; each says its name, where its requests go, and how questions and answers look."""

    name = ""
    passes: tuple[bytes, ...] = ()
    at = ""
    """The path below the provider's address."""
    payload: tuple[str, ...] = ()
    """Members that hold the text that is worked on, for the estimate of tokens."""
    answers: tuple[str, ...] = ()
    """Members of an answer, of which it has at least one."""
    counts: tuple[str, ...] = ()
    """Members of an answer that hold its usage."""

    # requests

    def decode_request(self, body: bytes, target: str = "") -> Request:
        """The request in a body; InvalidRequest names the member that is wrong."""
        value = members(read(body))
        fields = _fields(body)
        model = self.model(value, target)
        size = sum(len(memoryview(fields[name])) for name in self.payload if name in fields)
        user = value.get("user")
        request = Request(
            dialect=self.name,
            model=model,
            stream=False,
            needs=frozenset(),
            prompt_tokens=size // BYTES_PER_TOKEN + 1,
            max_output_tokens=None,
            choices=1,
            wants_usage=True,
            subject=user if isinstance(user, str) else None,
            fields=fields,
        )
        self.check(request)
        return request

    def model(self, value: dict[str, Any], target: str) -> str:
        """The model that is asked for."""
        model = value.get("model")
        if not isinstance(model, str) or not model:
            raise InvalidRequest("model: is missing; name a route or a model", param="model")
        return model

    def check(self, request: Request) -> None:
        """InvalidRequest where a member has no meaning."""

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        fields: dict[str, Any] = dict(request.fields)
        if "model" in fields:
            fields["model"] = model
        return _encode(fields)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return ()

    def read(self, request: Request) -> Any:
        raise InvalidRequest(f"A request of {self.name} cannot be carried to a provider of another API")

    def write(self, prompt: Any, *, model: str, quirks: Quirks) -> Written:
        raise Internal(f"A request of {self.name} is never written from another one")

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base or self.at

    # answers

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder:
        raise Internal(f"{self.name} has no streams")

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        """A whole answer; Broken where it is not one. Vectors are read where somebody wants them in another dialect."""
        try:
            fields = _fields(body)
            if not any(name in fields for name in self.answers):
                raise self.decode_error(200, {}, body, provider="The provider")
            usage = self.used({name: _any(raw) for name, raw in fields.items() if name in self.counts})
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"The provider sent something that is no answer of {self.name}: {error}") from None
        return Event(() if usage is None else (Used(usage),), body, content=True, result=partial(self._result, body))

    def _result(self, body: bytes) -> Result | None:
        try:
            return self.said(members(_any(body)))
        except (TypeError, ValueError, LookupError) as error:
            raise Broken(f"The provider sent something that is no answer of {self.name}: {error}") from None

    def used(self, value: dict[str, Any]) -> Usage | None:
        """Usage, in the members that `counts` names."""
        return None

    def said(self, value: dict[str, Any]) -> Result | None:
        """What an answer says; None where only its own dialect has words for it."""
        return None

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        """An answer from what another dialect said."""
        raise NotImplementedError

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> "Whole":
        return Whole(self, request, id=id, foreign=source is not None)

    # errors

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encode_error(self, error: FreeholdError) -> bytes:
        return errors.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return self.encode_error(error)


class Whole:
    """Writes one answer: the provider's bytes, or what it said."""

    media_type = b"application/json"

    def __init__(self, dialect: Single, request: Request, *, id: str, foreign: bool) -> None:
        self._dialect = dialect
        self._request = request
        self._id = id
        self._foreign = foreign

    def encode(self, event: Event) -> bytes:
        if not self._foreign:
            return event.raw
        usage = next((d.usage for d in event.deltas if isinstance(d, Used)), None)
        result = None if event.result is None else event.result()
        if result is None:
            raise Broken(f"The provider's answer has no counterpart in {self._dialect.name}")
        return _encode(self._dialect.written(result, usage, request=self._request, id=self._id))

    def end(self) -> bytes:
        return b""

    def fail(self, error: FreeholdError) -> bytes:
        return self._dialect.encode_error(error)


def counted(tokens: object) -> Usage | None:
    """Usage of an answer that generates nothing; None where it does not say."""
    count = number(tokens)
    return None if count is None else Usage(input_tokens=count)


def text_of(raw: Raw | None) -> str:
    """A member that is text; '' for anything else."""
    if raw is None:
        return ""
    try:
        return _text(raw)
    except msgspec.MsgspecError:
        return ""


def left(request: Request, known: frozenset[str]) -> tuple[str, ...]:
    """Members with a value that are not among those known."""
    empty = (b"null", b"[]", b"{}", b'""', b"false")
    return tuple(name for name, raw in request.fields.items() if name not in known and bytes(raw) not in empty)
