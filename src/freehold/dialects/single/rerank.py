"""Rankings, in the dialects of Cohere (Jina and most servers follow it) and Voyage, and OpenAI's moderations.

docs.cohere.com/reference/rerank, docs.voyageai.com/reference/reranker-api,
platform.openai.com/docs/api-reference/moderations.
"""

from typing import Any

import msgspec

from freehold.core.errors import InvalidRequest
from freehold.core.request import Request
from freehold.core.retrieval import Ranked, Ranking
from freehold.core.usage import Usage
from freehold.dialects.dialect import Written
from freehold.dialects.openai_chat.loose import items, members, number
from freehold.dialects.quirks import Quirks
from freehold.dialects.single.base import Result, Single, counted, left

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode
MOST_DOCUMENTS = 10_000


class Rerank(Single):
    """Cohere's, which Jina, vLLM and others take too; a document is text or an object with a `text`."""

    name = "rerank"
    at = "/rerank"
    payload = ("query", "documents")
    answers = ("results", "data")
    counts = ("usage", "meta")
    top = "top_n"
    _known = frozenset({"model", "query", "documents", "top_n", "top_k", "return_documents"})

    def check(self, request: Request) -> None:
        self.read(request)

    def read(self, request: Request) -> Ranking:
        value: dict[str, Any] = _any(_encode(request.fields))
        query, documents = value.get("query"), value.get("documents")
        if not isinstance(query, str):
            raise InvalidRequest("query: expected text", param="query")
        if isinstance(documents, str | dict) or not 1 <= len(items(documents)) <= MOST_DOCUMENTS:
            raise InvalidRequest(f"documents: expected a list of 1 to {MOST_DOCUMENTS}", param="documents")
        return Ranking(
            query=query,
            documents=tuple(_document(one) for one in items(documents)),
            top=number(value.get("top_n", value.get("top_k"))),
            losses=left(request, self._known),
        )

    def write(self, prompt: Ranking, *, model: str, quirks: Quirks) -> Written:
        body: dict[str, Any] = {"model": model, "query": prompt.query, "documents": prompt.documents}
        if prompt.top is not None:
            body[self.top] = prompt.top
        return Written(_encode(body))

    def used(self, value: dict[str, Any]) -> Usage | None:
        used = counted(members(value.get("usage")).get("total_tokens"))
        billed = number(members(members(value.get("meta")).get("billed_units")).get("search_units"))
        return Usage(searches=billed) if used is None and billed is not None else used

    def said(self, value: dict[str, Any]) -> Result:
        rows = [members(row) for row in items(value["results"] if "results" in value else value["data"])]
        return Ranked(tuple((int(row["index"]), float(row["relevance_score"])) for row in rows))

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Ranked)
        rows = self._rows(result, request)
        meta: dict[str, Any] = {"api_version": {"version": "2"}}
        return {"id": id, "results": rows, "meta": meta} | _used(usage)

    @staticmethod
    def _rows(result: Ranked, request: Request) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"index": index, "relevance_score": score} for index, score in result.rows]
        if "return_documents" in request.fields and bytes(request.fields["return_documents"]) == b"true":
            documents = [_document(one) for one in items(_any(request.fields["documents"]))]
            for row in rows:
                row["document"] = {"text": documents[row["index"]]}
        return rows


class VoyageRerank(Rerank):
    """Voyage's: `top_k`, and its answer is a list under `data`."""

    name = "voyage-rerank"
    top = "top_k"

    def written(self, result: Result, usage: Usage | None, *, request: Request, id: str) -> dict[str, Any]:
        assert isinstance(result, Ranked)
        return {"object": "list", "data": self._rows(result, request), "model": request.model} | _used(usage)


def _used(usage: Usage | None) -> dict[str, Any]:
    return {} if usage is None or not usage.input_tokens else {"usage": {"total_tokens": usage.input_tokens}}


def _document(given: object) -> str:
    return given if isinstance(given, str) else str(members(given).get("text") or _encode(given).decode())


class Moderations(Single):
    """OpenAI's moderations, which others have in the same shape or not at all."""

    name = "openai-moderations"
    at = "/moderations"
    payload = ("input",)
    answers = ("results",)
    counts = ("usage",)

    def model(self, value: dict[str, Any], target: str) -> str:
        return value["model"] if isinstance(value.get("model"), str) and value["model"] else "omni-moderation-latest"

    def check(self, request: Request) -> None:
        if "input" not in request.fields:
            raise InvalidRequest("input: is missing; give text, or a list of texts and images", param="input")

    def used(self, value: dict[str, Any]) -> Usage | None:
        return counted(members(value.get("usage")).get("prompt_tokens")) or Usage()


RERANK = Rerank()
VOYAGE_RERANK = VoyageRerank()
MODERATIONS = Moderations()
