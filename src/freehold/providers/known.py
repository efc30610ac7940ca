"""Known providers: where they are, how they want the key, what they speak. Each is a row of data.

Addresses, authentication and dialects are from the providers' API references as of 2026-11.
"""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Literal

from msgspec import Struct

from freehold.core.request import Need
from freehold.core.secret import Secret

Auth = Literal["bearer", "optional-bearer", "api-key", "x-api-key", "x-goog-api-key", "none"]
"""How the key is sent: as `Authorization: Bearer`, or as the header of that name."""

SPOKEN = "openai-chat"
"""The dialect in which providers are called."""


class Provider(Struct, frozen=True, kw_only=True):
    """A known provider. `base_url` may hold {placeholders}, filled from settings or the variables in `values`; it is
    empty where every installation has its own.

    `key_env` are the variables tried for the key, in that order; `url_env` those that hold the address (without
    `url_tail`). `dialects` are what the service speaks; only those with `openai-chat` can be called yet. `port` is
    where an engine listens on its own machine. `jurisdiction` is the operator's, as ISO 3166, where it is certain.
    `lacks` is what its `openai-chat` endpoint cannot do, whatever the model can. `needs` is what beyond the dialect is
    missing to call it.
    """

    id: str
    name: str
    base_url: str
    path: str = "/chat/completions"
    auth: Auth = "bearer"
    key_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    url_tail: str = ""
    values: dict[str, tuple[str, ...]] = {}
    dialects: tuple[str, ...] = (SPOKEN,)
    port: int | None = None
    jurisdiction: str | None = None
    lacks: frozenset[Need] = frozenset()
    headers: dict[str, str] = {}
    needs: str = ""

    @property
    def unreachable(self) -> str | None:
        """Why it cannot be called yet, or None."""
        if self.needs:
            return f"not reachable yet: needs {self.needs}"
        if SPOKEN not in self.dialects:
            return f"not reachable yet: speaks {', '.join(self.dialects)}"
        return None


def authorization(auth: Auth, key: Secret | None) -> dict[str, str]:
    """The header that carries the key, name in lower case; none without a key."""
    if key is None or auth == "none":
        return {}
    if auth in ("bearer", "optional-bearer"):
        return {"authorization": f"Bearer {key.reveal()}"}
    return {auth: key.reveal()}


def key(provider: Provider, env: Mapping[str, str]) -> Secret | None:
    """The provider's key from the first of its variables that is set."""
    for name in provider.key_env:
        if value := env.get(name, "").strip():
            return Secret(value, source=f"env:{name}")
    return None


def address(provider: Provider, values: Mapping[str, str], env: Mapping[str, str]) -> str:
    """The provider's base URL with its placeholders filled; ValueError names the first one that nothing fills."""
    for name in provider.url_env:
        if url := env.get(name, "").strip().rstrip("/"):
            return url if url.endswith(provider.url_tail) else url + provider.url_tail
    filled = dict(values)
    for field in placeholders(provider):
        variables = provider.values.get(field, ())
        value = filled.get(field) or next((env[v] for v in variables if env.get(v)), None)
        if value is None:
            ways = " or ".join((f'values = {{ {field} = "..." }}', *variables, *provider.url_env))
            raise ValueError(f"the address of {provider.name} needs its {field}: set {ways}")
        filled[field] = value
    return provider.base_url.format_map(filled)


def placeholders(provider: Provider) -> Iterator[str]:
    return (field for _, field, _, _ in Formatter().parse(provider.base_url) if field)


def _rows(*rows: Provider) -> dict[str, Provider]:
    return {row.id: row for row in rows}


_RESPONSES = (SPOKEN, "openai-responses")
_THREE = (SPOKEN, "openai-responses", "anthropic-messages")

KNOWN: Mapping[str, Provider] = _rows(
    Provider(
        id="openai",
        name="OpenAI",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        dialects=(*_RESPONSES, "openai-completions", "embeddings"),
        jurisdiction="US",
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
    ),
    Provider(
        id="anthropic",
        name="Anthropic",
        base_url="https://api.anthropic.com/v1",
        key_env=("ANTHROPIC_API_KEY",),
        dialects=("anthropic-messages", SPOKEN),
        jurisdiction="US",
        lacks=frozenset({"json_schema", "json_object", "audio", "file", "logprobs", "n"}),
    ),
    Provider(
        id="vertex",
        name="Google Vertex AI",
        base_url="https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
        key_env=("GOOGLE_APPLICATION_CREDENTIALS",),
        values={"region": ("GOOGLE_VERTEX_LOCATION",), "project": ("GOOGLE_VERTEX_PROJECT",)},
        dialects=("gemini-generate", "vertex-anthropic", SPOKEN),
        jurisdiction="US",
        needs="an OAuth2 token from a service account",
    ),
    Provider(
        id="gemini",
        name="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        dialects=("gemini-generate", "gemini-interactions", SPOKEN),
        jurisdiction="US",
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
    ),
    Provider(
        id="mistral",
        name="Mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        dialects=(SPOKEN, "embeddings"),
        jurisdiction="FR",
    ),
    Provider(
        id="cohere",
        name="Cohere",
        base_url="https://api.cohere.com/compatibility/v1",
        key_env=("COHERE_API_KEY", "CO_API_KEY"),
        dialects=("cohere-v2", "cohere-v1", "rerank", "embeddings", SPOKEN),
        jurisdiction="CA",
    ),
    Provider(
        id="deepseek",
        name="DeepSeek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        dialects=_THREE,
        jurisdiction="CN",
    ),
    Provider(
        id="moonshot",
        name="Moonshot AI",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        dialects=(SPOKEN, "anthropic-messages"),
    ),
    Provider(
        id="zai",
        name="Z.ai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        dialects=(SPOKEN, "anthropic-messages"),
    ),
    Provider(
        id="minimax",
        name="MiniMax",
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        dialects=(SPOKEN, "anthropic-messages"),
        lacks=frozenset({"n"}),
    ),
    Provider(
        id="dashscope",
        name="Alibaba Cloud Model Studio",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        dialects=(*_THREE, "dashscope"),
    ),
    Provider(
        id="groq",
        name="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        dialects=_RESPONSES,
        jurisdiction="US",
        lacks=frozenset({"logprobs", "n"}),
    ),
    Provider(
        id="together",
        name="Together AI",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY",),
        dialects=(SPOKEN, "openai-completions"),
        jurisdiction="US",
    ),
    Provider(
        id="fireworks",
        name="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        dialects=_THREE,
        jurisdiction="US",
    ),
    Provider(
        id="openrouter",
        name="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        dialects=_THREE,
        jurisdiction="US",
    ),
    Provider(
        id="huggingface-router",
        name="Hugging Face Inference Providers",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        dialects=_RESPONSES,
        jurisdiction="US",
    ),
    Provider(
        id="perplexity",
        name="Perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        jurisdiction="US",
    ),
    Provider(
        id="xai",
        name="xAI",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        dialects=_RESPONSES,
        jurisdiction="US",
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
    ),
    Provider(
        id="vllm",
        name="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        auth="optional-bearer",
        port=8000,
        dialects=(*_THREE, "openai-completions", "embeddings", "rerank", "score"),
    ),
    Provider(
        id="sglang",
        name="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        auth="optional-bearer",
        port=30000,
        dialects=(SPOKEN, "anthropic-messages", "sglang-generate"),
    ),
    Provider(
        id="llama-cpp",
        name="llama.cpp",
        base_url="http://127.0.0.1:8080/v1",
        auth="optional-bearer",
        port=8080,
        dialects=(*_THREE, "llama-cpp-completion"),
    ),
    Provider(
        id="ollama",
        name="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        auth="optional-bearer",
        port=11434,
        dialects=(*_THREE, "ollama-chat", "ollama-generate"),
    ),
    Provider(
        id="lmstudio",
        name="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        auth="optional-bearer",
        port=1234,
        dialects=(*_THREE, "lmstudio-v1"),
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
