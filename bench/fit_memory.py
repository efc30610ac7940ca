"""Measured peaks of memory against what we say a run needs: `python -m bench.fit_memory`.

Rows: llama.cpp on one GPU that holds it all, without speculation (a draft takes memory that no row tells of). A peak is
that of the whole card: a desktop's share is in it.
"""

import msgspec
from msgspec import Struct
from rich.console import Console

from bench.fit import DATA
from bench.fit_runs import Row, running
from freehold.catalog.fit.cache import Full
from freehold.catalog.fit.memory import Ask, need


class Peak(Struct, frozen=True):
    """What a row says of memory: context in tokens, peak in 10^9 bytes."""

    ctx: int
    peak_vram_gb: float | None = None


def ratios() -> list[float]:
    """Measured peak over need, for each row that tells its peak."""
    found: list[float] = []
    for line in DATA.read_bytes().splitlines():
        row, peak = msgspec.json.decode(line, type=Row), msgspec.json.decode(line, type=Peak)
        run = running(row)
        if run is None or peak.peak_vram_gb is None or peak.peak_vram_gb < 0.5 or run.draft != "none" or run.spilled:
            continue
        if run.backend in ("cpu", "metal") or run.runner not in ("llama.cpp", "ollama") or row.gpus > 1:
            continue
        wanted = need(
            Ask(
                weights=run.weights,
                layers=(Full(layers=1, kv_heads=1, head_dim=-(-run.cache_a_token // 4)),),
                context=max(peak.ctx, 1),
            )
        )
        if wanted is not None:
            found.append(peak.peak_vram_gb * 1e9 / wanted.total)
    return sorted(found)


def main() -> None:
    found = ratios()
    shares = ", ".join(f"{part:.0%}: {found[int(part * (len(found) - 1))]:.2f}" for part in (0.1, 0.5, 0.9, 1.0))
    below = sum(r <= 1 for r in found) / len(found)
    Console().print(f"{len(found)} peaks; {below:.0%} are below the need; peak over need at {shares}")


if __name__ == "__main__":
    main()
