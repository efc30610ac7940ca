"""Bedrock's Converse, as a `Dialect`."""

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.bedrock_converse import answer, errors, prompting, reading, stream
from freehold.dialects.bedrock_converse import messages as conversation
from freehold.dialects.bedrock_converse import request as requests
from freehold.dialects.bedrock_converse.writing import Foreign, Own
from freehold.dialects.dialect import Encoder, Source, Written
from freehold.dialects.quirks import Quirks


class BedrockConverse:
    """See `dialects.dialect.Dialect`."""

    name = requests.NAME
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        return requests.decode(body, target)

    def path(self, base: str, *, model: str, stream: bool) -> str:
        """`base` is what comes before the model."""
        return base + requests.path(model, stream=stream)

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return conversation.messages(request)

    def read(self, request: Request) -> Prompt:
        return reading.read(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model)

    def stream_decoder(self, quirks: Quirks) -> stream.StreamDecoder:
        return stream.StreamDecoder()

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> Encoder:
        return Own(request) if source is None else Foreign(request, id=id, account=source.account)

    def encode_error(self, error: FreeholdError) -> bytes:
        return errors.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return errors.encode_stream_error(error)


BEDROCK_CONVERSE = BedrockConverse()
