"""Embeddings, rankings and moderations: the same dialect passes as it is, another one says the same."""

import json
from typing import Any

import pytest
from recorded import WIRE, compact, needs_recordings

from freehold.core.errors import Broken, InvalidRequest, ProviderError
from freehold.core.events import Used
from freehold.core.retrieval import Inputs, Ranked, Ranking, Vectors
from freehold.dialects.dialect import Source
from freehold.dialects.quirks import Quirks
from freehold.dialects.single.base import Single
from freehold.dialects.single.embeddings import (
    COHERE_EMBED,
    GEMINI_EMBED,
    OLLAMA_EMBED,
    OPENAI_EMBEDDINGS,
    packed,
    unpacked,
)
from freehold.dialects.single.rerank import MODERATIONS, RERANK, VOYAGE_RERANK

PLAIN = Quirks()
AT = "/v1beta/models/m:embedContent?key=k"
ASKED: dict[Single, dict[str, Any]] = {
    OPENAI_EMBEDDINGS: {"model": "m", "input": ["a", "b"], "dimensions": 2},
    COHERE_EMBED: {"model": "m", "texts": ["a", "b"], "output_dimension": 2, "input_type": "search_query"},
    OLLAMA_EMBED: {"model": "m", "input": ["a", "b"], "dimensions": 2},
    GEMINI_EMBED: {
        "requests": [
            {"model": "models/m", "content": {"parts": [{"text": t}]}, "outputDimensionality": 2} for t in ("a", "b")
        ]
    },
}
ANSWERED: dict[Single, dict[str, Any]] = {
    OPENAI_EMBEDDINGS: {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5, 1.0]}, {"index": 1, "embedding": [2.0, 0.25]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    },
    COHERE_EMBED: {"embeddings": {"float": [[0.5, 1.0], [2.0, 0.25]]}, "meta": {"billed_units": {"input_tokens": 7}}},
    OLLAMA_EMBED: {"model": "m", "embeddings": [[0.5, 1.0], [2.0, 0.25]], "prompt_eval_count": 7},
    GEMINI_EMBED: {
        "embeddings": [{"values": [0.5, 1.0]}, {"values": [2.0, 0.25]}],
        "usageMetadata": {"promptTokenCount": 7},
    },
}
VECTORS = Vectors(((0.5, 1.0), (2.0, 0.25)))
every = pytest.mark.parametrize("dialect", ASKED, ids=lambda d: d.name)


def request(dialect: Single, body: dict[str, Any]) -> Any:
    return dialect.decode_request(json.dumps(body).encode(), AT.replace("embedContent", "batchEmbedContents"))


@every
def test_a_request_of_one_is_read_the_same_from_each_and_written_in_each(dialect: Single) -> None:
    inputs = dialect.read(request(dialect, ASKED[dialect]))
    assert (inputs.texts, inputs.dimensions, inputs.losses) == (("a", "b"), 2, ())

    for other in ASKED:
        body = json.loads(other.write(inputs, model="x", quirks=PLAIN).body)
        again = other.read(request(other, body))
        assert (again.texts, again.dimensions) == (("a", "b"), 2)
        assert "x" in json.dumps(body)


@every
def test_an_answer_of_one_is_given_to_a_caller_of_each(dialect: Single) -> None:
    event = dialect.decode_answer(compact(ANSWERED[dialect]), PLAIN)
    assert event.result is not None
    assert event.result() == VECTORS
    assert [d.usage.input_tokens for d in event.deltas if isinstance(d, Used)] == [7]

    for other, said in ASKED.items():
        asked = request(other, said)
        written = other.encoder(asked, id="1", at=0, source=Source(dialect.name, "acc")).encode(event)
        again = other.decode_answer(written, PLAIN)
        assert again.result is not None
        assert again.result() == VECTORS
        assert dialect.encoder(asked, id="1", at=0).encode(event) == event.raw


@every
def test_a_request_for_the_same_dialect_keeps_every_member(dialect: Single) -> None:
    body = {**ASKED[dialect], "unknown": {"x": [1.50]}}
    sent = json.loads(dialect.encode_request(request(dialect, body), model="other", quirks=PLAIN))
    if dialect is GEMINI_EMBED:
        assert [one["model"] for one in sent["requests"]] == ["models/other"] * 2
    else:
        assert sent == {**body, "model": "other"}


def test_a_caller_of_openai_may_want_its_vectors_packed() -> None:
    event = COHERE_EMBED.decode_answer(compact(ANSWERED[COHERE_EMBED]), PLAIN)
    asked = request(OPENAI_EMBEDDINGS, {"model": "m", "input": "a", "encoding_format": "base64"})
    body = OPENAI_EMBEDDINGS.encoder(asked, id="1", at=0, source=Source("cohere-embed", "acc")).encode(event)
    assert unpacked(json.loads(body)["data"][0]["embedding"]) == (0.5, 1.0)
    assert unpacked(packed((0.5, -1.0))) == (0.5, -1.0)


def test_purposes_are_carried_and_what_has_no_counterpart_is_named() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "title": "t"}
    inputs = GEMINI_EMBED.read(GEMINI_EMBED.decode_request(json.dumps(one).encode(), AT))
    assert inputs == Inputs(texts=("a",), purpose="query", losses=("title",))
    assert json.loads(COHERE_EMBED.write(inputs, model="m", quirks=PLAIN).body)["input_type"] == "search_query"
    assert OPENAI_EMBEDDINGS.write(inputs, model="m", quirks=PLAIN).losses == ("purpose",)
    tokens = OPENAI_EMBEDDINGS.read(request(OPENAI_EMBEDDINGS, {"model": "m", "input": [[1, 2], [3]]}))
    assert tokens.tokens == ((1, 2), (3,))
    assert [d.write(tokens, model="m", quirks=PLAIN).losses for d in (COHERE_EMBED, OLLAMA_EMBED, GEMINI_EMBED)] == [
        ("token ids",)
    ] * 3


@pytest.mark.parametrize("given", [None, [], {}, 5, [1, "a"], [[1], "a"], [["a"]], [True]])
def test_inputs_that_are_none_are_refused_by_name(given: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request(OPENAI_EMBEDDINGS, {"model": "m", "input": given})
    assert refused.value.param == "input"


@pytest.mark.parametrize("dialect", [*ASKED, RERANK, MODERATIONS], ids=lambda d: d.name)
def test_an_answer_that_is_none_is_an_error_of_the_provider(dialect: Single) -> None:
    for body in (b"", b"[]", b"{}", b"nonsense", b'{"error":{"message":"no","code":500}}'):
        with pytest.raises(ProviderError):
            dialect.decode_answer(body, PLAIN)
    event = dialect.decode_answer(compact({name: "?" for name in dialect.answers}), PLAIN)
    assert event.content
    if dialect is not MODERATIONS:
        asked = {**ASKED, RERANK: {"model": "m", "query": "q", "documents": ["d"]}}[dialect]
        with pytest.raises(Broken):
            dialect.encoder(request(dialect, asked), id="1", at=0, source=Source("x", "acc")).encode(event)


RANKING: dict[str, Any] = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}


def test_rankings_are_carried_between_their_two_shapes() -> None:
    ranking = RERANK.read(request(RERANK, {**RANKING, "max_tokens_per_doc": 5}))
    assert ranking == Ranking(query="q", documents=("a", "b"), top=1, losses=("max_tokens_per_doc",))
    assert json.loads(VOYAGE_RERANK.write(ranking, model="v", quirks=PLAIN).body) == {
        "model": "v", "query": "q", "documents": ["a", "b"], "top_k": 1,
    }  # fmt: skip
    answer = {"object": "list", "data": [{"relevance_score": 0.7, "index": 1}], "usage": {"total_tokens": 9}}
    event = VOYAGE_RERANK.decode_answer(compact(answer), PLAIN)
    assert event.result is not None
    assert event.result() == Ranked(((1, 0.7),))
    asked = request(RERANK, {**RANKING, "return_documents": True})
    body = json.loads(RERANK.encoder(asked, id="1", at=0, source=Source("voyage-rerank", "acc")).encode(event))
    assert body["results"] == [{"index": 1, "relevance_score": 0.7, "document": {"text": "b"}}]
    wrongs: list[dict[str, Any]] = [{"documents": []}, {"documents": "a"}, {"query": 5}]
    for wrong in wrongs:
        with pytest.raises(InvalidRequest):
            request(RERANK, {**RANKING, **wrong})


def test_moderations_pass_as_they_are_and_know_a_model_where_none_is_named() -> None:
    asked = request(MODERATIONS, {"input": "x"})
    assert asked.model == "omni-moderation-latest"
    answer = {"id": "m", "results": [{"flagged": False}]}
    event = MODERATIONS.decode_answer(compact(answer), PLAIN)
    assert json.loads(MODERATIONS.encoder(asked, id="1", at=0).encode(event)) == answer
    with pytest.raises(InvalidRequest):
        request(MODERATIONS, {"model": "m"})


def recorded() -> list[dict[str, Any]]:
    rows = [json.loads(line) for file in sorted(WIRE.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [row for row in rows if row["wire"] in ("embeddings", "rerank", "moderations") and row["request"]]


def spoken(row: dict[str, Any]) -> Single:
    if row["wire"] == "moderations":
        return MODERATIONS
    if row["wire"] == "rerank":
        return VOYAGE_RERANK if row["provider"] == "voyage" else RERANK
    own: dict[str, Single] = {"cohere": COHERE_EMBED, "gemini": GEMINI_EMBED, "vertex": GEMINI_EMBED}
    return own.get(row["provider"], OPENAI_EMBEDDINGS)


@needs_recordings
@pytest.mark.parametrize("row", recorded(), ids=lambda r: f"{r['provider']}-{r['id']}")
def test_a_recorded_exchange_passes_whole_and_is_counted(row: dict[str, Any]) -> None:
    dialect, body, answer = spoken(row), row["request"]["body"], row["response"]["body"]
    asked = dialect.decode_request(compact(body), row["request"]["url"])
    if row["provider"] not in ("gemini", "vertex"):
        assert json.loads(dialect.encode_request(asked, model=body.get("model", "m"), quirks=PLAIN)) == body
    if row["response"]["status"] != 200:
        error = dialect.decode_error(row["response"]["status"], {}, compact(answer), provider="p")
        assert error.message
        return
    event = dialect.decode_answer(compact(answer), PLAIN)
    assert json.loads(dialect.encoder(asked, id="1", at=0).encode(event)) == answer
    usage = next((d.usage for d in event.deltas if isinstance(d, Used)), None)
    said: dict[str, Any] = dict(answer.get("usage") or ())
    if told := said.get("prompt_tokens") or said.get("total_tokens"):
        assert usage is not None
        assert usage.input_tokens == told
