"""What the time of a run is made of: seconds by cause, and what multiplies them; pure, from the model and the hardware.

A roofline (Williams, Waterman, Patterson 2009) names two of the causes: bytes over the memory's bandwidth, work over
arithmetic throughput. The others are what measured runs of small, sparse, long or divided models spend beyond it. How
much each counts is learned (speed.py); their form is fixed here.
"""

from typing import Literal

from msgspec import Struct

Backend = Literal["cuda", "rocm", "vulkan", "metal", "cpu"]
Runner = Literal["llama.cpp", "ollama", "vllm", "mlx", "hipfire"]
What = Literal["decode", "prefill"]
Draft = Literal["none", "model", "heads"]
Site = Literal["cuda", "server", "amd", "metal", "cpu"]

GB = 1_000_000_000
HOST_BANDWIDTH = 50.0
"""GB/s of main memory where nothing better is known: two channels of DDR4 or one and a half of DDR5."""

HOST_TFLOPS = 1.0
HOST_CORES = 8
"""Cores of the processors whose runs were learned from."""

CORE_BANDWIDTH = 12.0
"""GB/s that one core can take in."""

HOST_BEST = 100.0
"""GB/s of the main memory of a fast desktop: two channels of DDR5."""

LINK = 25.0
"""GB/s from main memory to a GPU: PCIe 4.0 with sixteen lanes."""

HELD = 0.94
"""The part of a device's memory that weights and cache can take; the rest of them is read from main memory."""

TOGETHER = 512
"""Tokens of a prompt that are read at once: llama.cpp's `ubatch`."""

FULL_CACHE = 65_536
"""Bytes a token of a cache whose attention is counted as it is. A smaller one serves more heads for each byte, so that
the work of attention grows with the root of the cache, not with the cache."""

CHIPS: dict[Backend, Site] = {"cuda": "cuda", "rocm": "amd", "vulkan": "amd", "metal": "metal", "cpu": "cpu"}


class Running(Struct, frozen=True, kw_only=True):
    """A model as it runs.

    Bytes: `weights` are all of them, `active` those read for one token (for dense models the same), `cache_a_token` is
    read for each token of context; `memory` is one device's, None for the host's. `parameters` that work on a token, in
    billions, of `total`. `layers` have a mixer and a feed-forward part each (None: as many as models of the size have).
    `bandwidth` in GB/s and `tflops` are one device's. `depth` is the context in tokens when the answer starts, `prompt`
    how many of them are read now. `scheme` is the quantisation's name, as files carry it. `requests` are answered at
    once. `draft` proposes tokens ahead: a model of its own, or heads of the model (MTP).
    """

    weights: int
    active: int
    parameters: float
    total: float
    scheme: str
    bandwidth: float
    tflops: float
    backend: Backend
    runner: Runner = "llama.cpp"
    layers: float | None = None
    cache_a_token: int = 0
    depth: int = 0
    prompt: int = 512
    memory: int | None = None
    devices: int = 1
    parallel: int = 1
    requests: int = 1
    draft: Draft = "none"

    @property
    def sparse(self) -> bool:
        return self.parameters < self.total * 0.75

    @property
    def site(self) -> Site:
        """What starts the kernels, and where: the same kind of run errs alike."""
        return "server" if self.runner == "vllm" else CHIPS[self.backend]

    @property
    def spilled(self) -> float:
        """The part of the weights that the devices cannot hold."""
        if self.memory is None:
            return 0.0
        room = self.memory * self.devices * HELD
        whole = self.weights + self.cache_a_token * self.depth
        return min(max(whole - room, 0.0) / self.weights, 1.0)

    def touched(self, tokens: int) -> float:
        """Bytes of weights that so many tokens read together; each picks its experts independently of the others."""
        if not self.sparse:
            return self.active
        return self.weights * (1 - (1 - min(self.active / self.weights, 1)) ** tokens)


def processor(cores: int) -> tuple[float, float]:
    """GB/s and TFLOPS of a processor and its memory, by its cores (0: not known). More than `HOST_CORES` promise
    nothing: what is not measured is not said to be faster."""
    known = min(cores or HOST_CORES, HOST_CORES)
    return min(HOST_BANDWIDTH, CORE_BANDWIDTH * known), HOST_TFLOPS * known / HOST_CORES


def seconds(run: Running, what: What) -> dict[str, float]:
    """Seconds a token by cause, before what is learned of each."""
    return _decode(run) if what == "decode" else _prefill(run)


def factors(run: Running, what: What) -> dict[str, float]:
    """What multiplies the sum of the seconds: flags as 0 or 1, and a logarithm."""
    scheme = run.scheme.lower().removeprefix("ud-")
    found = {
        "vulkan": float(run.backend == "vulkan"),
        "server": float(run.runner == "vllm"),
        "ollama": float(run.runner == "ollama"),
        "mlx": float(run.runner == "mlx"),
        "hipfire": float(run.runner == "hipfire"),
        "small float": float(scheme.startswith(("nvfp", "mxfp", "fp8"))),
    }
    if what == "decode":
        return found | {
            "metal": float(run.backend == "metal"),
            "amd": float(run.backend in ("rocm", "vulkan")),
            "cpu": float(run.backend == "cpu"),
            "draft model": float(run.draft == "model" and not run.sparse),
            "draft heads": float(run.draft == "heads" and not run.sparse),
            "draft sparse": float(run.draft != "none" and run.sparse),
        }
    return found | {
        "codebook": float(scheme.startswith("iq")),
        "two at once": float(run.devices > run.parallel and run.prompt >= 2 * TOGETHER),
    }


def roofline(run: Running, what: What) -> float:
    """Tokens a second that the hardware allows."""
    if what == "prefill":
        return run.tflops * run.parallel * 1e12 / (2 * run.parameters * GB)
    near = run.bandwidth * run.parallel * GB
    cache = run.cache_a_token * run.depth
    stays = 1.0 if run.sparse else 1 - run.spilled
    here = (run.active * (1 - run.spilled) + cache * stays) / near
    return 1 / (here + (run.active * run.spilled + cache * (1 - stays)) / (min(HOST_BEST, run.bandwidth) * GB))


def _decode(run: Running) -> dict[str, float]:
    """A token of an answer: weights and cache are read, unpacked and multiplied; each layer's kernels are launched.

    What does not fit is read from main memory: of a dense model whole layers with their cache, of a sparse one experts.
    """
    gpu, layers, near = run.backend != "cpu", _layers(run), 1 - run.spilled
    read = run.touched(run.requests)
    cache = run.cache_a_token * run.depth * run.requests
    memory, host = run.bandwidth * run.parallel * GB, HOST_BANDWIDTH * GB
    found = dict.fromkeys(("token cpu", "launch cuda", "launch server", "launch amd", "launch metal"), 0.0)
    found |= dict.fromkeys((f"work {chip}" for chip in CHIPS.values()), 0.0)
    found |= {
        "read": read * near / memory,
        "cache": cache * (1.0 if run.sparse else near) / memory,
        "experts": layers * 1e-5 * (gpu and run.sparse and run.site != "server"),
        "experts server": layers * 1e-5 * (run.sparse and run.site == "server"),
        "token": 1e-3 * gpu,
        "token cpu": 1e-3 * (not gpu),
        "spill": read * run.spilled / host * (not run.sparse),
        "spill experts": read * run.spilled / host * run.sparse,
        "spill cache": cache * run.spilled / host * (not run.sparse),
        "sync": layers * 1e-5 * (run.parallel > 1),
        "hop": (run.devices - 1) * 1e-4 * (run.devices > run.parallel),
    }
    work = run.parameters * run.requests * near / (run.tflops * 1_000 * run.parallel) * _unpacking(run.scheme)
    found[f"work {CHIPS[run.backend]}"] = work
    if gpu:
        found[f"launch {run.site}"] = layers * 1e-5
    return found


def _prefill(run: Running) -> dict[str, float]:
    """A token of a prompt: arithmetic, and its share of what `TOGETHER` tokens have in common.

    Experts work on tiles of tokens that are the emptier the more experts there are.
    """
    gpu, layers, spilled = run.backend != "cpu", _layers(run), run.spilled
    batch = min(run.prompt, TOGETHER)
    before = max(run.depth - run.prompt, 0)
    work = 2 * run.parameters / (run.tflops * 1_000 * run.parallel)
    attention = 6 * (run.cache_a_token * FULL_CACHE) ** 0.5 * (before + run.prompt / 2)
    found = dict.fromkeys((f"work {chip}" for chip in CHIPS.values()), 0.0)
    found |= {
        "experts": work * run.total / run.parameters / 8 * (gpu and run.sparse),
        "read": run.touched(batch) * (1 - spilled) / (run.bandwidth * run.parallel * GB) / batch,
        "attention": attention / (run.tflops * run.parallel * 1e12),
        "launch": layers * 1e-5 / batch * gpu,
        "prompt": 1e-2 / run.prompt * gpu,
        "spill": run.weights * spilled / (LINK * GB) / batch,
        "spill cache": run.cache_a_token * before * spilled / (HOST_BANDWIDTH * GB) * (not run.sparse),
        "sync": layers * 1e-5 / batch * (run.parallel > 1),
    }
    found[f"work {CHIPS[run.backend]}"] = work
    return found


def _layers(run: Running) -> float:
    """As told, else what a fit through the layers of known models gives."""
    if run.layers is not None:
        return run.layers
    return 24 * run.total ** (0.2 if run.sparse else 0.27)


def _unpacking(scheme: str) -> float:
    """Work of making a weight into a number, against that of a K-quant: plain scales less, tables of codes more."""
    name = scheme.lower().removeprefix("ud-")
    if name in ("bf16", "fp16", "f16"):
        return 0.1
    if name.startswith("iq"):
        return 2.0
    return 1.0 if "_k" in name else 0.5
