"""OpenAI chat completions, as a `Dialect`."""

from freehold.core.errors import FreeholdError, InvalidRequest, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.dialect import Source, Written
from freehold.dialects.openai_chat import answer, errors, prompting, reading, stream, writing
from freehold.dialects.openai_chat import messages as conversation
from freehold.dialects.openai_chat import request as requests
from freehold.dialects.openai_responses.shape import as_chat
from freehold.dialects.quirks import Quirks


class OpenAIChat:
    """See `dialects.dialect.Dialect`."""

    name = "openai-chat"
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        try:
            return requests.decode(body)
        except InvalidRequest:
            if (chat := as_chat(body)) is None:
                raise
            return requests.decode(chat)

    def read(self, request: Request) -> Prompt:
        return reading.read(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model, quirks=quirks)

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request, model=model, quirks=quirks)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return conversation.messages(request)

    def stream_decoder(self, quirks: Quirks) -> stream.StreamDecoder:
        return stream.StreamDecoder(quirks)

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body, quirks)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> writing.Encoder:
        return writing.Encoder(request, id, at, source)

    def encode_error(self, error: FreeholdError) -> bytes:
        return errors.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return errors.encode_stream_error(error)


OPENAI_CHAT = OpenAIChat()
