"""Cohere's v2 chat, as a `Dialect`."""

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.cohere_chat import answer, prompting, reading, writing
from freehold.dialects.cohere_chat import request as requests
from freehold.dialects.dialect import Encoder, Source, Written
from freehold.dialects.openai_chat import errors
from freehold.dialects.quirks import Quirks

PATH = "/chat"


class CohereChat:
    """See `dialects.dialect.Dialect`."""

    name = requests.NAME
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        return requests.decode(body)

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base or PATH

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request, model=model)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return reading.messages(request)

    def read(self, request: Request) -> Prompt:
        return reading.read(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model)

    def stream_decoder(self, quirks: Quirks) -> answer.StreamDecoder:
        return answer.StreamDecoder()

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> Encoder:
        return writing.Own(request, id=id) if source is None else writing.Foreign(request, id=id)

    def encode_error(self, error: FreeholdError) -> bytes:
        return writing.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return writing.encode_stream_error(error)


COHERE_CHAT = CohereChat()
