"""What Gemini's clients find beside answers: models and counts; and Vertex, which is called with tokens."""

import json
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway_world import chat, get, house, post
from scripted_upstream import (
    KEEP,
    Upstream,
    always,
    sized,
)
from test_gemini_http import ANSWER, HI, WHOLE, gemini_house

# models and counts


def test_models_are_listed_page_by_page_with_the_limits_that_hold(tmp_path: Path) -> None:
    with Upstream(always()) as up, gemini_house(tmp_path, up) as home:
        first = home.ask(get("/v1beta/models?pageSize=2")).json
        second = home.ask(get(f"/v1beta/models?pageSize=50&pageToken={first['nextPageToken']}")).json
        one = home.ask(get("/v1beta/models/d0")).json

        shared = home.ask(get("/v1/models", "x-goog-api-client: google-genai-sdk/3.6")).json
        others = home.ask(get("/v1/models")).json

    names = [m["name"] for m in (*first["models"], *second["models"])]
    assert [m["name"] for m in shared["models"]] == names
    assert [f"models/{m['id']}" for m in others["data"]] == names
    assert len(first["models"]) == 2
    assert "nextPageToken" not in second
    assert {"models/r", "models/auto", "models/d0", "models/gemini-3-flash"} <= set(names)
    assert (one["inputTokenLimit"], one["outputTokenLimit"]) == (1_000_000, 65_536)
    assert "generateContent" in one["supportedGenerationMethods"]


def test_tokens_are_counted_by_gemini_where_it_serves_and_estimated_elsewhere(tmp_path: Path) -> None:
    whole = {"contents": HI, "systemInstruction": {"parts": [{"text": "x"}]}}
    with Upstream(always(sized(b'{"totalTokens": 31}'), KEEP)) as up, gemini_house(tmp_path, up) as home:
        plain = home.ask(post({"contents": HI}, path="/v1beta/models/r:countTokens"))
        rich = home.ask(post({"generateContentRequest": whole}, path="/v1/models/r:countTokens"))
    other = tmp_path / "other"
    other.mkdir()
    with house(other) as home:
        estimated = home.ask(post({"contents": HI}, path="/v1beta/models/auto:countTokens"))

    assert (plain.json["totalTokens"], rich.json["totalTokens"]) == (31, 31)
    assert json.loads(up.asked[0]) == {"contents": HI}
    assert json.loads(up.asked[1]) == {"generateContentRequest": {"model": "models/gemini-3-flash", **whole}}
    assert up.heads[0].startswith(b"POST /v1beta/models/gemini-3-flash:countTokens HTTP/1.1")
    assert estimated.json["totalTokens"] > 0
    assert estimated.headers["x-freehold-estimated"] == "true"


# Vertex


def test_vertex_is_called_with_the_token_of_a_service_account_that_is_asked_for_once(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    granted = sized(b'{"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}')
    answer = sized(json.dumps(ANSWER).encode())
    with Upstream(always(granted, KEEP)) as tokens, Upstream(always(answer, KEEP)) as up:
        account = tmp_path / "account.json"
        account.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": "bot@p.iam.gserviceaccount.com",
                    "private_key_id": "kid",
                    "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
                    "token_uri": f"http://127.0.0.1:{tokens.port}/token",
                },
                indent=2,
            )
        )
        settings = f"""
[providers.vertex]
base_url = "http://127.0.0.1:{up.port}/v1/projects/p/locations/l/endpoints/openapi"
api_key = "file:{account}"
[deployments.d0]
provider = "vertex"
model = "gemini-3-flash"
[routes.r]
deployments = ["d0"]
"""
        with house(tmp_path, settings) as home:
            answers = [home.ask(post({"contents": HI}, path=WHOLE)), home.ask(post(chat("r")))]

    assert [a.status for a in answers] == [200, 200]
    assert answers[1].json["choices"][0]["message"]["content"] == "good"
    assert len(tokens.asked) == 1
    form = parse_qs(tokens.asked[0].decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    for head in up.heads:
        line = b"POST /v1/projects/p/locations/l/publishers/google/models/gemini-3-flash:generateContent HTTP/1.1"
        assert head.startswith(line)
        assert b"authorization: bearer ya29.token" in head.lower()
