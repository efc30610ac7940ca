"""Gemini's generateContent, as a `Dialect`."""

from urllib.parse import quote

from freehold.core.errors import FreeholdError, ProviderError
from freehold.core.events import Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request
from freehold.dialects.dialect import Encoder, Source, Written
from freehold.dialects.gemini_generate import answer, errors, prompting, reading, stream
from freehold.dialects.gemini_generate import messages as conversation
from freehold.dialects.gemini_generate import request as requests
from freehold.dialects.gemini_generate.writing import Foreign, Own
from freehold.dialects.quirks import Quirks

PATH = "/models/{model}:{call}"
CALL, STREAM = "generateContent", "streamGenerateContent?alt=sse"


class GeminiGenerate:
    """See `dialects.dialect.Dialect`."""

    name = requests.NAME
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        return requests.decode(body, target)

    def path(self, base: str, *, model: str, stream: bool) -> str:
        """The model and the method stand in the path; `base` says where in it, or what comes before."""
        whole = base if "{model}" in base else base + PATH
        return whole.format(model=quote(model.removeprefix("models/")), call=STREAM if stream else CALL)

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return requests.encode(request, model=model, quirks=quirks)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return conversation.messages(request)

    def read(self, request: Request) -> Prompt:
        return reading.read(request)

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        return prompting.write(prompt, model=model, quirks=quirks)

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


GEMINI_GENERATE = GeminiGenerate()
