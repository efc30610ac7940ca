"""Where and how those providers are called in Anthropic's Messages that speak them."""

import pytest

from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.gateway.world import Account
from freehold.providers.known import KNOWN
from freehold.providers.provider import Tongue
from freehold.providers.simulated.upstream import Simulated
from freehold.settings.tables import SimulatedSettings

MESSAGES = "anthropic-messages"
URLS = {
    "anthropic": "https://api.anthropic.com/v1/messages",
    "deepseek": "https://api.deepseek.com/anthropic/v1/messages",
    "moonshot": "https://api.moonshot.ai/anthropic/v1/messages",
    "zai": "https://api.z.ai/api/anthropic/v1/messages",
    "minimax": "https://api.minimax.io/anthropic/v1/messages",
    "dashscope": "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1/messages",
    "fireworks": "https://api.fireworks.ai/inference/v1/messages",
    "openrouter": "https://openrouter.ai/api/v1/messages",
    "vercel-gateway": "https://ai-gateway.vercel.sh/v1/messages",
    "vllm": "http://127.0.0.1:8000/v1/messages",
    "sglang": "http://127.0.0.1:30000/v1/messages",
    "llama-cpp": "http://127.0.0.1:8080/v1/messages",
    "ollama": "http://127.0.0.1:11434/v1/messages",
    "lmstudio": "http://127.0.0.1:1234/v1/messages",
}


def tongue(id: str) -> Tongue:
    return next(t for t in KNOWN[id].tongues if t.dialect == MESSAGES)


def test_every_provider_that_speaks_messages_is_called_in_them_where_it_says() -> None:
    assert {id for id, row in KNOWN.items() if MESSAGES in row.dialects} == URLS.keys()
    for id, url in URLS.items():
        spoken = tongue(id)
        path = ANTHROPIC_MESSAGES.path(spoken.path, model="m", stream=True)
        assert spoken.base_url(KNOWN[id].base_url) + path == url
        assert spoken.headers["anthropic-version"] == "2023-06-01"


def test_anthropic_is_called_in_nothing_else_and_reads_all_betas_and_its_billing_block() -> None:
    row = KNOWN["anthropic"]
    assert (row.native, row.auth, row.dialects) == (MESSAGES, "x-api-key", (MESSAGES,))
    assert row.unreachable is None
    assert tongue("anthropic").quirks == Quirks(claude_code=True)
    assert {"json_schema", "file", "image", "tools"}.isdisjoint(row.lacks)
    assert row.lacks == {"json_object", "audio", "logprobs", "n"}


@pytest.mark.parametrize("id", sorted(URLS.keys() - {"anthropic"}))
def test_no_other_gets_the_billing_block_or_betas_of_services_at_anthropic(id: str) -> None:
    quirks = tongue(id).quirks
    assert not quirks.claude_code
    betas = quirks.header_values["anthropic-beta"]
    assert "interleaved-thinking-2025-05-14" in betas
    assert not any(beta.startswith(("files-api", "mcp-client", "code-execution", "skills")) for beta in betas)


def test_a_cloud_that_has_claude_beside_other_models_calls_each_in_its_own_way() -> None:
    vertex = next(t for t in KNOWN["vertex"].tongues if t.models)
    base = vertex.base_url("https://r-aiplatform.googleapis.com/v1/projects/p/locations/r/endpoints/openapi")
    path = ANTHROPIC_MESSAGES.path(vertex.path, model="claude-x@2", stream=True)
    assert base + path == (
        "https://r-aiplatform.googleapis.com/v1/projects/p/locations/r/publishers/anthropic/models/claude-x@2:streamRawPredict"
    )

    upstream = Simulated(SimulatedSettings(name="s"))

    def account(dialect: object, **more: object) -> Account:
        return Account(
            provider="vertex",
            upstream=upstream,
            path="",
            headers=(),
            dialect=dialect,
            quirks=Quirks(),
            **more,  # type: ignore[arg-type]
        )

    claude = account(ANTHROPIC_MESSAGES, models=vertex.models)
    cloud = account(OPENAI_CHAT, others={MESSAGES: claude})
    assert [cloud.speaking(d, "claude-x@2") for d in (MESSAGES, "openai-chat")] == [claude, claude]
    assert [cloud.speaking(d, "gemini-3") for d in (MESSAGES, "openai-chat")] == [cloud, cloud]
