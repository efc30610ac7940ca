"""Trace files of requests as traffic: CSV, JSON lines, and arrival models of ServeGen; gzip too.

CSV and JSON lines name time, input and output: `t_ms` or `time` (seconds, or ISO), `in` or `input`, `out` or `output`;
if they have them `cached` tokens and `blocks` (ids of prefix blocks of 512 tokens, as in the Mooncake traces).
"""

import csv
import gzip
import io
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from freehold.catalog.breakeven.traffic import MONTH, STRETCH, Asked, Traffic, begun, observed

BLOCK = 512
KEPT_S = 300.0
"""Seconds for which a provider's cache is taken to keep a prefix after its last use."""

MOST_BYTES = 1 << 30
WINDOWS = 12
"""Windows of an arrival model that are played, evenly spread over it; the busiest is one of them."""

NAMES = {
    "time": ("t_ms", "time", "timestamp", "TIMESTAMP", "arrived_at"),
    "input": ("in", "input", "input_tokens", "ContextTokens", "num_prefill_tokens", "input_length"),
    "output": ("out", "output", "output_tokens", "GeneratedTokens", "num_decode_tokens", "output_length"),
    "cached": ("cached", "cached_tokens", "cache_read_tokens"),
}


class Client(Struct, frozen=True):
    """A tenant of an arrival model: windows of [start, requests a second, variation, ...], lengths by time."""

    trace: list[tuple[float, float, float, str, float, float]]
    lengths: dict[str, dict[str, list[float]]]


class Model(Struct, frozen=True):
    window_s: float
    length_window_s: float
    clients: list[Client]


def traffic(path: Path, *, seed: int = 0) -> Traffic:
    """The traffic of a trace file; ValueError says which line is wrong, OSError that it cannot be read."""
    raw = _read(path)
    name = path.name.removesuffix(".gz")
    if name.endswith(".json"):
        try:
            return _played(path.name, msgspec.json.decode(raw, type=Model), seed)
        except msgspec.ValidationError:
            rows = msgspec.json.decode(raw, type=list[dict[str, Any]])
            return _observed(path.name, rows)
    if name.endswith(".jsonl"):
        return _observed(path.name, _lines(path.name, raw))
    return _observed(path.name, csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if zipped else open
    with opener(path, "rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {MOST_BYTES:,} bytes; cut it")
    return raw


def _lines(name: str, raw: bytes) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise ValueError(f"{name}, line {number}: {error}") from None


def _observed(name: str, rows: Iterable[Mapping[str, Any]]) -> Traffic:
    seen: dict[int, float] = {}
    found: list[Asked] = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(_asked(row, seen))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{name}, request {number}: {error}") from None
    return observed(name, [one for one in found if one.input > 0])


def _asked(row: Mapping[str, Any], seen: dict[int, float]) -> Asked:
    key = next((name for name in NAMES["time"] if name in row), None)
    if key is None:
        raise ValueError(f"it names no time, under {', '.join(NAMES['time'])}; it has {', '.join(map(str, row))}")
    at = _seconds(row[key]) / (1000 if key == "t_ms" else 1)
    input_, output = (_count(row, what, None) for what in ("input", "output"))
    blocks = tuple(int(block) for block in row.get("blocks") or ())
    cached = _count(row, "cached", 0) if not blocks else min(_hits(blocks, at, seen) * BLOCK, input_)
    if min(input_, output, cached) < 0 or cached > input_:
        raise ValueError("tokens are counts, and those cached a part of the input")
    return Asked(at=at, input=input_, output=output, cached=cached, blocks=blocks)


def _hits(blocks: tuple[int, ...], at: float, seen: dict[int, float]) -> int:
    """Blocks from the front that a cache would still have; all of them are used now."""
    count = 0
    for block in blocks:
        if at - seen.get(block, -1e18) > KEPT_S:
            break
        count += 1
    seen.update(dict.fromkeys(blocks, at))
    return count


def _count(row: Mapping[str, Any], what: str, default: int | None) -> int:
    key = next((name for name in NAMES[what] if name in row), None)
    if key is None:
        if default is None:
            raise ValueError(f"it names no {what}, under {', '.join(NAMES[what])}")
        return default
    return int(row[key])


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        when = datetime.fromisoformat(str(value).strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _played(name: str, model: Model, seed: int) -> Traffic:
    """Requests drawn from an arrival model: some windows at their true pace, a month by its mean rate.

    Gaps follow a gamma distribution with the window's rate and variation; lengths the quantiles of their time.
    """
    rates: dict[float, float] = {}
    for client in model.clients:
        for start, rate, *_ in client.trace:
            rates[start] = rates.get(start, 0.0) + rate
    span = max(rates) + model.window_s
    mean = sum(rates.values()) * model.window_s / span
    busiest = max(rates, key=lambda start: rates[start])
    ordered = sorted(rates)
    chosen = sorted({busiest, *(ordered[n * len(ordered) // WINDOWS] for n in range(WINDOWS))})
    drawn = random.Random(seed)
    stretches = [_window(model, start, rates[start], drawn) for start in chosen]
    kept = tuple(begun(stretch) for stretch in stretches if len(stretch) > 1)
    count = sum(len(stretch) for stretch in kept)
    note = f"{len(kept)} windows were drawn from an arrival model of {span / 86_400:.0f} days"
    return Traffic(source=name, stretches=kept, times=mean * MONTH / count, span=span, notes=(note,))


def _window(model: Model, start: float, rate: float, drawn: random.Random) -> list[Asked]:
    length = min(model.window_s, STRETCH / max(rate, 1e-9))
    found: list[Asked] = []
    for client in model.clients:
        window = next((w for w in client.trace if w[0] == start), None)
        if window is None or window[1] <= 0:
            continue
        lengths = client.lengths.get(str(int(start // model.length_window_s * model.length_window_s)))
        if lengths is None:
            continue
        shape = 1 / max(window[2], 0.05) ** 2
        at = drawn.gammavariate(shape, 1 / (shape * window[1])) * drawn.random()
        while at < length:
            tokens = [max(1, round(_drawn(lengths[of], drawn))) for of in ("input_tokens", "output_tokens")]
            found.append(Asked(at=at, input=tokens[0], output=tokens[1]))
            at += drawn.gammavariate(shape, 1 / (shape * window[1]))
    return sorted(found, key=lambda one: one.at)


PLACES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def _drawn(quantiles: list[float], drawn: random.Random) -> float:
    """A length by its quantiles (mean, 5, 25, 50, 75, 95, 99 %), straight between them."""
    ends = [quantiles[1] * 0.5, *quantiles[1:7], quantiles[6] * 1.2]
    where = drawn.random()
    after = next(n for n, place in enumerate(PLACES) if where < place)
    part = (where - PLACES[after - 1]) / (PLACES[after] - PLACES[after - 1])
    return ends[after - 1] + part * (ends[after] - ends[after - 1])
