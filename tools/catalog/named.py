"""The models that are described in full, and what is known of names and prices over time."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from freehold.catalog.schema import Alias, Layers, Model, Sighting
from freehold.core.money import Price
from freehold.core.tariff import Row, Tariff
from tools.catalog.modelsdev import table

IDS = {"claude-opus-4.6": "claude-opus-4-6"}
REASONING = {
    "deepseek-r1": "always",
    "deepseek-v3.2": "switch",
    "gemma-4-26b-a4b": "switch",
    "qwen3.5-122b-a10b": "switch",
    "glm-5.1": "switch",
    "kimi-k2.5": "switch",
    "minimax-m2.5": "always",
    "gpt-5": "effort",
    "claude-opus-4.6": "effort",
}
NOTES = {
    "deepseek-r1": "Its maker no longer serves it; hosts do.",
    "deepseek-v3.2": "Its maker served it until 2026-04-24 as deepseek-chat and deepseek-reasoner.",
    "llama-4-scout": "Hosts serve far less than the weights allow.",
    "glm-5.1": "Sources count 744 or 754 billion parameters, without or with the layer that predicts ahead.",
    "gpt-5": "The snapshot gpt-5-2025-08-07 ends on 2026-12-11.",
}
GRANITE = (
    ("granite-4.0-h-tiny", "Granite 4.0 H-Tiny", 7.0, 1.0),
    ("granite-4.0-h-micro", "Granite 4.0 H-Micro", 3.0, None),
    ("granite-4.0-micro", "Granite 4.0 Micro", 3.0, None),
)
COMPOSER = Model(
    id="cursor-composer-2",
    name="Cursor Composer 2",
    maker="Cursor",
    sources=("pages",),
    open_weights=False,
    release="2026-03-19",
    licence="LicenseRef-proprietary",
    note="No public API: it works inside Cursor only, so it has no offer. It is built on Kimi K2.5.",
)
ALIASES = (
    Alias("deepseek-chat", "deepseek-v3.2", "2025-12-01", "2026-04-24", "deepseek", "models.json"),
    Alias("deepseek-chat", "deepseek-v4-flash", "2026-04-24", "2026-07-24", "deepseek", "models.json"),
    Alias("deepseek-reasoner", "deepseek-v3.2", "2025-12-01", "2026-04-24", "deepseek", "models.json"),
    Alias("deepseek-reasoner", "deepseek-v4-flash", "2026-04-24", "2026-07-24", "deepseek", "models.json"),
    Alias("deepseek-flash", "deepseek-v4-flash", "2026-04-24", None, "deepseek", "litellm"),
)
VALID = {
    ("deepseek", "deepseek-chat", "litellm"): ("2025-12-01", "2026-04-24"),
    ("deepseek", "deepseek-chat", "models.dev"): ("2026-04-24", "2026-07-24"),
    ("deepseek", "deepseek-reasoner", "litellm"): ("2025-12-01", "2026-04-24"),
    ("deepseek", "deepseek-reasoner", "models.dev"): ("2026-04-24", "2026-07-24"),
    ("deepseek", "deepseek-v4-flash", "models.dev"): ("2026-04-24", "2026-08-17"),
    ("deepseek", "deepseek-v4-flash", "litellm"): ("2026-09-10", None),
}
"""From when until when what a source lists was so."""

BETWEEN = Sighting(
    source="genai-prices",
    tariff=Tariff(rows=(Row(rates=Price(input=220_000_000, output=660_000_000, cache_read=7_000_000)),)),
    valid_from="2026-08-17",
    valid_to="2026-09-10",
)
MORE = {("deepseek", "deepseek-v4-flash"): BETWEEN}


def models(rows: list[Mapping[str, Any]]) -> Iterator[Model]:
    """The described models, of the rows of models.json: figures and codes, no sentence of theirs."""
    for row in rows:
        kv, sizes = table(row.get("kv")), table(row.get("weights_gb"))
        yield Model(
            id=IDS.get(str(row["id"]), str(row["id"])),
            name=row["name"],
            maker=row["maker"],
            sources=("models.json" if row["open_weights"] else "litellm",),
            open_weights=row["open_weights"],
            repository=row.get("hf"),
            parameters=row.get("params_b"),
            active_parameters=row.get("active_b"),
            release=row["release"],
            context=row["context"],
            max_input=row.get("max_input"),
            max_output=row["max_output"],
            modalities=tuple(m.split(" ")[0] for m in row["modalities"]),
            tools=_offered(row["tools"]),
            json=_offered(row["json"]),
            reasoning=REASONING.get(row["id"], "no"),
            licence=row["licence"]["spdx"],
            attention=tuple(msgspec.convert(layers, Layers) for layers in row.get("attention") or ()),
            kv_bytes_per_token=kv.get("bytes_per_token_bf16"),
            kv_bytes_per_sequence=kv.get("fixed_bytes_per_sequence_bf16"),
            weights_gb={_format(name): size for name, size in sizes.items()},
            note=NOTES.get(row["id"]),
        )
    for id, name, parameters, active in GRANITE:
        yield Model(
            id=id,
            name=name,
            maker="IBM",
            sources=("models.json",),
            open_weights=True,
            parameters=parameters,
            active_parameters=active,
            licence="Apache-2.0",
        )
    yield COMPOSER


def _offered(said: bool | str) -> str:
    if isinstance(said, bool):
        return "yes" if said else "no"
    return "host" if re.search(r"\bhosts?\b", said) else "yes"


def _format(name: str) -> str:
    return name.removesuffix("_native")
