"""The known providers: complete, callable, and honest about what is not."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from freehold.core.secret import Secret
from freehold.providers.known import KNOWN
from freehold.providers.provider import Auth, address, authorization, key

DATA = Path(__file__).parents[3] / "shared" / "data" / "catalog" / "providers.json"


@pytest.mark.skipif(not DATA.exists(), reason="the shared catalog data is not here")
def test_every_provider_of_the_shared_catalog_is_known_with_its_host_and_dialect() -> None:
    listed = {row["id"]: row for row in json.loads(DATA.read_text())["providers"]}

    assert listed.keys() == KNOWN.keys() - {"openai-compatible"}
    for id, row in listed.items():
        speaks_chat = any(wire.startswith("openai-chat") for wire in row["wires"])
        assert ("openai-chat" in KNOWN[id].dialects) == speaks_chat, id
        if "HOST" not in row["base"] and row["base"].startswith("https"):
            ours = urlsplit(KNOWN[id].base_url).hostname or ""
            host = urlsplit(row["base"].split(" ")[0]).hostname or ""
            assert ours.replace("{", "").replace("}", "") == host, id


def test_only_providers_without_the_spoken_dialect_or_a_key_to_send_are_unreachable() -> None:
    assert {id: row.unreachable for id, row in KNOWN.items() if row.unreachable} == {
        "watsonx": "not reachable yet: needs an IAM token exchange",
    }


def test_no_variable_names_the_key_of_two_providers_but_that_of_bedrock_at_its_two_addresses() -> None:
    names = [name for row in KNOWN.values() for name in row.key_env]
    names.remove("AWS_BEARER_TOKEN_BEDROCK")
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", {"authorization": "Bearer k"}),
        ("optional-bearer", {"authorization": "Bearer k"}),
        ("api-key", {"api-key": "k"}),
        ("x-api-key", {"x-api-key": "k"}),
        ("x-goog-api-key", {"x-goog-api-key": "k"}),
        ("none", {}),
    ],
)
def test_the_key_travels_in_the_header_that_the_provider_wants(auth: Auth, header: dict[str, str]) -> None:
    assert authorization(auth, Secret("k", source="env:K")) == header
    assert authorization(auth, None) == {}


def test_the_first_variable_that_is_set_gives_the_key() -> None:
    gemini = KNOWN["gemini"]
    assert key(gemini, {"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": " "}) == Secret("b", source="env:GOOGLE_API_KEY")
    assert key(gemini, {"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": "a"}) == Secret("a", source="env:GEMINI_API_KEY")
    assert key(gemini, {}) is None


def test_an_address_is_filled_from_settings_then_variables_and_names_what_is_missing() -> None:
    azure = KNOWN["azure-openai"]

    assert address(azure, {"resource": "a"}, {"AZURE_RESOURCE_NAME": "b"}) == "https://a.openai.azure.com/openai/v1"
    assert address(azure, {}, {"AZURE_RESOURCE_NAME": "b"}) == "https://b.openai.azure.com/openai/v1"
    with pytest.raises(ValueError, match=r"needs its resource: set .* or AZURE_RESOURCE_NAME or AZURE_OPENAI_ENDPOINT"):
        address(azure, {}, {})


@pytest.mark.parametrize("written", ["https://c.openai.azure.com", "https://c.openai.azure.com/openai/v1/"])
def test_an_endpoint_variable_is_the_address_with_or_without_its_tail(written: str) -> None:
    found = address(KNOWN["azure-openai"], {}, {"AZURE_OPENAI_ENDPOINT": written})
    assert found == "https://c.openai.azure.com/openai/v1"
