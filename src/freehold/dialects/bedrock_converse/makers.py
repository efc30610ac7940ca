"""What the makers of models take on Bedrock beyond what all have in common (docs.aws.amazon.com, Bedrock user guide,
"Inference request parameters and response fields" and "Prompt caching")."""

from typing import Any

from msgspec import Struct

from freehold.core.prompt import Effort, Prompt
from freehold.dialects.anthropic_messages.thinking import thought

_MAKERS = {
    "anthropic": ("anthropic.", "claude"),
    "nova": ("nova-",),
    "openai": ("openai.", "gpt-oss"),
    "mistral": ("mistral.",),
    "cohere": ("cohere.",),
    "other": ("meta.", "deepseek.", "qwen.", "moonshot", "minimax.", "writer.", "google.", "ai21.", "zai.", "nvidia.",
              "amazon.titan", "twelvelabs.", "stability."),
}  # fmt: skip
_TOP_K = {"anthropic": "top_k", "mistral": "top_k", "cohere": "k"}
_NOVA_EFFORTS: dict[Effort, str] = {
    "minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "high",
}  # fmt: skip
_GPT_EFFORTS: dict[Effort, str] = {"none": "low", "minimal": "low", "max": "high"}
THINKS_LESS = 4096
THINKS_MORE = 16_384


class Maker(Struct, frozen=True):
    """Who made a model, as its name says; '' where it does not (an application's own inference profile)."""

    name: str

    @property
    def known(self) -> bool:
        return bool(self.name)

    @property
    def claude(self) -> bool:
        return self.name == "anthropic"

    @property
    def caches(self) -> bool:
        """Whether it takes points for caching."""
        return self.name in ("anthropic", "nova")


class Extra(Struct, frozen=True, kw_only=True):
    """What stands beside the common members. `most`: the limit of tokens, where thinking changes it."""

    fields: dict[str, Any] = {}
    most: int | None = None
    thinks: bool = False
    losses: tuple[str, ...] = ()


def maker(model: str) -> Maker:
    name = model.lower()
    return Maker(next((who for who, marks in _MAKERS.items() if any(mark in name for mark in marks)), ""))


def extra(prompt: Prompt, model: str, who: Maker, *, forced: bool) -> Extra:
    """How a request says what its caller wants thought, and `top_k`. `forced`: it demands a call."""
    most = prompt.max_output_tokens
    if who.claude:
        found = _claude(prompt, model, forced=forced)
    else:
        fields, losses = _thinking(prompt, who, model)
        found = Extra(fields=fields, most=most, losses=losses, thinks=bool(fields))
    if prompt.top_k is None:
        return found
    if found.thinks and who.claude:
        return Extra(
            fields=found.fields, most=found.most, thinks=True, losses=(*found.losses, "top_k (while thinking)")
        )
    more: dict[str, Any] = {}
    losses = found.losses
    if who.name == "nova":
        more = {"inferenceConfig": {"topK": prompt.top_k}}
    elif who.name in _TOP_K:
        more = {_TOP_K[who.name]: prompt.top_k}
    else:
        losses = (*losses, "top_k")
    return Extra(fields=found.fields | more, most=found.most, thinks=found.thinks, losses=losses)


def _claude(prompt: Prompt, model: str, *, forced: bool) -> Extra:
    said = thought(prompt, model, forced=forced)
    fields: dict[str, Any] = {}
    if said.body is not None:
        fields["thinking"] = said.body
    if said.effort is not None:
        fields["output_config"] = {"effort": said.effort}
    losses = (said.lost,) if said.lost else ()
    most = None if prompt.max_output_tokens is None else said.max_tokens  # unsaid, it is the most that the model can
    return Extra(fields=fields, most=most, thinks=said.thinks, losses=losses)


def _thinking(prompt: Prompt, who: Maker, model: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How models of others are asked to think: Nova from its second generation, and gpt-oss, by a word."""
    asked = prompt.thinking
    if asked is None:
        return {}, ()
    effort = asked.effort or _word(asked.budget)
    off = not asked.enabled or effort == "none"
    if who.name == "nova" and "nova-2" in model.lower():
        if off:
            return {"reasoningConfig": {"type": "disabled"}}, ()
        config = {"type": "enabled", "maxReasoningEffort": _NOVA_EFFORTS[effort]}
        return {"reasoningConfig": config}, ()
    if who.name == "openai":
        if off:
            return {"reasoning_effort": "low"}, ("thinking (cannot be turned off)",)
        return {"reasoning_effort": _GPT_EFFORTS.get(effort, effort)}, ()
    return {}, () if off else ("thinking",)


def _word(budget: int | None) -> Effort:
    """The word for a budget in tokens."""
    if budget is None:
        return "medium"
    return "low" if budget <= THINKS_LESS else "medium" if budget <= THINKS_MORE else "high"
