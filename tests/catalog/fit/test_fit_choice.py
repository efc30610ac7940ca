"""Which quantisation runs where: nothing is said to fit that does not, whatever machine and context."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from test_fit_weights import F32, packed, stored

from freehold.catalog.book import catalog
from freehold.catalog.fit.accelerators import ACCELERATORS, spoken
from freehold.catalog.fit.cache import Full, bytes_a_token, cache_bytes
from freehold.catalog.fit.candidate import Candidate, Form, candidate, opened
from freehold.catalog.fit.choice import best, engine, option, options, places
from freehold.catalog.fit.machine import Gpu, Machine, named

GIB = 1 << 30
MODELS = [candidate(model) for model in catalog().models.values() if model.attention]
BY_ID = {model.id: model for model in MODELS}
MACHINES = ["T4", "2x T4", "RTX 4090 + 64GB RAM", "2x H100", "8x H200", "4x MI300X", "M4 Max 128GB", "32GB RAM", "P40"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("T4", 15_360),
        ("L4", 23_034),
        ("A10G", 23_028),
        ("L40S", 46_068),
        ("RTX 4090", 24_564),
        ("RTX 3090", 24_576),
        ("RTX 3060 12GB", 12_288),
        ("A100 80GB", 81_920),
        ("H100 SXM", 81_559),
        ("H200", 143_771),
        ("B200", 183_359),
    ],
)
def test_a_card_that_is_only_named_has_no_more_memory_than_nvidia_smi_shows_of_a_real_one(
    name: str, shown: int
) -> None:
    card, size = spoken(name)

    assert 0.92 * shown < card.memory(size) / (1 << 20) <= shown


def test_every_accelerator_names_its_source_and_has_figures() -> None:
    for card in ACCELERATORS:
        assert card.source, card.name
        assert card.bandwidth > 0, card.name
        assert card.tflops > 0, card.name
        assert card.watts or card.vendor == "apple", card.name
        assert card.sizes == tuple(sorted(card.sizes)), card.name
        assert card.capability or card.vendor in ("intel", "apple", "amd"), card.name


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("2x Voodoo", "no accelerator named"),
        ("H100 96GB", "is sold with 80 GB, not 96"),
        ("M4 Max", "say how much"),
        ("100x H100", "not one machine"),
        ("", "no accelerator named"),
    ],
)
def test_a_machine_that_does_not_exist_is_refused(said: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        named(said)


def test_a_named_machine_has_its_cards_and_what_the_system_leaves_of_its_memory() -> None:
    machine = named("2x RTX 3060 12GB + 64GB RAM")

    assert [gpu.name for gpu in machine.gpus] == ["RTX 3060", "RTX 3060"]
    assert machine.gpus[0].memory == 12 * GIB * 98 // 100
    assert machine.free == 62 * GIB
    assert named("M4 Pro 24GB").gpus[0].memory == 16 * GIB


@settings(deadline=None)
@given(
    model=st.sampled_from(MODELS),
    machine=st.sampled_from(MACHINES),
    context=st.integers(1, 1 << 20),
)
def test_what_is_said_to_fit_has_room_for_all_weights_and_the_whole_cache(
    model: Candidate, machine: str, context: int
) -> None:
    thought = named(machine)
    for one in options(model, thought, context):
        if one.verdict == "fits":
            assert model.layers is not None
            have = sum(gpu.memory for gpu in thought.gpus[: one.devices]) if one.kind != "memory" else 0
            have += thought.free if one.kind != "gpu" and thought.unified is None else 0
            assert one.weights + cache_bytes(model.layers, context) < have
            assert context <= (model.context or context)
            assert one.longest >= context - 255
        else:
            assert one.speed is None


@settings(deadline=None)
@given(model=st.sampled_from(MODELS), context=st.integers(1, 1 << 18))
def test_a_context_that_fits_fits_when_it_is_shorter(model: Candidate, context: int) -> None:
    fits = {(o.scheme, o.place) for o in options(model, named("4x H100"), context) if o.verdict == "fits"}
    shorter = {(o.scheme, o.place) for o in options(model, named("4x H100"), max(context // 2, 1)) if o.need}

    assert {scheme for scheme, _ in fits} <= {scheme for scheme, _ in shorter}


def test_minimax_takes_the_cache_of_its_worked_example() -> None:
    model = BY_ID["minimax-m2.5"]
    assert model.layers is not None
    (one,) = [o for o in options(model, named("4x H100 SXM"), 8192) if o.scheme == "fp8"]

    assert bytes_a_token(model.layers) == 62 * 2 * 8 * 128 * 2 == 253_952
    assert one.need is not None
    assert one.need.cache == 253_952 * 8192 // 4
    assert one.verdict == "fits"
    assert one.devices == 4


def test_whole_layers_do_not_divide_evenly_so_the_fullest_card_counts() -> None:
    layers = (Full(layers=61, kv_heads=8, head_dim=128),)
    form = Form(scheme="q4_k_m", weights=61 * GIB, origin="published")
    model = Candidate(id="m", name="m", layers=layers, forms=(form,), total=100, active=100, share=1.0)
    (one,) = options(model, named("4x RTX 3090"), 256)

    assert one.need is not None
    assert one.need.weights >= 16 * GIB
    assert one.need.cache == cache_bytes((Full(layers=16, kv_heads=8, head_dim=128),), 256)


def test_a_format_without_kernels_is_no_option() -> None:
    turing, ampere = (next(iter(places(named(name)))) for name in ("T4", "A100"))
    instinct, apple = (next(iter(places(named(name)))) for name in ("MI300X", "M4 Max 64GB"))
    nvfp4, fp8, q4 = (Form(scheme=name, weights=1, origin="published") for name in ("nvfp4", "fp8", "q4_k_m"))

    assert [engine(nvfp4, place) for place in (turing, ampere, instinct, apple)] == [None, "vllm", None, None]
    assert [engine(fp8, place) for place in (turing, ampere, instinct, apple)] == [None, "vllm", "vllm", None]
    assert {engine(q4, place) for place in (turing, ampere, instinct, apple)} == {"llama.cpp"}


def test_memory_that_others_use_is_not_offered() -> None:
    card = Gpu(name="NVIDIA GeForce RTX 4090", memory=24 * GIB, used=12 * GIB, capability="8.9")
    idle = Gpu(name=card.name, memory=card.memory, used=0, capability="8.9")
    gemma = BY_ID["gemma-4-26b-a4b"]

    def on(gpu: Gpu) -> str:
        machine = Machine(system="Linux", processor="x", cores=1, memory=0, available=0, gpus=(gpu,))
        found = best(options(gemma, machine, 4096))
        assert found is not None
        return found.scheme if found.verdict == "fits" else found.verdict

    assert (on(idle), on(card)) == ("q5_k_m", "too_large")


def test_an_unknown_card_is_measured_for_memory_but_not_for_speed() -> None:
    card = Gpu(name="Voodoo 9", memory=80 * GIB, used=0)
    machine = Machine(system="Linux", processor="x", cores=1, memory=0, available=0, gpus=(card,))
    found = best(options(BY_ID["gemma-4-26b-a4b"], machine, 4096))

    assert found is not None
    assert (found.verdict, found.speed) == ("fits", None)


def test_a_file_is_measured_by_its_tensors_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    about: dict[str, int | str | list[str]] = {
        "general.architecture": "qwen3",
        "qwen3.block_count": 2,
        "qwen3.attention.head_count": 4,
        "qwen3.attention.head_count_kv": 2,
        "qwen3.attention.key_length": 64,
        "qwen3.attention.value_length": 64,
        "qwen3.embedding_length": 256,
        "qwen3.context_length": 4096,
    }
    whole = packed(tmp_path / "tiny-f32.gguf", [("blk.0.ffn_up.weight", [256, 256], F32)], about)
    found = opened(whole)

    assert found.layers == (Full(layers=2, kv_heads=2, head_dim=64),)
    assert (found.forms[0].weights, found.forms[0].scheme, found.context) == (256 * 256 * 4, "f32", 4096)
    assert [o.verdict for o in options(found, named("32GB RAM"), 4096)] == ["fits"]
    assert [o.verdict for o in options(found, named("32GB RAM"), 4097)] == ["too_long"]
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not whole"):
        opened(whole)


def test_a_file_whose_design_is_not_known_is_unknown_however_small(tmp_path: Path) -> None:
    found = opened(stored(tmp_path / "model-bf16.safetensors", {"w": ("BF16", [4, 4], 32)}))

    assert [o.verdict for o in options(found, named("32GB RAM"), 1)] == ["unknown"]


def test_a_processor_of_few_cores_is_predicted_slower_and_one_of_many_not_faster_than_those_measured() -> None:
    def decode(cores: int) -> float:
        machine = replace(named("64GB RAM"), cores=cores)
        (place,) = places(machine)
        model = BY_ID["gemma-4-26b-a4b"]
        form = next(form for form in model.forms if form.scheme == "q4")
        found = option(model, form, place, "llama.cpp", 8192).speed
        assert found is not None
        return found.decode.middle

    assert decode(2) < decode(4) < decode(8) == decode(0) == decode(64)
