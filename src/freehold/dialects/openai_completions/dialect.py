"""OpenAI's elder completions: text in, text out (platform.openai.com/docs/api-reference/completions).

Answers and streams are those of chat completions with `text` in place of a message, and are read as those.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from freehold.core.errors import FreeholdError, InvalidRequest, ProviderError
from freehold.core.events import Choice, Event
from freehold.core.ports import Headers
from freehold.core.prompt import Prompt
from freehold.core.request import (
    CallPart,
    MediaPart,
    Message,
    Need,
    ReasoningPart,
    Request,
    ResultPart,
    TextPart,
)
from freehold.dialects.dialect import Source, Written
from freehold.dialects.hints import CACHE, marked
from freehold.dialects.openai_chat import answer, errors, stream, writing
from freehold.dialects.openai_chat import request as chat
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read, wrong
from freehold.dialects.subjects import OPENAI, bounded

BYTES_PER_TOKEN = 4
MOST_CHOICES = 128
RAW = "prompt (asked as a turn of the user)"
"""The loss where a text to be continued becomes a question."""


class _View(Struct):
    """The members that decide something."""

    model: str
    prompt: Any = ""
    suffix: str | None = None
    stream: bool | None = None
    stream_options: Any = None
    max_tokens: int | None = None
    n: int | None = None
    logprobs: int | None = None
    echo: bool | None = None
    best_of: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    user: str | None = None


_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KNOWN = frozenset(_View.__struct_fields__)
_EMPTY = (b"null", b"{}")
_FINISHES = {**writing.FINISHES, "tool_calls": "stop"}
"""A text calls no tools."""
_SAMPLING = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


class OpenAICompletions:
    """See `dialects.dialect.Dialect`."""

    name = "openai-completions"
    passes = ()

    def decode_request(self, body: bytes, target: str = "") -> Request:
        """The request in a body; InvalidRequest names the member that is wrong."""
        view = _view(read(body))
        fields = _fields(body)
        needs = set[Need]()
        if view.stream:
            needs.add("stream")
        if (view.n or 1) > 1:
            needs.add("n")
        return Request(
            dialect=self.name,
            model=view.model,
            stream=view.stream is True,
            needs=frozenset(needs),
            prompt_tokens=len(memoryview(fields["prompt"])) // BYTES_PER_TOKEN + 1 if "prompt" in fields else 1,
            max_output_tokens=view.max_tokens or None,
            choices=view.n or 1,
            wants_usage=members(view.stream_options).get("include_usage") is True,
            subject=view.user,
            fields=fields,
        )

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        return chat.encode(request, model=model, quirks=quirks)

    def messages(self, request: Request) -> tuple[Message, ...]:
        return (Message("user", tuple(TextPart(text) for text in _texts(_any(request.fields.get("prompt", b'""'))))),)

    def read(self, request: Request) -> Prompt:
        view = _view(_any(_encode(request.fields)))
        texts = _texts(view.prompt)
        if len(texts) != 1:
            raise InvalidRequest(
                "prompt: several prompts or token ids at once are for providers of completions; send one text, or ask "
                "a deployment that speaks them",
                param="prompt",
            )
        unsaid = {
            "suffix": view.suffix,
            "logprobs": view.logprobs,
            "echo": view.echo,
            "best_of": (view.best_of or 1) > 1,
        }
        known = frozenset(_View.__struct_fields__)
        more = [
            name for name, raw in request.fields.items() if name not in known and bytes(raw) not in (b"null", b"{}")
        ]
        return Prompt(
            messages=(Message("user", (TextPart(texts[0]),)),),
            stream=request.stream,
            wants_usage=request.wants_usage,
            max_output_tokens=view.max_tokens,
            stop=(view.stop,) if isinstance(view.stop, str) else tuple(view.stop or ()),
            choices=request.choices,
            subject=view.user,
            losses=(RAW, *(name for name, said in unsaid.items() if said), *more),
            **{name: getattr(view, name) for name in _SAMPLING},
        )

    def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
        """A conversation as one text, which the model continues."""
        lines = [f"{message.role}: {message.text}" for message in prompt.messages]
        alone = len(prompt.messages) == 1
        parts = [part for message in prompt.messages for part in message.parts]
        lost: list[str] = []
        body: dict[str, Any] = {
            "model": model,
            "prompt": prompt.messages[0].text if alone else "\n\n".join([*lines, "assistant:"]),
        }
        if prompt.stream:
            body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if quirks.stream_usage else {})
        if prompt.max_output_tokens is not None:
            body["max_tokens"] = prompt.max_output_tokens
        body |= {name: value for name in _SAMPLING if (value := getattr(prompt, name)) is not None}
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if prompt.choices > 1:
            body["n"] = prompt.choices
        if prompt.subject:
            body["user"] = bounded(prompt.subject, OPENAI, lost.append)
        unsaid = {
            "turns of a conversation": not alone,
            "tools": bool(prompt.tools),
            "tool_choice": prompt.tool_choice is not None and prompt.tool_choice.mode != "none",
            "parallel_tools": prompt.parallel_tools is False,
            "format": prompt.format is not None,
            "thinking": prompt.thinking is not None,
            "top_k": prompt.top_k is not None,
            "logprobs": prompt.logprobs or prompt.top_logprobs is not None,
            "verbosity": prompt.verbosity,
            "service_tier": prompt.service_tier,
            "metadata": prompt.metadata,
            "media": any(isinstance(p, MediaPart) or (isinstance(p, ResultPart) and p.media) for p in parts),
            "calls of tools": any(isinstance(p, CallPart) for p in parts),
            "results of tools": any(isinstance(p, ResultPart) for p in parts),
            "reasoning of earlier turns": any(isinstance(p, ReasoningPart) for p in parts),
            "signature of a text": any(isinstance(p, TextPart) and p.seal is not None for p in parts),
            "messages.name": any(message.name for message in prompt.messages),
            CACHE: marked(prompt),
        }
        return Written(_encode(body), (*lost, *(name for name, said in unsaid.items() if said)))

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return base or "/completions"

    def stream_decoder(self, quirks: Quirks) -> stream.StreamDecoder:
        return stream.StreamDecoder(quirks)

    def decode_answer(self, body: bytes, quirks: Quirks) -> Event:
        return answer.decode_answer(body, quirks)

    def decode_error(self, status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
        return errors.decode_error(status, headers, body, provider=provider)

    def encoder(self, request: Request, *, id: str, at: int, source: Source | None = None) -> "Encoder":
        return Encoder(request, id, at, source)

    def encode_error(self, error: FreeholdError) -> bytes:
        return errors.encode_error(error)

    def encode_stream_error(self, error: FreeholdError) -> bytes:
        return errors.encode_stream_error(error)


class Encoder(writing.Encoder):
    """Writes text where chat completions have messages. Reasoning and calls of tools are not text, and left out."""

    prefix: ClassVar = "cmpl"
    whole: ClassVar = "text_completion"
    chunk: ClassVar = "text_completion"

    def _data(self, choice: int, said: dict[str, Any], finish: str | None = None) -> bytes:
        text = said.get("content") or said.get("refusal") or ""
        if not text and finish is None:
            return b""
        finish = _FINISHES.get(finish, finish) if finish else None
        return self._frame([{"text": text, "index": choice, "logprobs": None, "finish_reason": finish}])

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        finish = _FINISHES.get(choice.finish or "stop", choice.finish or "stop")
        return {"text": choice.text or choice.refusal, "index": index, "logprobs": None, "finish_reason": finish}


def _view(value: Any) -> _View:
    try:
        view = msgspec.convert(value, _View, strict=False)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    if not view.model:
        raise InvalidRequest("model: is empty; name a route or a model", param="model")
    if view.n is not None and not 1 <= view.n <= MOST_CHOICES:
        raise InvalidRequest(f"n: expected 1 to {MOST_CHOICES}, got {view.n}", param="n")
    return view


def _texts(prompt: Any) -> list[str]:
    """The texts of a prompt; none where it is token ids."""
    return [one for one in items(prompt) if isinstance(one, str)]


OPENAI_COMPLETIONS = OpenAICompletions()
