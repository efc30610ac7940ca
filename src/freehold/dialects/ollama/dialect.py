"""Ollama's own API, as two `Dialect`s: `/api/chat` and `/api/generate`. Providers are called by the first."""

import msgspec

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.dialect import Source, Written
from freehold.dialects.ollama import answer, prompting, writing
from freehold.dialects.ollama import request as requests
from freehold.dialects.openai_chat import errors
from freehold.dialects.quirks import Quirks


class Ollama:
    """See `dialects.dialect.Dialect`."""

    passes = ()

    def __init__(self, name: str, at: str) -> None:
        self.name = name
        self._at = at

    def decode_request(self, body: bytes, target: str = "") -> Request:
        return requests.decode(body, name=self.name)

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request, model=model)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return requests.messages(request)

    def read(self, request: Request) -> Prompt:
        return requests.read_prompt(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model, chat=self.name == "ollama-chat")

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base or self._at

    def stream_decoder(self, quirks: Quirks) -> answer.StreamDecoder:
        return answer.StreamDecoder()

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> writing.Encoder:
        return writing.Encoder(request, chat=self.name == "ollama-chat", at=at, foreign=source is not None)

    def encode_error(self, error: FreeholdError) -> bytes:
        return msgspec.json.encode({"error": error.message})

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return self.encode_error(error) + b"\n"


OLLAMA_CHAT = Ollama("ollama-chat", "/api/chat")
OLLAMA_GENERATE = Ollama("ollama-generate", "/api/generate")
