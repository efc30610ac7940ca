"""`freehold models fit` and what `models show` says of your hardware."""

from pathlib import Path

import pytest


def test_open_models_are_listed_on_a_named_machine_those_that_fit_first(freehold) -> None:
    told = freehold("models", "fit", "--machine", "2x H100 SXM", "--context", "32768").out
    lines = told.splitlines()

    assert "2x H100 SXM: 78.4 GiB each, 3,350 GB/s" in told
    minimax = next(line for line in lines if line.startswith("minimax-m2.5 "))
    assert minimax.split()[1:6] == ["2x", "H100", "SXM", "nvfp4", "vllm"]
    assert " fits " in minimax
    assert " to " in minimax.split("each")[1]
    kimi = next(line for line in lines if line.startswith("kimi-k2.5 "))
    assert " too large " in kimi
    assert lines.index(minimax) < lines.index(kimi)


def test_the_list_as_json_has_every_option_with_bytes_and_intervals(freehold) -> None:
    found = freehold("models", "fit", "minimax-m2.5", "--machine", "4x H100 SXM", "--json").json
    (model,) = found["models"]

    fp8 = next(one for one in model["options"] if one["scheme"] == "fp8")
    assert found["context"] == 8192
    assert fp8["need"]["cache"] == 253_952 * 8192 // 4
    assert fp8["need"]["weights"] + fp8["need"]["cache"] + fp8["need"]["engine"] <= fp8["usable"]
    assert fp8["speed"]["decode"]["low"] < fp8["speed"]["decode"]["middle"] < fp8["speed"]["decode"]["high"]


def test_what_is_predicted_too_vaguely_to_decide_by_is_shown_as_unknown_and_kept_in_the_json(freehold) -> None:
    asked = ("models", "fit", "qwen3.5-122b", "--machine", "RTX 4090 + 128GB RAM")
    lines = freehold(*asked).out.splitlines()
    (model,) = freehold(*asked, "--json").json["models"]
    spilled = next(one for one in model["options"] if one["kind"] == "both" and one["verdict"] == "fits")

    first, decode = spilled["speed"]["first_token"], spilled["speed"]["decode"]
    row = next(line for line in lines if line.startswith("RTX 4090 + memory") and spilled["scheme"] in line)
    assert first["high"] > 30 * first["low"]
    assert decode["high"] < 30 * decode["low"]
    assert row.split()[-4:-1][1] == "to"
    assert row.split()[-1] == "unknown"


def test_this_machine_is_read_from_the_system(freehold) -> None:
    found = freehold("models", "fit", "--json").json

    assert found["machine"]["memory"] > 0
    assert {"minimax-m2.5", "deepseek-r1"} <= {model["model"] for model in found["models"]}


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["gpt-5"], "GPT-5 has no public weights"),
        (["nothing-like-it"], "neither a file nor a model of the catalog named nothing-like-it"),
        (["--machine", "3x Voodoo"], "no accelerator named"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_reason(freehold, arguments: list[str], wrong: str) -> None:
    said = freehold("models", "fit", *arguments)

    assert said.code == 1
    assert wrong in said.err


def test_a_file_that_is_not_a_model_is_refused(freehold, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF\x03\x00")
    said = freehold("models", "fit", "broken.gguf")

    assert said.code == 1
    assert said.err == "freehold: broken.gguf is not a model that can be measured: the GGUF header is cut\n"


def test_show_says_memory_and_speed_on_my_hardware_of_open_models_alone(freehold) -> None:
    asked = ("--machine", "RTX 4090", "--context", "16384")
    told = freehold("models", "show", "gemma-4-26b-a4b", *asked).out
    found = freehold("models", "show", "gemma-4-26b-a4b", *asked, "--json").json
    closed = freehold("models", "show", "gpt-5", *asked, "--json").json

    row = next(line for line in told.splitlines() if line.startswith("RTX 4090 "))
    assert row.split()[2:6] == ["q5_k_m", "~", "llama.cpp", "fits"]
    assert found["fit"]["best"]["context"] == 16384
    assert (closed["fit"], closed["machine"]) == (None, None)


def test_a_model_whose_layers_nobody_described_is_unknown_instead_of_guessed(freehold) -> None:
    told = freehold("models", "fit", "gpt-oss-120b", "--machine", "8x H200")
    found = freehold("models", "fit", "gpt-oss-120b", "--machine", "8x H200", "--json").json

    assert "GPT OSS 120B: unknown. The catalog does not describe its layers and sizes" in told.out
    assert [(one["verdict"], one["best"]) for one in found["models"]] == [("unknown", None)]
