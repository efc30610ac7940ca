"""Tensors on disk, as safetensors."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from freehold.runtime.tensors import KINDS, Tensor, read_safetensors, safetensors

TENSOR = st.sampled_from(sorted(KINDS.values())).flatmap(
    lambda kind: arrays.arrays(np.dtype(kind), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@given(st.dictionaries(st.text(max_size=5), TENSOR, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Tensor]) -> None:
    path = tmp_path_factory.mktemp("tensors") / "t.safetensors"
    path.write_bytes(safetensors(tensors))

    back = read_safetensors(path)

    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].tobytes() == tensor.tobytes()
        assert back[name].shape == tensor.shape


def file(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_a_file_written_by_others_is_read(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "half": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "odd": {"dtype": "F32", "shape": [1, 1], "data_offsets": [5, 9]},
    }
    data = bytes.fromhex("803f00c0") + b"\0" + np.array([2.5], "<f4").tobytes()

    back = read_safetensors(file(tmp_path / "t", header, data))

    assert back["half"].tolist() == [1.0, -2.0]
    assert back["odd"].tolist() == [[2.5]]


@pytest.mark.parametrize(
    "place",
    [
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]},
        {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32"},
    ],
)
def test_a_place_that_does_not_fit_is_refused(tmp_path: Path, place: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_safetensors(file(tmp_path / "t", {"x": place}, bytes(8)))


def test_a_header_longer_than_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes((2**40).to_bytes(8, "little") + b"{}")

    with pytest.raises(msgspec.ValidationError, match="does not fit"):
        read_safetensors(tmp_path / "t")
