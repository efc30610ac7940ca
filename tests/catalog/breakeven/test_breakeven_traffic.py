"""Traffic from files: the formats of published traces and plain ones; what is wrong names its line."""

import gzip
from pathlib import Path

import pytest

from freehold.catalog.breakeven.traces import traffic
from freehold.catalog.breakeven.traffic import MONTH, STRETCH, Asked, observed

ROOT = Path(__file__).parents[3]
TRACES = ROOT.parent / "shared" / "data" / "traces"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "t_ms,in,out\n0,100,10\n2000,200,20\n"),
        ("a.csv.gz", "time,input,output\n5,100,10\n7,200,20\n"),
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,100,10\n2023-11-16 18:15:48,200,20\n"),
        ("a.jsonl", '{"t_ms": 0, "in": 100, "out": 10}\n\n{"t_ms": 2000, "in": 200, "out": 20}\n'),
        ("a.json", '[{"time": 0, "input": 100, "output": 10}, {"time": 2.0, "input": 200, "output": 20}]'),
    ],
)
def test_requests_are_read_with_their_times_and_tokens(tmp_path: Path, name: str, text: str) -> None:
    found = traffic(written(tmp_path, name, text))

    assert list(found.every) == [Asked(0.0, 100, 10), Asked(2.0, 200, 20)]
    assert found.span == 4.0
    assert found.tokens_a_month == pytest.approx(330 * MONTH / 4)


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("a.csv", "t_ms,in,out\n0,1,1\n1,many,1\n", "a.csv, request 2: invalid literal"),
        ("a.csv", "when,in,out\n0,1,1\n", "it names no time"),
        ("a.csv", "time,in\n0,1\n", "it names no output"),
        ("a.csv", "time,in,out\n0,1,-1\n", "tokens are counts"),
        ("a.csv", "time,in,out\nsoon,1,1\n", "request 1: Invalid isoformat"),
        ("a.csv", "time,in,out\n0,1,1\n", "has 1 requests"),
        ("a.csv", "", "has 0 requests"),
        ("a.jsonl", '{"time": 0,\n', "a.jsonl, line 1"),
        ("a.jsonl", '{"time": 0, "input": 5, "output": 1, "cached": 6}\n', "cached a part of the input"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, name: str, text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        traffic(written(tmp_path, name, text))


def test_a_prefix_is_cached_while_a_provider_would_keep_it(tmp_path: Path) -> None:
    lines = [
        '{"t_ms": 0, "in": 1100, "out": 1, "blocks": [1, 2, 3]}',
        '{"t_ms": 1000, "in": 1600, "out": 1, "blocks": [1, 2, 4, 3]}',
        '{"t_ms": 600000, "in": 1100, "out": 1, "blocks": [1, 2, 3]}',
    ]
    found = traffic(written(tmp_path, "a.jsonl", "\n".join(lines)))

    assert [one.cached for one in found.every] == [0, 1024, 0]


def test_long_observations_are_cut_into_stretches_and_the_busiest_is_the_peak() -> None:
    calm = [Asked(float(n), 10, 1) for n in range(STRETCH)]
    rush = [Asked(STRETCH + n / 100, 10, 1) for n in range(STRETCH)]
    found = observed("x", [*calm, *rush])

    assert [len(stretch) for stretch in found.stretches] == [STRETCH, STRETCH]
    assert found.peak is found.stretches[1]
    assert found.peak[0].at == 0.0
    assert found.peak[-1].at == pytest.approx(19.99)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the traces are not in {TRACES}")
@pytest.mark.parametrize(
    ("name", "requests", "input_", "output"),
    [
        ("azure2023_code.dev.csv.gz", 5950, 2022, 27),
        ("azure2023_conv.dev.csv.gz", 11104, 1259, 210),
        ("mooncake_conversation.dev.jsonl.gz", 6212, 12743, 346),
        ("mooncake_synthetic.dev.jsonl.gz", 2114, 12453, 190),
    ],
)
def test_published_traces_have_the_figures_of_their_description(
    name: str, requests: int, input_: int, output: int
) -> None:
    found = traffic(TRACES / name)

    assert (found.requests, round(found.input / requests), round(found.output / requests)) == (requests, input_, output)
    assert 0 <= found.cached <= found.input * 0.345


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the traces are not in {TRACES}")
def test_an_arrival_model_is_played_at_its_rates_and_lengths_and_the_same_for_a_seed() -> None:
    path = TRACES / "servegen_reason_deepseek-r1.dev.json.gz"
    one, same, other = traffic(path, seed=1), traffic(path, seed=1), traffic(path, seed=2)

    assert one == same
    assert one != other
    assert one.requests * one.times == pytest.approx(26.2e6, rel=0.02)
    assert one.output / one.requests == pytest.approx(1750, rel=0.15)
