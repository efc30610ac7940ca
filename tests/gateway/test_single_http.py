"""Embeddings and rankings through a running gateway: the OpenAI SDK, other callers' shapes, other providers behind."""

import json
from pathlib import Path

import openai
import pytest
from gateway_world import house, post
from openai import OpenAI
from scripted_upstream import Upstream, always, providers, sized

OPENAI = json.dumps({
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
    "model": "m0",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}).encode()  # fmt: skip
COHERE = json.dumps({
    "id": "e", "embeddings": {"float": [[0.5, 1.0]]}, "texts": ["hi"], "meta": {"billed_units": {"input_tokens": 3}},
}).encode()  # fmt: skip
RANKED = json.dumps({"id": "r", "results": [{"index": 1, "relevance_score": 0.9}]}).encode()
COHERES = """
[providers.cohere]
base_url = "http://127.0.0.1:{port}/compatibility/v1"
api_key = "file:{key}"
[deployments.c]
provider = "cohere"
model = "embed-v4.0"
"""


def test_the_openai_sdk_gets_its_vectors_and_the_record_its_tokens(tmp_path: Path) -> None:
    with Upstream(always(sized(OPENAI))) as up, house(tmp_path, providers(up.port)) as home:
        with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
            answer = client.embeddings.create(model="r", input=["hi"], encoding_format="float")
        home.idle()
        (record,) = home.records()

    assert answer.data[0].embedding == [0.5, 1.0]
    assert json.loads(up.asked[0]) == {"model": "m0", "input": ["hi"], "encoding_format": "float"}
    assert (record.outcome, record.dialect, record.deployment) == ("answered", "openai-embeddings", "d0")
    assert record.usage is not None
    assert (record.usage.input_tokens, record.cost) == (3, 3_000)


def test_a_provider_that_embeds_in_another_dialect_is_asked_in_its_own(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("co")
    with Upstream(always(sized(COHERE))) as up, house(tmp_path, COHERES.format(port=up.port, key=key)) as home:
        with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
            answer = client.embeddings.create(model="c", input="hi", dimensions=2)  # packed, as the SDK asks unasked
        gemini = home.ask(post({"content": {"parts": [{"text": "hi"}]}}, path="/v1beta/models/c:embedContent"))
        ollama = home.ask(post({"model": "c", "prompt": "hi"}, path="/api/embeddings"))

    assert answer.data[0].embedding == [0.5, 1.0]
    assert json.loads(up.asked[0]) == {
        "model": "embed-v4.0", "texts": ["hi"], "input_type": "search_document", "embedding_types": ["float"],
        "output_dimension": 2,
    }  # fmt: skip
    assert gemini.json == {"embedding": {"values": [0.5, 1.0]}}
    assert ollama.json == {"embedding": [0.5, 1.0]}


def test_rankings_come_back_in_the_callers_shape(tmp_path: Path) -> None:
    with Upstream(always(sized(RANKED))) as up, house(tmp_path, providers(up.port)) as home:
        asked = {"model": "r", "query": "q", "documents": ["a", "b"], "top_n": 1}
        answer = home.ask(post(asked, path="/v1/rerank"))

    assert answer.json == json.loads(RANKED)
    assert json.loads(up.asked[0]) == {**asked, "model": "m0"}


def test_a_deployment_that_does_nothing_of_the_kind_is_passed_over_and_named(tmp_path: Path) -> None:
    settings = '[simulated.sim]\n[deployments.s]\nprovider = "sim"\nmodel = "x"\n'
    with (
        house(tmp_path, settings) as home,
        OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client,
        pytest.raises(openai.UnprocessableEntityError) as refused,
    ):
        client.embeddings.create(model="s", input="hi")

    assert refused.value.code == "not_carried"
    assert "it does no embeddings" in refused.value.message
