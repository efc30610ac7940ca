"""What providers allow to be done with their models' answers. A small table of facts with their dates.

Most large providers forbid training models that compete with theirs on their output. Whether a small model for one
route of a company competes is a question for the company's lawyers, so such answers are kept out until the owner
accepts the provider by name. What people wrote, corrections above all, is not the provider's output and passes.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

Terms = Callable[[str, str], str | None]
"""Why answers of (provider, model) may not be learned from, or None where they may."""


class Stance(Struct, frozen=True, kw_only=True):
    """What the owner decided about learning from the answers of an account, or of a kind of provider, for good.

    `at`: UTC nanoseconds.
    """

    account: str
    allowed: bool
    at: int


class Restriction(Struct, frozen=True, kw_only=True):
    """A clause, in our words, of the terms at `url` that took effect on `effective`."""

    says: str
    url: str
    effective: str


FORBIDDING: Mapping[str, Restriction] = {
    "openai": Restriction(
        says="output may not be used to develop models that compete with OpenAI",
        url="https://openai.com/policies/services-agreement/",
        effective="2025-05-31",
    ),
    "anthropic": Restriction(
        says="the service may not be used to train competing models without approval",
        url="https://www.anthropic.com/legal/commercial-terms",
        effective="2025-06-17",
    ),
    "gemini": Restriction(
        says="the service may not be used to develop models that compete with it",
        url="https://ai.google.dev/gemini-api/terms",
        effective="2025-05-20",
    ),
}

_SAME: Mapping[str, str] = {"google": "gemini", "vertex": "gemini", "azure": "openai", "azure-openai": "openai"}
_MAKERS = ("openai", "anthropic", "google")
_OPEN = ("gpt-oss", "gemma")  # weights that these makers give away, under a licence of their own

OWN = frozenset({"simulated", "local", "ollama", "vllm", "llama-cpp", "llamacpp", "lmstudio", "sglang", "tgi", "demo"})
"""Servers of one's own, where no provider's terms apply; the licence of the weights still does."""


def terms(
    *,
    kinds: Mapping[str, str] | None = None,
    accepted: frozenset[str] = frozenset(),
    refused: frozenset[str] = frozenset(),
    unknown: bool = False,
) -> Terms:
    """The rule made of the table.

    `kinds`: what kind of provider each account is (None, or missing: the account is called as its kind); `accepted`:
    accounts or kinds whose terms the owner has settled; `refused`: those from which the owner learns no more, whatever
    the table says; `unknown`: whether those that the table does not know pass.
    """

    def allowed(provider: str, model: str) -> str | None:
        kind = (kinds or {}).get(provider, provider)
        if provider in refused or kind in refused:
            return f"learning from answers of {provider if provider in refused else kind} was withdrawn"
        given_away = any(name in model for name in _OPEN)
        maker = next((m for m in _MAKERS if model.startswith(f"{m}/") and not given_away), None)  # as resellers say
        known = FORBIDDING.get(_SAME.get(maker or kind, maker or kind))
        if provider in accepted or kind in accepted or (known is None and kind in OWN):
            return None
        if known is not None:
            return f"{maker or kind}: {known.says} (terms of {known.effective}, {known.url})"
        return None if unknown else f"the terms of {provider} for its answers are not known here"

    return allowed
