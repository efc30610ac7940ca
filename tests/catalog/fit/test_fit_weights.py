"""Weights from headers: files written here byte by byte after their formats, whole and damaged."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from freehold.catalog.fit.gguf import BLOCKS
from freehold.catalog.fit.weights import weights

F32, Q4_K = 0, 12


def stored(path: Path, tensors: Mapping[str, tuple[str, list[int], int]]) -> Path:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (kind, shape, size) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))
    return path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def packed(
    path: Path, tensors: Sequence[tuple[str, list[int], int]], about: Mapping[str, int | str | list[str]] | None = None
) -> Path:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about or {}))
    for key, value in (about or {}).items():
        match value:
            case int():
                head += text(key) + struct.pack("<II", 4, value)
            case str():
                head += text(key) + struct.pack("<I", 8) + text(value)
            case list():
                head += text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(v) for v in value)
    offset = 0
    for name, shape, kind in tensors:
        elements = 1
        for axis in shape:
            elements *= axis
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        block, size = BLOCKS[kind]
        offset += elements // block * size
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(offset))
    return path


def test_a_dense_file_reads_all_but_the_embeddings_that_it_looks_up(tmp_path: Path) -> None:
    found = weights(
        stored(
            tmp_path / "model.safetensors",
            {
                "model.embed_tokens.weight": ("BF16", [100, 8], 1600),
                "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", [16, 8], 128),
                "model.layers.0.mlp.packed": ("F4", [16, 8], 64),
                "lm_head.weight": ("BF16", [100, 8], 1600),
            },
        )
    )

    assert (found.bytes, found.active, found.elements) == (3392, 1792, 1856)


def test_embeddings_that_are_the_output_head_too_are_read(tmp_path: Path) -> None:
    found = weights(stored(tmp_path / "m.safetensors", {"model.embed_tokens.weight": ("BF16", [100, 8], 1600)}))

    assert found.active == found.bytes == 1600


def test_a_folder_counts_the_files_of_its_index_and_only_the_picked_experts_as_read(tmp_path: Path) -> None:
    stored(tmp_path / "a.safetensors", {"layers.0.mlp.experts.0.up.weight": ("BF16", [8, 8], 128)})
    stored(tmp_path / "b.safetensors", {"layers.0.mlp.experts.1.up.weight": ("BF16", [8, 8], 128)})
    stored(tmp_path / "consolidated.safetensors", {"everything": ("BF16", [999], 1998)})
    weight_map = {
        "layers.0.mlp.experts.0.up.weight": "a.safetensors",
        "layers.0.mlp.experts.1.up.weight": "b.safetensors",
    }
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    assert weights(tmp_path).active is None

    (tmp_path / "config.json").write_text(
        json.dumps({"text_config": {"num_experts": 2, "num_experts_per_tok": 1}, "quantization_config": {"bits": 4}})
    )
    found = weights(tmp_path)

    assert (found.bytes, found.active) == (256, 128)


def test_a_gguf_in_two_parts_is_one_model(tmp_path: Path) -> None:
    about = {
        "general.architecture": "qwen3moe",
        "qwen3moe.expert_count": 8,
        "qwen3moe.expert_used_count": 2,
        "tokenizer.ggml.tokens": ["a", "b"],
    }
    first = packed(tmp_path / "m-00001-of-00002.gguf", [("blk.0.ffn_up_exps.weight", [256, 8], Q4_K)], about)
    packed(tmp_path / "m-00002-of-00002.gguf", [("blk.0.attn_norm.weight", [256], F32)])
    found = weights(first)

    assert (found.bytes, found.active) == (8 * 144 + 1024, 2 * 144 + 1024)
    assert found.about["qwen3moe.expert_count"] == 8
    assert "tokenizer.ggml.tokens" not in found.about
    assert weights(tmp_path) == found


def test_which_of_several_quantisations_is_meant_is_not_guessed(tmp_path: Path) -> None:
    packed(tmp_path / "q4.gguf", [("a", [256], Q4_K)])
    packed(tmp_path / "q8.gguf", [("a", [256], F32)])

    with pytest.raises(ValueError, match="2 models: name one file"):
        weights(tmp_path)


@pytest.mark.parametrize("suffix", ["gguf", "safetensors"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    if suffix == "gguf":
        packed(path, [("a", [256], Q4_K), ("b", [256], F32)], {"general.architecture": "llama"})
    else:
        stored(path, {"a": ("BF16", [8, 8], 128)})
    whole = path.read_bytes()
    assert weights(path).bytes > 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut|whole|not a"):
            weights(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (("BF16", [8, 9], 128), "shape"),
        (("Q99", [8, 8], 128), "unknown type"),
    ],
)
def test_a_header_that_does_not_add_up_is_refused(
    tmp_path: Path, tensor: tuple[str, list[int], int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        weights(stored(tmp_path / "m.safetensors", {"a": tensor}))


def test_a_type_we_do_not_know_is_not_taken_for_nothing(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.gguf", [("a", [256], F32)])
    path.write_bytes(path.read_bytes().replace(struct.pack("<QIQ", 256, F32, 0), struct.pack("<QIQ", 256, 999, 0)))

    with pytest.raises(ValueError, match="unknown type 999"):
        weights(path)


def test_a_header_that_claims_more_than_any_could_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0))
    with pytest.raises(ValueError, match="claims"):
        weights(path)


def test_an_index_that_names_a_missing_or_a_foreign_file_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "gone.safetensors"}}')
    with pytest.raises(ValueError, match=r"lacks gone\.safetensors"):
        weights(tmp_path)
    index.write_text('{"weight_map": {"a": "../secret"}}')
    with pytest.raises(ValueError, match="outside"):
        weights(tmp_path)


def test_sizes_of_blocks_are_those_of_the_gguf_library() -> None:
    library = pytest.importorskip("gguf")
    theirs = {int(kind): size for kind, size in library.GGML_QUANT_SIZES.items()}

    assert {kind: theirs[kind] for kind in BLOCKS} == BLOCKS
