"""A model on hardware of one's own as a server: how long its steps take, how much it can keep, from catalog/fit.

Approximated, since batches were not measured (docs/lab-notes-fit.md): one sequence alone runs at the calibrated speed;
what a batch reads beyond it (more experts, more cache) comes at what that sequence reaches of the memory's bandwidth,
and its arithmetic at the calibrated speed of reading prompts. A token picks its experts independently of the others.
"""

from functools import lru_cache
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.fit.cache import Layers, cache_bytes, read_bytes
from freehold.catalog.fit.candidate import Candidate, Form
from freehold.catalog.fit.choice import Option, Place, asked, engine, option, places, running
from freehold.catalog.fit.machine import Machine
from freehold.catalog.fit.memory import ENGINES, PAGE, EngineName, need
from freehold.catalog.fit.speed import Speed, speed
from freehold.catalog.fit.terms import GB

SEQUENCES: dict[EngineName, int] = {"vllm": 256, "llama.cpp": 32, "mlx": 8}
"""Answers that an engine writes at once at most: vLLM's `max_num_seqs`; what is assumed to be of use in the others."""

CHUNK = 8_192
LEAST_CHUNK = 256
REACHED = (0.5, 0.9)
"""What a batch reaches of the bandwidth at least and at most."""

LEVELS = ("low", "middle", "high")


class Pace(Struct, frozen=True, kw_only=True):
    """How long steps take, in seconds.

    `first`: a step of one sequence; `weights`: reading all weights once; `share`: the part of them that one token
    reads; `context`: reading one token of cache; `prompt`: one token of a prompt.
    """

    first: float
    weights: float
    share: float
    context: float
    prompt: float

    def step(self, sequences: int, context: float) -> float:
        """A step in which each of the sequences gets a token, with so many tokens of context in all."""
        more = (1 - (1 - self.share) ** sequences - self.share) * self.weights
        return max(self.first + more + context * self.context, sequences * self.prompt)


class Replica(Struct, frozen=True, kw_only=True):
    """One copy of a model, on one or more devices. `room`: bytes that the fullest has for caches; paces by level."""

    option: Option
    devices: int
    layers: tuple[Layers, ...]
    room: int
    paces: dict[str, Pace]
    watts: float | None

    def size(self, tokens: int) -> int:
        """Bytes of cache of a sequence on the fullest device."""
        return _size(self.layers, -(-tokens // PAGE) * PAGE, self.devices)


@lru_cache(maxsize=100_000)
def _size(layers: tuple[Layers, ...], tokens: int, devices: int) -> int:
    return cache_bytes(layers, tokens, parallel=devices)


def replica(
    model: Candidate, machine: Machine, *, longest: int, prompt: int, context: int, scheme: str | None = None
) -> Replica:
    """A replica on this hardware that can take the `longest` request (tokens), on as few devices as it takes.

    Speeds are for `prompt` tokens read and `context` tokens kept on average. The widest quantisation that has room for
    eight such contexts is chosen, else the one that has most. ValueError where none fits.
    """
    length = min(longest, model.context or longest)
    found = [
        _replica(model, form, place, with_, (length, prompt, context))
        for place in places(machine)
        if place.kind == "gpu"
        for form in model.forms
        if (scheme is None or form.scheme == scheme) and (with_ := engine(form, place)) is not None
    ]
    able = [one for one in found if one is not None]
    if not able:
        raise ValueError(
            f"{model.name} does not fit{f' in {scheme}' if scheme else ''} with {length:,} tokens of context, or "
            "its speed is not known; `freehold models fit` with the same --machine says what does"
        )
    enough = [one for one in able if one.room >= 8 * one.size(context)] or [max(able, key=lambda one: one.room)]
    return min(enough, key=lambda one: (one.option.engine != "vllm", -one.option.weights, one.devices))


def _replica(
    model: Candidate, form: Form, place: Place, with_: EngineName, lengths: tuple[int, int, int]
) -> Replica | None:
    longest, prompt, context = lengths
    told = option(model, form, place, with_, longest)
    if told.verdict != "fits" or model.layers is None or model.share is None:
        return None
    run = running(model, form, place, with_, prompt=max(prompt, 1), depth=1)
    if run is None:
        return None
    ask = asked(model, form, place, with_, 1)
    bare = need(replace(ask, layers=()))
    assert bare is not None
    room = place.memory * ENGINES[with_].usable // 1000 - bare.total
    found = speed(replace(run, cache_a_token=0, depth=0))
    kept = read_bytes(model.layers, max(context, 1)) / max(context, 1)
    bandwidth = run.bandwidth * GB * run.parallel
    weights = form.weights / bandwidth
    return Replica(
        option=told,
        devices=place.devices,
        layers=model.layers if with_ == "vllm" else ask.layers or (),
        room=room,
        paces={level: _pace(found, level, weights, model.share, kept / bandwidth) for level in LEVELS},
        watts=place.card.watts if place.card else None,
    )


def _pace(found: Speed, level: str, weights: float, share: float, context: float) -> Pace:
    first = 1 / float(getattr(found.decode, level))
    reached = min(max(weights * share / first, REACHED[0]), REACHED[1])
    return Pace(
        first=first,
        weights=weights / reached,
        share=share,
        context=context / reached,
        prompt=1 / float(getattr(found.prefill, level)),
    )


class Tuning(Struct, frozen=True, kw_only=True):
    """How an engine is set: answers written at once at most, and tokens of prompts read between two steps."""

    sequences: int
    chunk: int


def tuned(pace: Pace, *, context: float, token_s: float, most: int) -> Tuning:
    """Set, for `most` answers at once, so that a token comes in about `token_s` seconds where that can be.

    Half of the time is for the step, half for prompts.
    """
    chunk = int(min(max(token_s / 2 / pace.prompt, LEAST_CHUNK), CHUNK))
    low, high = 1, most
    while low < high:
        middle = ceil((low + high) / 2)
        low, high = (middle, high) if pace.step(middle, middle * context) <= token_s / 2 else (low, middle - 1)
    return Tuning(sequences=low, chunk=chunk)
