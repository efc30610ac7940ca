"""Names: the providers of the price sources under our ids, and one name for a model at all its providers."""

import re

LITELLM = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "azure": "azure-openai",
    "azure_text": "azure-openai",
    "azure_ai": "azure-ai",
    "anthropic": "anthropic",
    "vertex_ai": "vertex",
    "vertex_ai-language-models": "vertex",
    "vertex_ai-embedding-models": "vertex",
    "vertex_ai-anthropic_models": "vertex",
    "vertex_ai-mistral_models": "vertex",
    "vertex_ai-llama_models": "vertex",
    "vertex_ai-ai21_models": "vertex",
    "vertex_ai-deepseek_models": "vertex",
    "vertex_ai-qwen_models": "vertex",
    "vertex_ai-zai_models": "vertex",
    "vertex_ai-openai_models": "vertex",
    "vertex_ai-minimax_models": "vertex",
    "vertex_ai-moonshot_models": "vertex",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "bedrock_mantle": "bedrock-mantle",
    "mistral": "mistral",
    "codestral": "mistral",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "moonshot": "moonshot",
    "zai": "zai",
    "minimax": "minimax",
    "dashscope": "dashscope",
    "groq": "groq",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "perplexity": "perplexity",
    "xai": "xai",
    "cerebras": "cerebras",
    "snowflake": "snowflake",
    "watsonx": "watsonx",
    "vercel_ai_gateway": "vercel-gateway",
}
MODELSDEV = {
    "openai": "openai",
    "azure": "azure-openai",
    "azure-cognitive-services": "azure-ai",
    "anthropic": "anthropic",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
    "google": "gemini",
    "amazon-bedrock": "bedrock",
    "mistral": "mistral",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "moonshotai": "moonshot",
    "zai": "zai",
    "minimax": "minimax",
    "alibaba": "dashscope",
    "groq": "groq",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "openrouter": "openrouter",
    "huggingface": "huggingface-router",
    "perplexity": "perplexity",
    "xai": "xai",
    "cerebras": "cerebras",
    "snowflake-cortex": "snowflake",
    "vercel": "vercel-gateway",
}
PREFIXES = (
    *(
        "azure/",
        "azure_ai/",
        "vertex_ai/",
        "gemini/",
        "bedrock/",
        "bedrock_mantle/",
        "mistral/",
        "codestral/",
        "cohere/",
    ),
    *("deepseek/", "moonshot/", "zai/", "minimax/", "dashscope/", "groq/", "together_ai/", "fireworks_ai/"),
    *("perplexity/", "xai/", "cerebras/", "snowflake/", "watsonx/", "vercel_ai_gateway/", "anthropic/"),
)
"""What litellm puts before a provider's own id."""

REGION = re.compile(
    r"^(?:(us|eu|apac|au|jp|ca|global|us-gov|uk|sa|me)\.(?=\w+\.)|((?:us|eu|global)|[a-z]{2}(?:-gov)?-[a-z]+-\d)/)"
)
MAKER = re.compile(
    r"^(?:anthropic|amazon|meta|mistral|cohere|ai21|qwen|deepseek|openai|google|minimax|moonshot|moonshotai|zai|nvidia|writer|twelvelabs"
    r"|stability|databricks)\."
)
TAIL = re.compile(r"(?:-v\d+(?::\d+)?|@[\w-]+|:free|:thinking|:exacto|-maas|-fp8|-nvfp4)$")
DATE = re.compile(r"-(?:20\d{2}-\d\d-\d\d|20\d{6})$")
OLD = {
    "llama-4-scout-17b-16e-instruct": "llama-4-scout",
    "llama4-scout-17b-instruct": "llama-4-scout",
    "llama-4-scout-17b-16e": "llama-4-scout",
    "llama-4-maverick-17b-128e-instruct": "llama-4-maverick",
    "llama4-maverick-17b-instruct": "llama-4-maverick",
    "llama-4-maverick-17b-128e": "llama-4-maverick",
    "llama4-scout": "llama-4-scout",
    "llama4-maverick": "llama-4-maverick",
    "gemma-4-26b-a4b-it": "gemma-4-26b-a4b",
    "claude-opus-4.6": "claude-opus-4-6",
}


def own_id(key: str) -> str:
    """A key of litellm as the provider writes it."""
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return key[len(prefix) :]
    return key


def region(id: str) -> str | None:
    found = REGION.match(id)
    return None if found is None else found.group(1) or found.group(2)


def model(provider: str, id: str) -> str:
    """One name for a model: without region, maker, host, date and version of the host's entry."""
    name = REGION.sub("", id).rpartition("/")[2].lower()
    name = MAKER.sub("", REGION.sub("", name)).removeprefix("fw-")
    if provider == "fireworks":
        name = re.sub(r"(?<=\d)p(?=\d)", ".", name)
    while (shorter := DATE.sub("", TAIL.sub("", name))) != name and re.search(r"\d", shorter):
        name = shorter
    name = re.sub(r"^claude-(opus|sonnet|haiku|fable)-(\d)\.(\d)", r"claude-\1-\2-\3", name)
    return OLD.get(name, name)
