"""Which quantisation of a model runs on a machine, where, with how long a context, and how fast.

An option fits where memory is counted to suffice; where something is not known it says so, and where the engine has no
kernels for the format it is not an option.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.fit.accelerators import Accelerator, accelerator
from freehold.catalog.fit.cache import Indexer, read_bytes
from freehold.catalog.fit.candidate import Candidate, Form, is_gguf
from freehold.catalog.fit.machine import Gpu, Machine
from freehold.catalog.fit.memory import ENGINES, UNEVEN, Ask, EngineName, Need, fit, longest, need
from freehold.catalog.fit.speed import Speed, speed
from freehold.catalog.fit.terms import Backend, Running, processor

PROMPT = 1_024
"""Tokens of the prompt for which speeds are told."""

FAR = 1 << 20
"""Tokens: the longest context that is tried of a model that does not say its own."""

Kind = Literal["gpu", "both", "memory"]
ORDER: tuple[Kind, ...] = ("gpu", "both", "memory")
Verdict = Literal["fits", "too_large", "unknown", "too_long"]


class Place(Struct, frozen=True, kw_only=True):
    """Where a model may run: `devices` alike with `memory` bytes each, or main memory; `host` bytes of it beside.

    `cores` are the processor's, 0 where they are not known. `backend` is what llama.cpp would use; `parallel` devices
    divide each layer (vLLM), or take turns (llama.cpp).
    """

    kind: Kind
    name: str
    backend: Backend
    memory: int
    devices: int = 1
    host: int = 0
    cores: int = 0
    card: Accelerator | None = None
    capability: str = ""


class Option(Struct, frozen=True, kw_only=True):
    """A quantisation at a place. `need` on the fullest device (None: unknown), of `usable` bytes there.

    `longest` is the longest context that fits, in tokens, 0 where none does. `speed` None: it is not known.
    """

    scheme: str
    origin: str
    weights: int
    place: str
    kind: Kind
    devices: int
    engine: EngineName
    verdict: Verdict
    context: int
    longest: int
    need: Need | None
    usable: int
    speed: Speed | None


def places(machine: Machine) -> tuple[Place, ...]:
    """Where on this machine models may run: cards alike together, then these with main memory, then that alone."""
    found: list[Place] = []
    groups: dict[tuple[str, int], list[Gpu]] = {}
    for gpu in machine.gpus:
        groups.setdefault((gpu.name, gpu.memory), []).append(gpu)
    for (name, _), gpus in sorted(groups.items(), key=lambda g: -sum(gpu.free for gpu in g[1])):
        card = accelerator(name)
        one = Place(
            kind="gpu",
            name=name,
            backend=_backend(machine, card),
            memory=min(gpu.free for gpu in gpus),
            card=card,
            capability=gpus[0].capability or (card.capability if card else ""),
        )
        count = 1
        while count <= len(gpus):
            found.append(replace(one, devices=count, name=name if count == 1 else f"{count}x {name}"))
            count *= 2
        if machine.unified is None and machine.free:
            both = f"{found[-1].name} + memory"
            found.append(replace(found[-1], kind="both", name=both, host=machine.free))
    if machine.free and machine.unified is None:
        found.append(Place(kind="memory", name="processor", backend="cpu", memory=machine.free, cores=machine.cores))
    return tuple(found)


def engine(form: Form, place: Place) -> EngineName | None:
    """What would run a format there; None where nothing has kernels for it.

    vLLM: bf16, and 4- and 8-bit weights from compute capability 8.0 on, with native kernels or Marlin's; on AMD's
    MI300 and later bf16, fp8 and int4. llama.cpp: its own formats everywhere, bf16 in main memory.
    """
    scheme = form.scheme.lower()
    if is_gguf(scheme):
        return "llama.cpp"
    if place.kind == "memory":
        return "llama.cpp" if scheme in ("bf16", "f16", "fp16", "f32", "fp32") else None
    if place.kind == "both":
        return None
    if place.backend == "cuda":
        modern = place.capability.split(".")[0].isdigit() and float(place.capability) >= 8.0
        return "vllm" if modern else None
    modern = place.capability in ("gfx942", "gfx950")
    return "vllm" if modern and scheme in ("bf16", "fp16", "f16", "fp8", "int4") else None


def options(model: Candidate, machine: Machine, context: int) -> tuple[Option, ...]:
    """Every quantisation where an engine runs it, the best first; without what another option makes pointless.

    What fits comes before what does not; devices alone before those with main memory, that before main memory alone;
    of those vLLM before llama.cpp, then the most bits, then the fewest devices.
    """
    found = [
        (form, place, option(model, form, place, with_, context))
        for place in places(machine)
        for form in model.forms
        if (with_ := engine(form, place)) is not None
    ]
    ranked = sorted((one for _, _, one in found), key=_rank)
    return tuple(one for one in ranked if not any(_better(other, one) for other in ranked))


def _rank(one: Option) -> tuple[bool, int, bool, int, int]:
    return one.verdict != "fits", ORDER.index(one.kind), one.engine != "vllm", -one.weights, one.devices


def _better(one: Option, other: Option) -> bool:
    """Whether the same quantisation fits in one place and makes another pointless: one that is slower, or too small.

    Of vLLM more devices stay: they may be faster together. Of what does not fit only the largest place stays.
    """
    if one.scheme != other.scheme or one is other:
        return False
    if one.verdict != "fits":
        same = other.verdict == one.verdict and one.kind == other.kind
        return same and one.devices > other.devices
    if other.verdict != "fits" or ORDER.index(one.kind) < ORDER.index(other.kind):
        return True
    return one.kind == other.kind and one.engine == "llama.cpp" and one.devices < other.devices


def option(model: Candidate, form: Form, place: Place, with_: EngineName, context: int) -> Option:
    """One quantisation at one place."""
    ask = asked(model, form, place, with_, context)
    limit = model.context or FAR
    if place.kind == "both":
        wanted, usable, most = _spread(ask, place, limit)
        verdict: Verdict = "unknown" if wanted is None else "fits" if wanted.total <= usable else "too_large"
    else:
        found = fit(ask, place.memory)
        wanted, usable, verdict = found.need, found.usable, found.verdict
        most = longest(ask, place.memory, limit=limit)
    if verdict == "fits" and context > limit:
        verdict = "too_long"
    return Option(
        scheme=form.scheme,
        origin=form.origin,
        weights=form.weights,
        place=place.name,
        kind=place.kind,
        devices=place.devices,
        engine=with_,
        verdict=verdict,
        context=context,
        longest=min(most, limit),
        need=wanted,
        usable=usable,
        speed=_speed(model, form, place, with_) if verdict == "fits" else None,
    )


def asked(model: Candidate, form: Form, place: Place, with_: EngineName, context: int) -> Ask:
    """What one device is asked to hold. vLLM divides each layer; llama.cpp deals out whole ones: the fullest counts."""
    ask = Ask(weights=form.weights, layers=model.layers, context=context, engine=with_)
    if with_ == "vllm" or place.kind == "both" or place.devices == 1 or model.layers is None:
        return replace(ask, parallel=place.devices if place.kind == "gpu" else 1)
    every = sum(kind.layers for kind in model.layers if not isinstance(kind, Indexer))
    most = -(-every // place.devices)
    return replace(
        ask,
        weights=-(-form.weights * most // every) + -(-form.weights // UNEVEN),
        layers=tuple(replace(kind, layers=-(-kind.layers // place.devices)) for kind in model.layers),
    )


def best(found: Iterable[Option]) -> Option | None:
    """The first that fits, else the smallest that does not, else one whose memory is unknown."""
    every = list(found)
    fitting = next((one for one in every if one.verdict == "fits"), None)
    if fitting is not None:
        return fitting
    sized = [one for one in every if one.need is not None]
    return min(sized, key=lambda o: o.need.total / max(o.usable, 1) if o.need else 0, default=next(iter(every), None))


def running(
    model: Candidate, form: Form, place: Place, with_: EngineName, *, prompt: int, depth: int
) -> Running | None:
    """The model as the speed model sees it; None where its parameters, layers or the card are not known."""
    if model.layers is None or model.total is None or model.active is None or model.share is None:
        return None
    card = place.card
    if card is None and place.kind != "memory":
        return None
    bandwidth, tflops = (card.bandwidth, card.tflops) if card else processor(place.cores)
    return Running(
        weights=form.weights,
        active=int(form.weights * model.share),
        parameters=model.active,
        total=model.total,
        scheme=form.scheme,
        bandwidth=bandwidth,
        tflops=tflops,
        backend=place.backend,
        runner="vllm" if with_ == "vllm" else "llama.cpp",
        layers=sum(kind.layers for kind in model.layers if not isinstance(kind, Indexer)),
        cache_a_token=read_bytes(model.layers, depth) // depth,
        depth=depth,
        prompt=prompt,
        memory=place.memory if place.card else None,
        devices=place.devices,
        parallel=place.devices if with_ == "vllm" else 1,
    )


def _speed(model: Candidate, form: Form, place: Place, with_: EngineName) -> Speed | None:
    found = running(model, form, place, with_, prompt=PROMPT, depth=PROMPT)
    return None if found is None else speed(found)


def _spread(ask: Ask, place: Place, limit: int) -> tuple[Need | None, int, int]:
    """Weights and cache over devices and main memory: the sum of what all need, of what all have.

    Each device keeps the engine's share for itself, so that only what is left of it counts.
    """
    engine_ = ENGINES[ask.engine]
    room = place.devices * max(place.memory * engine_.usable // 1000 - engine_.fixed, 0)
    usable = room + place.host * engine_.usable // 1000

    def wanted(context: int) -> Need | None:
        return need(replace(ask, context=context, parallel=1))

    whole = wanted(ask.context)
    low, high = 0, limit // 256
    while low < high:
        middle = (low + high + 1) // 2
        tried = wanted(middle * 256)
        low, high = (middle, high) if tried is not None and tried.total <= usable else (low, middle - 1)
    return whole, usable, low * 256


def _backend(machine: Machine, card: Accelerator | None) -> Backend:
    if machine.system == "Darwin" or (card is not None and card.vendor == "apple"):
        return "metal"
    if card is None or card.vendor == "nvidia":
        return "cuda"
    if card.vendor == "intel" or card.name.startswith("radeon"):
        return "vulkan"
    return "rocm"
