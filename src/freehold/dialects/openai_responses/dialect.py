"""OpenAI Responses, as a `Dialect`."""

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.dialect import Encoder, Source, Written
from freehold.dialects.openai_responses import answer, errors, prompting, reading, stream
from freehold.dialects.openai_responses import messages as conversation
from freehold.dialects.openai_responses import request as requests
from freehold.dialects.openai_responses.writing import Foreign, Own
from freehold.dialects.quirks import Quirks

PATH = "/responses"


class OpenAIResponses:
    """See `dialects.dialect.Dialect`."""

    name = requests.NAME
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        return requests.decode(body)

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request, model=model, quirks=quirks)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return conversation.messages(request)

    def read(self, request: Request) -> Prompt:
        return reading.read(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model, quirks=quirks)

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base or PATH

    def stream_decoder(self, quirks: Quirks) -> stream.StreamDecoder:
        return stream.StreamDecoder(quirks)

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body, quirks)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> Encoder:
        if source is None:
            return Own(stream=request.stream)
        return Foreign(request, id=id, at=at, account=source.account)

    def encode_error(self, error: FreeholdError) -> bytes:
        return errors.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return errors.encode_stream_error(error)


OPENAI_RESPONSES = OpenAIResponses()
