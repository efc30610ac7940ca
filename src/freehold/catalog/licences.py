"""Licences as data: what each clause forbids or asks for, in our words, with where it stands and when it was read.

This is no legal advice: it finds the clauses that a machine can see are met, and says which ones it cannot decide.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, assert_never

from msgspec import Struct

Kind = Literal["duty", "users", "revenue", "region", "use", "output"]
"""What a clause hangs on: nothing, monthly users, monthly revenue, the deployer's seat, the purpose, the answers."""

CARRIED = "2026-11-23"
READ = "2026-11-25"
EU = frozenset(
    (
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
        *("IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    )
)


class Clause(Struct, frozen=True, kw_only=True):
    """A clause. `forbids`: where it is met there is no right to use the model; otherwise it asks for what it `says`.

    `above` is the threshold of users, or of dollars; it is met by more than that. `regions` are ISO 3166 codes.
    `uses` are purposes as the deployer names them. `where` is the section, `source` the document. `basis`: the text was
    'read' there on the day `read`, or the clause was 'carried' over from a facts file of that day, which names it.
    """

    kind: Kind
    says: str
    where: str
    source: str
    read: str = CARRIED
    basis: Literal["read", "carried"] = "carried"
    forbids: bool = False
    above: int | None = None
    regions: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()

    @property
    def seen(self) -> str:
        """When and how it came here, for people."""
        return f"read {self.read}" if self.basis == "read" else f"carried over {self.read}, text not read"


class Licence(Struct, frozen=True, kw_only=True):
    """A licence by its SPDX name, or 'LicenseRef-…'. `known` is false where nobody here has read its text."""

    id: str
    clauses: tuple[Clause, ...] = ()
    known: bool = True


class Deployer(Struct, frozen=True, kw_only=True):
    """Who runs this gateway. None means not said. `monthly_revenue_usd` in whole dollars.

    `purposes` are what the models are used for, such as 'support' or 'military'; `trains` whether models are trained on
    answers; `agreed` names models or licences for which the deployer has an agreement of its own.
    """

    region: str | None = None
    monthly_users: int | None = None
    monthly_revenue_usd: int | None = None
    purposes: frozenset[str] | None = None
    trains: bool | None = None
    agreed: frozenset[str] = frozenset()


class Finding(Struct, frozen=True, kw_only=True):
    """What a clause means for a deployer: it refuses the model, asks for something, or cannot be decided."""

    model: str
    licence: str
    standing: Literal["refused", "duty", "undecided"]
    clause: Clause

    @property
    def message(self) -> str:
        c = self.clause
        lead = {
            "refused": f"{self.model} may not be used",
            "duty": f"{self.model} asks",
            "undecided": f"{self.model}, undecided",
        }
        return f"{lead[self.standing]}: {c.says} ({self.licence}, {c.where}; {c.source}, {c.seen})"


def _notice(source: str, where: str, *, basis: Literal["read", "carried"] = "carried") -> Clause:
    return Clause(
        kind="duty",
        says="keep the copyright and licence text in copies",
        where=where,
        source=source,
        read=READ if basis == "read" else CARRIED,
        basis=basis,
    )


_LLAMA = "meta-llama/llama-models a9c89c4"
_LLAMA_LICENCE = "meta-llama/llama-models 9cb02ae LICENSE"
_KIMI = "MoonshotAI/Kimi-K2.5 3e60763 LICENSE"
_MINIMAX = "MiniMax-AI/MiniMax-M2.5 0fe00c8 LICENSE-MODEL"
_MINIMAX_FIRST = "MiniMax-AI/MiniMax-M2.5 60fa60f LICENSE"
_SHOW_KIMI = 'show "Kimi K2.5" prominently in the interface of the product'


def _output(says: str, source: str, effective: str) -> Clause:
    return Clause(kind="output", says=says, where=f"terms of {effective}", source=source)


LICENCES: Mapping[str, Licence] = {
    one.id: one
    for one in (
        Licence(id="MIT", clauses=(_notice("the licence text", "second paragraph"),)),
        Licence(id="Apache-2.0", clauses=(_notice("the licence text", "section 4"),)),
        Licence(
            id="LicenseRef-Llama-4-Community",
            clauses=(
                Clause(
                    kind="region",
                    says="no rights in the multimodal Llama 4 models for those whose principal place of business is in "
                    "the European Union; end users of a product that contains them are exempt",
                    where="acceptable use policy, on multimodal models",
                    source=f"{_LLAMA} USE_POLICY",
                    forbids=True,
                    regions=EU,
                ),
                Clause(
                    kind="users",
                    says="with over 700 million monthly users in the month before 2025-04-05, ask Meta for a licence",
                    where="section 2",
                    source=_LLAMA_LICENCE,
                    read=READ,
                    basis="read",
                    forbids=True,
                    above=700_000_000,
                ),
                Clause(
                    kind="use",
                    says="not for military purposes, warfare, nuclear industries or espionage",
                    where="acceptable use policy, 2(a)",
                    source=f"{_LLAMA} USE_POLICY",
                    forbids=True,
                    uses=frozenset({"military", "nuclear", "espionage"}),
                ),
                Clause(
                    kind="duty",
                    says='show "Built with Llama" where it is offered to others, and give them the agreement',
                    where="section 1.b.i",
                    source=_LLAMA_LICENCE,
                    read=READ,
                    basis="read",
                ),
                Clause(
                    kind="output",
                    says='a model trained with it or on its answers has a name that begins with "Llama"',
                    where="section 1.b.i",
                    source=_LLAMA_LICENCE,
                    read=READ,
                    basis="read",
                ),
                Clause(
                    kind="duty",
                    says="keep the attribution notice in copies",
                    where="section 1.b.iii",
                    source=_LLAMA_LICENCE,
                    read=READ,
                    basis="read",
                ),
            ),
        ),
        Licence(
            id="LicenseRef-Modified-MIT",
            clauses=(
                _notice(_KIMI, "second paragraph"),
                Clause(kind="users", says=_SHOW_KIMI, where="last paragraph", source=_KIMI, above=100_000_000),
                Clause(kind="revenue", says=_SHOW_KIMI, where="last paragraph", source=_KIMI, above=20_000_000),
            ),
        ),
        Licence(
            id="LicenseRef-MiniMax-Modified-MIT",
            clauses=(
                _notice(_MINIMAX_FIRST, "second paragraph", basis="read"),
                Clause(
                    kind="duty",
                    says='show "MiniMax M2.5" prominently in the interface of a commercial product that uses it',
                    where="last paragraph",
                    source=_MINIMAX_FIRST,
                    read=READ,
                    basis="read",
                ),
            ),
        ),
        Licence(
            id="LicenseRef-MiniMax-Model-License",
            clauses=(
                Clause(kind="duty", says="show the attribution notice", where="attribution", source=_MINIMAX),
                Clause(
                    kind="use",
                    says="not for military purposes, nor for fully automated decisions that affect legal rights",
                    where="prohibited uses",
                    source=_MINIMAX,
                    forbids=True,
                    uses=frozenset({"military", "automated-decisions"}),
                ),
            ),
        ),
        Licence(
            id="OpenAI-terms",
            clauses=(
                _output(
                    "output may not be used to develop models that compete with OpenAI",
                    "https://openai.com/policies/services-agreement/",
                    "2025-05-31",
                ),
            ),
        ),
        Licence(
            id="Anthropic-terms",
            clauses=(
                _output(
                    "the service may not be used to train competing models without approval",
                    "https://www.anthropic.com/legal/commercial-terms",
                    "2025-06-17",
                ),
            ),
        ),
        Licence(id="LicenseRef-proprietary", known=False),
    )
}


class Claim(Struct, frozen=True, kw_only=True):
    """What a source says a model's licence is."""

    licence: str
    source: str
    since: str | None = None


def _one(licence: str, source: str) -> tuple[Claim, ...]:
    return (Claim(licence=licence, source=source),)


_LLAMA_4 = _one("LicenseRef-Llama-4-Community", _LLAMA_LICENCE)
_GRANITE = _one("Apache-2.0", "ibm-granite/granite-4.0-language-models d48d3d5")

CLAIMS: Mapping[str, tuple[Claim, ...]] = {
    "deepseek-r1": _one("MIT", "deepseek-ai/DeepSeek-R1 0cf7856 LICENSE"),
    "deepseek-v3.2": _one("MIT", "deepseek-ai/DeepSeek-V3.2-Exp 3b99a53 LICENSE"),
    "llama-4-scout": _LLAMA_4,
    "llama-4-maverick": _LLAMA_4,
    "gemma-4-26b-a4b": _one("Apache-2.0", "pages about the release"),
    "qwen3.5-122b-a10b": _one("Apache-2.0", "QwenLM/Qwen3.5 7e103ae README"),
    "glm-5.1": (
        Claim(licence="MIT", source="the model card, as quoted by docs.api.nvidia.com"),
        Claim(licence="Apache-2.0", source="zai-org/GLM-5 218be52 LICENSE"),
    ),
    "kimi-k2.5": _one("LicenseRef-Modified-MIT", _KIMI),
    "minimax-m2.5": (
        Claim(licence="LicenseRef-MiniMax-Modified-MIT", source=_MINIMAX_FIRST, since="2026-02-13"),
        Claim(licence="LicenseRef-MiniMax-Model-License", source=_MINIMAX, since="2026-03-06"),
    ),
    "granite-4.0-h-small": _GRANITE,
    "granite-4.0-h-tiny": _GRANITE,
    "granite-4.0-h-micro": _GRANITE,
    "granite-4.0-micro": _GRANITE,
    "gpt-5": _one("OpenAI-terms", "https://openai.com/policies/services-agreement/"),
    "claude-opus-4-6": _one("Anthropic-terms", "https://www.anthropic.com/legal/commercial-terms"),
    "cursor-composer-2": _one("LicenseRef-proprietary", "pages about it"),
}
"""Where sources differ on a model's licence, all of them are kept and the clauses of all apply: the stricter counts."""


def check(deployer: Deployer, model: str) -> tuple[Finding, ...]:
    """What the licence of a model means for a deployer, refusals first. Empty where no licence of it is known."""
    findings = [
        Finding(model=model, licence=claim.licence, standing=standing, clause=clause)
        for claim in CLAIMS.get(model, ())
        if not deployer.agreed & {model, claim.licence}
        for clause in LICENCES[claim.licence].clauses
        if (standing := _standing(deployer, clause)) is not None
    ]
    order = ("refused", "undecided", "duty")
    return tuple(sorted(findings, key=lambda f: order.index(f.standing)))


def _standing(deployer: Deployer, clause: Clause) -> Literal["refused", "duty", "undecided"] | None:
    met = _met(deployer, clause)
    if met is None:
        return "undecided"
    if not met:
        return None
    return "refused" if clause.forbids else "duty"


def _met(deployer: Deployer, clause: Clause) -> bool | None:
    """Whether the clause applies; None where the deployer has not said what it hangs on."""
    match clause.kind:
        case "duty":
            return True
        case "users":
            return _over(deployer.monthly_users, clause.above)
        case "revenue":
            return _over(deployer.monthly_revenue_usd, clause.above)
        case "region":
            return None if deployer.region is None else deployer.region.upper() in clause.regions
        case "use":
            return None if deployer.purposes is None else bool(deployer.purposes & clause.uses)
        case "output":
            return deployer.trains
        case _:
            assert_never(clause.kind)


def _over(value: int | None, above: int | None) -> bool | None:
    return None if value is None or above is None else value > above


def refused(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(f for f in findings if f.standing == "refused")
