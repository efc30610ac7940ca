"""Known providers, each a row of data.

Addresses, authentication and dialects are from the providers' API references as of 2026-11.
"""

from collections.abc import Mapping

from freehold.dialects.quirks import Quirks
from freehold.providers.provider import SPOKEN, Provider, Tongue


def _rows(*rows: Provider) -> dict[str, Provider]:
    return {row.id: row for row in rows}


_RESPONSES = (SPOKEN, "openai-responses")
_THREE = (SPOKEN, "openai-responses", "anthropic-messages")
_OLD_LIMIT = Quirks(max_tokens="max_tokens")
"""Its reference names `max_tokens` only."""
_THINKS = Quirks(max_tokens="max_tokens", reasoning_back="reasoning_content")
"""The same, and it wants its reasoning again between calls of tools."""

BETAS = (
    "claude-code-20250219",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "extended-cache-ttl-2025-04-11",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "prompt-caching-2024-07-31",
    "structured-outputs-2025-11-13",
    "token-efficient-tools-2025-02-19",
)
"""Of what a caller asks Anthropic to try, what means something to others that speak its dialect. The rest names tools
and services that run at Anthropic."""
_VERSION = {"anthropic-version": "2023-06-01"}
_ELSEWHERE = Quirks(header_values={"anthropic-beta": BETAS})


def _messages(*tail: str) -> Tongue:
    """Anthropic's Messages at a provider that speaks them too; `tail` as in `Tongue`."""
    old, new = tail or ("", "")
    return Tongue(dialect="anthropic-messages", tail=(old, new), headers=_VERSION, quirks=_ELSEWHERE)


def _responses(*tail: str, quirks: Quirks | None = None) -> Tongue:
    """OpenAI's Responses at a provider that speaks them too; `tail` as in `Tongue`."""
    old, new = tail or ("", "")
    return Tongue(dialect="openai-responses", tail=(old, new), quirks=quirks or Quirks())


KNOWN: Mapping[str, Provider] = _rows(
    Provider(
        id="openai",
        name="OpenAI",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        dialects=(*_RESPONSES, "openai-completions", "embeddings"),
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="azure-openai",
        name="Azure OpenAI",
        base_url="https://{resource}.openai.azure.com/openai/v1",
        auth="api-key",
        key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        url_env=("AZURE_OPENAI_ENDPOINT",),
        url_tail="/openai/v1",
        values={"resource": ("AZURE_RESOURCE_NAME",)},
        dialects=_RESPONSES,
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="azure-ai",
        name="Azure AI Foundry",
        base_url="https://{resource}.services.ai.azure.com/openai/v1",
        auth="api-key",
        key_env=("AZURE_AI_API_KEY", "AZURE_COGNITIVE_SERVICES_API_KEY"),
        url_env=("AZURE_AI_ENDPOINT",),
        url_tail="/openai/v1",
        values={"resource": ("AZURE_COGNITIVE_SERVICES_RESOURCE_NAME",)},
        dialects=_RESPONSES,
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="anthropic",
        name="Anthropic",
        base_url="https://api.anthropic.com/v1",
        auth="x-api-key",
        key_env=("ANTHROPIC_API_KEY",),
        dialects=("anthropic-messages",),
        jurisdiction="US",
        lacks=frozenset({"json_object", "audio", "logprobs", "n"}),
        native="anthropic-messages",
        tongues=(Tongue(dialect="anthropic-messages", headers=_VERSION, quirks=Quirks(claude_code=True)),),
    ),
    Provider(
        id="vertex",
        name="Google Vertex AI",
        base_url="https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
        auth="google",
        key_env=("GOOGLE_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"),
        values={"region": ("GOOGLE_VERTEX_LOCATION",), "project": ("GOOGLE_VERTEX_PROJECT",)},
        dialects=("gemini-generate", "vertex-anthropic", SPOKEN),
        jurisdiction="US",
        tongues=(
            Tongue(
                dialect="anthropic-messages",
                tail=("/endpoints/openapi", "/publishers/anthropic"),
                path="/models/{model}:{call}",
                quirks=Quirks(anthropic_version="vertex-2023-10-16", header_values={"anthropic-beta": BETAS}),
                models=("claude-",),
            ),
            Tongue(
                dialect="gemini-generate",
                tail=("/endpoints/openapi", ""),
                path="/publishers/google/models/{model}:{call}",
                models=("gemini-",),
            ),
        ),
    ),
    Provider(
        id="gemini",
        name="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        dialects=("gemini-generate", "gemini-interactions", SPOKEN),
        jurisdiction="US",
        native="gemini-generate",
        tongues=(Tongue(dialect="gemini-generate", tail=("/openai", ""), auth="x-goog-api-key"),),
    ),
    Provider(
        id="bedrock",
        name="Amazon Bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        key_env=("AWS_ACCESS_KEY_ID",),
        values={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
        dialects=("bedrock-converse", "bedrock-invoke"),
        jurisdiction="US",
    ),
    Provider(
        id="bedrock-mantle",
        name="Amazon Bedrock (OpenAI endpoint)",
        base_url="https://bedrock-mantle.{region}.api.aws/v1",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        values={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
        dialects=_RESPONSES,
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="mistral",
        name="Mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        dialects=(SPOKEN, "embeddings"),
        jurisdiction="FR",
        quirks=Quirks(stream_usage=False, max_tokens="max_tokens"),
    ),
    Provider(
        id="cohere",
        name="Cohere",
        base_url="https://api.cohere.com/compatibility/v1",
        key_env=("COHERE_API_KEY", "CO_API_KEY"),
        dialects=("cohere-v2", "cohere-v1", "rerank", "embeddings", SPOKEN),
        jurisdiction="CA",
        quirks=_OLD_LIMIT,
        tongues=(
            Tongue(dialect="cohere-embed", tail=("/compatibility/v1", "/v2")),
            Tongue(dialect="rerank", tail=("/compatibility/v1", "/v2")),
        ),
    ),
    Provider(
        id="deepseek",
        name="DeepSeek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        dialects=_THREE,
        jurisdiction="CN",
        quirks=_THINKS,
        tongues=(
            _responses(quirks=Quirks(reasoning_back="content")),
            _messages("", "/anthropic/v1"),
        ),
    ),
    Provider(
        id="moonshot",
        name="Moonshot AI",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        dialects=(SPOKEN, "anthropic-messages"),
        quirks=Quirks(reasoning_back="reasoning_content"),
        tongues=(_messages("/v1", "/anthropic/v1"),),
    ),
    Provider(
        id="zai",
        name="Z.ai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        dialects=(SPOKEN, "anthropic-messages"),
        quirks=_THINKS,
        tongues=(_messages("/paas/v4", "/anthropic/v1"),),
    ),
    Provider(
        id="minimax",
        name="MiniMax",
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        dialects=(SPOKEN, "anthropic-messages"),
        lacks=frozenset({"n"}),
        tongues=(_messages("/v1", "/anthropic/v1"),),
    ),
    Provider(
        id="dashscope",
        name="Alibaba Cloud Model Studio",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        dialects=(*_THREE, "dashscope"),
        tongues=(
            _responses("/compatible-mode/v1", "/api/v2/apps/protocols/compatible-mode/v1"),
            _messages("/compatible-mode/v1", "/apps/anthropic/v1"),
        ),
    ),
    Provider(
        id="groq",
        name="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        dialects=_RESPONSES,
        jurisdiction="US",
        lacks=frozenset({"logprobs", "n"}),
        tongues=(_responses(),),
    ),
    Provider(
        id="together",
        name="Together AI",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY",),
        dialects=(SPOKEN, "openai-completions"),
        jurisdiction="US",
        quirks=_OLD_LIMIT,
    ),
    Provider(
        id="fireworks",
        name="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        dialects=_THREE,
        jurisdiction="US",
        tongues=(
            _responses(),
            _messages(),
        ),
    ),
    Provider(
        id="openrouter",
        name="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        dialects=_THREE,
        jurisdiction="US",
        quirks=Quirks(reasoning="inside", reasoning_back="reasoning", cache_control=True),
        tongues=(
            _responses(quirks=Quirks(reasoning="inside")),
            _messages(),
        ),
    ),
    Provider(
        id="huggingface-router",
        name="Hugging Face Inference Providers",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        dialects=_RESPONSES,
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="perplexity",
        name="Perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        jurisdiction="US",
        quirks=Quirks(stream_usage=False, max_tokens="max_tokens"),
    ),
    Provider(
        id="xai",
        name="xAI",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        dialects=_RESPONSES,
        jurisdiction="US",
        tongues=(_responses(),),
    ),
    Provider(
        id="cerebras",
        name="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        jurisdiction="US",
    ),
    Provider(
        id="snowflake",
        name="Snowflake Cortex",
        base_url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
        key_env=("SNOWFLAKE_CORTEX_PAT",),
        values={"account": ("SNOWFLAKE_ACCOUNT",)},
        headers={"x-snowflake-authorization-token-type": "PROGRAMMATIC_ACCESS_TOKEN"},
        jurisdiction="US",
    ),
    Provider(
        id="watsonx",
        name="IBM watsonx.ai",
        base_url="https://{region}.ml.cloud.ibm.com/ml/v1",
        key_env=("WATSONX_API_KEY", "WATSONX_APIKEY"),
        values={"region": ("WATSONX_REGION",)},
        dialects=(SPOKEN, "watsonx-chat"),
        jurisdiction="US",
        needs="an IAM token exchange",
    ),
    Provider(
        id="vercel-gateway",
        name="Vercel AI Gateway",
        base_url="https://ai-gateway.vercel.sh/v1",
        key_env=("AI_GATEWAY_API_KEY",),
        dialects=_THREE,
        jurisdiction="US",
        quirks=Quirks(reasoning="outside"),
        tongues=(
            _responses(quirks=Quirks(reasoning="outside")),
            _messages(),
        ),
    ),
    Provider(
        id="vllm",
        name="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        auth="optional-bearer",
        port=8000,
        dialects=(*_THREE, "openai-completions", "embeddings", "rerank", "score"),
        tongues=(
            _responses(),
            _messages(),
        ),
    ),
    Provider(
        id="sglang",
        name="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        auth="optional-bearer",
        port=30000,
        dialects=(SPOKEN, "anthropic-messages", "sglang-generate"),
        tongues=(_messages(),),
    ),
    Provider(
        id="llama-cpp",
        name="llama.cpp",
        base_url="http://127.0.0.1:8080/v1",
        auth="optional-bearer",
        port=8080,
        dialects=(*_THREE, "llama-cpp-completion"),
        tongues=(
            _responses(),
            _messages(),
        ),
    ),
    Provider(
        id="ollama",
        name="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        auth="optional-bearer",
        port=11434,
        dialects=(*_THREE, "ollama-chat", "ollama-generate"),
        quirks=_OLD_LIMIT,
        tongues=(
            _responses(),
            _messages(),
            Tongue(dialect="ollama-chat", tail=("/v1", "")),
            Tongue(dialect="ollama-generate", tail=("/v1", "")),
            Tongue(dialect="ollama-embed", tail=("/v1", "")),
            Tongue(dialect="openai-embeddings"),
        ),
    ),
    Provider(
        id="lmstudio",
        name="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        auth="optional-bearer",
        port=1234,
        dialects=(*_THREE, "lmstudio-v1"),
        tongues=(
            _responses(),
            _messages(),
        ),
    ),
    Provider(id="gpustack", name="GPUStack", base_url="", key_env=("GPUSTACK_API_KEY",)),
    Provider(
        id="tgi",
        name="Text Generation Inference",
        base_url="http://127.0.0.1:8080/v1",
        auth="optional-bearer",
        dialects=(SPOKEN, "tgi-generate"),
    ),
    Provider(
        id="openai-compatible",
        name="OpenAI-compatible server",
        base_url="",
        auth="optional-bearer",
    ),
)
