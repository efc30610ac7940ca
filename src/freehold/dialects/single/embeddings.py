"""Embeddings, in the dialects of OpenAI, Voyage, Cohere, Gemini and Ollama.

platform.openai.com/docs/api-reference/embeddings, docs.voyageai.com/reference/embeddings-api,
docs.cohere.com/reference/embed, ai.google.dev/api/embeddings, docs.ollama.com/api/embed.
"""

from array import array
from base64 import b64decode, b64encode
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from freehold.core.errors import FreeholdError, InvalidRequest
from freehold.core.request import Request
from freehold.core.retrieval import Inputs, Purpose, Vectors
from freehold.core.usage import Usage
from freehold.dialects.dialect import Written
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.quirks import Quirks
from freehold.dialects.single.base import Result, Single, counted, left, text_of

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode
MOST_INPUTS = 2048


def unpacked(text: str) -> tuple[float, ...]:
    """A vector of float32 in base64, little-endian."""
    values = array("f", b64decode(text, validate=True))
    return tuple(values)


def packed(vector: tuple[float, ...]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()


def floats(value: object) -> tuple[float, ...]:
    """A vector as a list of numbers, or packed."""
    if isinstance(value, str):
        return unpacked(value)
    if not isinstance(value, list):
        raise TypeError("a vector is missing")
    return tuple(float(x) for x in items(cast(object, value)))


class _Asked(Struct):
    input: Any = None
    dimensions: int | None = None
    encoding_format: str | None = None
    input_type: str | None = None
    output_dimension: int | None = None
    truncation: bool | None = None


class OpenAIEmbeddings(Single):
    """As OpenAI asks; `input_type` and `truncation`, which Voyage, Mistral and NVIDIA add, are understood."""

    name = "openai-embeddings"
    at = "/embeddings"
    payload = ("input",)
    answers = ("data",)
    counts = ("usage",)
    _known = frozenset(_Asked.__struct_fields__) | {"model", "user", "output_dtype"}

    def check(self, request: Request) -> None:
        self.read(request)

    def read(self, request: Request) -> Inputs:
        value: dict[str, Any] = _any(_encode(request.fields))
        try:
            said = msgspec.convert({k: v for k, v in value.items() if k in self._known}, _Asked, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The body: {error}") from None
        texts, tokens = _inputs(said.input)
        purpose = said.input_type or ""
        return Inputs(
            texts=texts,
            tokens=tokens,
            dimensions=said.dimensions or said.output_dimension,
            purpose=cast(Purpose, purpose) if purpose in ("query", "document") else "",
            truncate=said.truncation,
            losses=left(request, self._known),
        )

    def write(self, prompt: Inputs, *, model: str, quirks: Quirks) -> Written:
        given: list[Any] = [*prompt.texts, *prompt.tokens]
        body: dict[str, Any] = {"model": model, "input": given}
        if prompt.dimensions is not None:
            body["dimensions"] = prompt.dimensions
        lost = [name for name in ("purpose", "truncate") if getattr(prompt, name)]
        return Written(_encode(body), tuple(lost))

    def used(self, value: dict[str, Any]) -> Usage | None:
        used = members(value.get("usage"))
        return counted(used.get("prompt_tokens", used.get("total_tokens")))

    def said(self, value: dict[str, Any]) -> Result:
        return Vectors(tuple(floats(members(row).get("embedding")) for row in items(value["data"])))

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Vectors)
        base64 = text_of(request.fields.get("encoding_format")) == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": packed(vector) if base64 else vector}
            for index, vector in enumerate(result.values)
        ]
        tokens = request.prompt_tokens if usage is None else usage.input_tokens
        used = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": request.model, "usage": used}


def _inputs(given: object) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Texts and token lists in what may be one of either, or a list of either."""
    if isinstance(given, str):
        return (given,), ()
    values = [] if given is True or isinstance(given, int | float | dict) else items(given)
    if not values or len(values) > MOST_INPUTS:
        raise InvalidRequest(f"input: expected text or a list of 1 to {MOST_INPUTS}", param="input")
    if all(isinstance(value, str) for value in values):
        return tuple(values), ()
    if all(type(value) is int for value in values):
        return (), (tuple(values),)
    if all(_token_ids(value) for value in values):
        return (), tuple(tuple(items(value)) for value in values)
    raise InvalidRequest("input: expected text, token ids, or a list of one of them", param="input")


def _token_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in items(cast(object, value)))


class CohereEmbed(Single):
    """Cohere's v2."""

    name = "cohere-embed"
    at = "/embed"
    payload = ("texts", "inputs")
    answers = ("embeddings",)
    counts = ("meta",)
    _purposes: dict[str, Purpose] = {
        "search_query": "query",
        "search_document": "document",
        "classification": "classification",
        "clustering": "clustering",
    }
    _known = frozenset({"model", "texts", "input_type", "output_dimension", "truncate", "embedding_types"})

    def read(self, request: Request) -> Inputs:
        value = _any(_encode(request.fields))
        dimensions = value.get("output_dimension")
        return Inputs(
            texts=tuple(str(text) for text in items(value.get("texts"))),
            dimensions=dimensions if type(dimensions) is int else None,
            purpose=self._purposes.get(value.get("input_type") or "", ""),
            truncate=None if value.get("truncate") is None else value["truncate"] != "NONE",
            losses=left(request, self._known),
        )

    def write(self, prompt: Inputs, *, model: str, quirks: Quirks) -> Written:
        words = {purpose: word for word, purpose in self._purposes.items()}
        body: dict[str, Any] = {
            "model": model,
            "texts": prompt.texts,
            "input_type": words.get(prompt.purpose, "search_document"),
            "embedding_types": ["float"],
        }
        if prompt.dimensions is not None:
            body["output_dimension"] = prompt.dimensions
        if prompt.truncate is not None:
            body["truncate"] = "END" if prompt.truncate else "NONE"
        return Written(_encode(body), ("token ids",) if prompt.tokens else ())

    def used(self, value: dict[str, Any]) -> Usage | None:
        return counted(members(members(value.get("meta")).get("billed_units")).get("input_tokens"))

    def said(self, value: dict[str, Any]) -> Result | None:
        given = value["embeddings"]
        rows = members(given).get("float") or (None if members(given) else given)
        return None if rows is None else Vectors(tuple(map(floats, items(rows))))

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Vectors)
        tokens = request.prompt_tokens if usage is None else usage.input_tokens
        return {
            "id": id,
            "texts": _any(request.fields["texts"]) if "texts" in request.fields else [],
            "embeddings": {"float": result.values},
            "response_type": "embeddings_by_type",
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
        }

    def encode_error(self, error: FreeholdError) -> bytes:
        return _encode({"message": error.message})


class OllamaEmbed(Single):
    """Ollama's /api/embed, and its elder /api/embeddings of one prompt."""

    name = "ollama-embed"
    at = "/api/embed"
    payload = ("input", "prompt")
    answers = ("embeddings", "embedding")
    counts = ("prompt_eval_count",)
    _known = frozenset({"model", "input", "prompt", "truncate", "dimensions", "options", "keep_alive"})

    def read(self, request: Request) -> Inputs:
        value = _any(_encode(request.fields))
        given = value.get("input") if value.get("input") is not None else value.get("prompt")
        dimensions = value.get("dimensions")
        truncate = value.get("truncate")
        return Inputs(
            texts=tuple(str(text) for text in items(given)),
            dimensions=dimensions if type(dimensions) is int else None,
            truncate=truncate if isinstance(truncate, bool) else None,
            losses=left(request, self._known - {"options"}),
        )

    def write(self, prompt: Inputs, *, model: str, quirks: Quirks) -> Written:
        body: dict[str, Any] = {"model": model, "input": prompt.texts}
        for name in ("dimensions", "truncate"):
            if (value := getattr(prompt, name)) is not None:
                body[name] = value
        lost = {"token ids": bool(prompt.tokens), "purpose": bool(prompt.purpose)}
        return Written(_encode(body), tuple(name for name, said in lost.items() if said))

    def used(self, value: dict[str, Any]) -> Usage | None:
        return counted(value.get("prompt_eval_count"))

    def said(self, value: dict[str, Any]) -> Result:
        if "embeddings" in value:
            return Vectors(tuple(map(floats, items(value["embeddings"]))))
        return Vectors((floats(value["embedding"]),))

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Vectors)
        if "prompt" in request.fields and "input" not in request.fields:
            return {"embedding": result.values[0] if result.values else ()}
        tokens = request.prompt_tokens if usage is None else usage.input_tokens
        return {"model": request.model, "embeddings": result.values, "prompt_eval_count": tokens}

    def encode_error(self, error: FreeholdError) -> bytes:
        return _encode({"error": error.message})


class GeminiEmbed(Single):
    """Gemini's :embedContent of one content, and :batchEmbedContents of several; called by the second alone."""

    name = "gemini-embed"
    payload = ("content", "requests")
    answers = ("embeddings", "embedding")
    counts = ("usageMetadata",)
    _purposes: dict[str, Purpose] = {
        "RETRIEVAL_QUERY": "query",
        "RETRIEVAL_DOCUMENT": "document",
        "CLASSIFICATION": "classification",
        "CLUSTERING": "clustering",
        "SEMANTIC_SIMILARITY": "similarity",
    }

    def model(self, value: dict[str, Any], target: str) -> str:
        name = unquote(target.partition("?")[0].rpartition("/models/")[2]).rpartition(":")[0]
        if not name:
            raise InvalidRequest("The path names no model", param="model")
        return name

    def path(self, base: str, *, model: str, stream: bool) -> str:
        return f"{base}/models/{model}:batchEmbedContents"

    def encode_request(self, request: Request, *, model: str, quirks: Quirks) -> bytes:
        named = [{**one, "model": f"models/{model}"} for one in self._requests(request)]
        return _encode({"requests": named})

    @staticmethod
    def _requests(request: Request) -> list[dict[str, Any]]:
        value = _any(_encode(request.fields))
        return [members(one) for one in items(value.get("requests"))] if "requests" in value else [value]

    def read(self, request: Request) -> Inputs:
        asked = self._requests(request)
        first = asked[0] if asked else {}
        config = members(first.get("embedContentConfig") or first)
        dimensions = config.get("outputDimensionality", config.get("output_dimensionality"))
        kind = config.get("taskType") or config.get("task_type") or ""
        known = {"content", "model", "taskType", "task_type", "outputDimensionality", "output_dimensionality"}
        lost = dict.fromkeys(name for one in asked for name, value in one.items() if name not in known and value)
        return Inputs(
            texts=tuple(_content(one.get("content")) for one in asked),
            dimensions=dimensions if type(dimensions) is int else None,
            purpose=self._purposes.get(kind, ""),
            losses=tuple(lost),
        )

    def write(self, prompt: Inputs, *, model: str, quirks: Quirks) -> Written:
        words = {purpose: word for word, purpose in self._purposes.items()}
        more: dict[str, Any] = {"taskType": words[prompt.purpose]} if prompt.purpose else {}
        if prompt.dimensions is not None:
            more["outputDimensionality"] = prompt.dimensions
        asked = [{"model": f"models/{model}", "content": {"parts": [{"text": t}]}, **more} for t in prompt.texts]
        lost = {"token ids": bool(prompt.tokens), "truncate": prompt.truncate is not None}
        return Written(_encode({"requests": asked}), tuple(name for name, said in lost.items() if said))

    def used(self, value: dict[str, Any]) -> Usage | None:
        return counted(members(value.get("usageMetadata")).get("promptTokenCount"))

    def said(self, value: dict[str, Any]) -> Result:
        rows = items(value["embedding"] if "embedding" in value else value["embeddings"])
        return Vectors(tuple(floats(members(one).get("values")) for one in rows))

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Vectors)
        if "requests" in request.fields:
            return {"embeddings": [{"values": vector} for vector in result.values]}
        return {"embedding": {"values": result.values[0] if result.values else ()}}

    def encode_error(self, error: FreeholdError) -> bytes:
        status = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
        word = status.get(error.status, "RESOURCE_EXHAUSTED" if error.status == 429 else "INTERNAL")
        return _encode({"error": {"code": error.status, "message": error.message, "status": word}})


def _content(content: object) -> str:
    """The text of a content: its parts put together."""
    return "".join(str(members(part).get("text") or "") for part in items(members(content).get("parts")))


OPENAI_EMBEDDINGS = OpenAIEmbeddings()
COHERE_EMBED = CohereEmbed()
OLLAMA_EMBED = OllamaEmbed()
GEMINI_EMBED = GeminiEmbed()
