"""`freehold breakeven`: from a trace file, and from what a real gateway recorded."""

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from command_world import shell, up

SETTINGS = """
[simulated.paid]
price = { input = "3.00", output = "6.00" }
[deployments.paid]
provider = "paid"
model = "m"
[routes.support]
deployments = ["paid"]
[routes.other]
deployments = ["paid"]
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with eight answers on one route and four on another."""
    folder = tmp_path_factory.mktemp("breakeven")
    (folder / "freehold.toml").write_text(SETTINGS)
    with up(folder, "--settings", "freehold.toml", "--data", "data") as gateway:
        for route in ["support"] * 8 + ["other"] * 4:
            body = json.dumps({"model": route, "messages": [{"role": "user", "content": "Hello, who is there?"}]})
            url = f"{gateway.url}/v1/chat/completions"
            shell(f"curl -s {url} -H 'content-type: application/json' -d '{body}'", folder)
    return folder / "data"


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Two requests a second, 900 + 60 tokens on average, for five minutes."""
    rows = [f"{n * 0.5},{500 + 80 * (n % 11)},{20 + 8 * (n % 11)}" for n in range(600)]
    (tmp_path / "trace.csv").write_text("time,input,output\n" + "\n".join(rows) + "\n")
    return "trace.csv"


def test_the_answer_names_traffic_hardware_crossing_band_and_every_assumption(freehold, trace: str) -> None:
    told = freehold("breakeven", "--trace", trace, "--model", "gemma-4-26b-a4b", "--api", "gpt-5").out

    assert told.startswith("Traffic: trace.csv, 600 requests in 5 minutes with 898 + 60 tokens on average;")
    assert "Own: Gemma 4 26B A4B in bf16, H100 SXM for each replica, vllm" in told
    assert "/gpt-5" in told.splitlines()[1]
    assert "Own hardware is cheaper than the API from " in told
    assert "80 % band: " in told
    assert "% of what they can take" in told
    assert "What moves the crossing of own hardware" in told
    assert "kg CO2 a month" in told
    for name in ("power_price", "pue", "wage", "buy", "rent", "carbon", "spare"):
        assert f"\n{name} " in told, name
    assert "not measured" in told


def test_as_json_the_money_adds_up_and_the_seed_decides(freehold, trace: str) -> None:
    asked = ("breakeven", "--trace", trace, "--model", "gemma-4-26b-a4b", "--api", "gpt-5", "--json")
    found, again = freehold(*asked).json, freehold(*asked).json

    assert found == again
    for option in found["options"].values():
        assert option["total"] == sum(option["spent"]["parts"].values())
    assert set(found["options"]) == {"api", "rented", "owned", "burst"}
    assert found["crossings"]["owned"]["times"] > 0
    assert found["serving"]["option"]["verdict"] == "fits"


def test_an_assumption_of_ones_own_counts_and_is_shown_as_given(freehold, trace: str) -> None:
    asked = ("breakeven", "--trace", trace, "--model", "gemma-4-26b-a4b", "--api", "gpt-5", "--json")
    usual, dear = freehold(*asked).json, freehold(*asked, "--set", "buy=200000", "--set", "wage=0").json

    assert dear["crossings"]["owned"]["times"] > usual["crossings"]["owned"]["times"]
    assert dear["options"]["owned"]["spent"]["parts"]["staff"] == 0
    (buy,) = [one for one in dear["assumptions"] if one["name"] == "buy"]
    assert (buy["value"], buy["low"], buy["high"], buy["source"]) == (200_000, 200_000, 200_000, "given")


def test_the_plot_is_an_svg_file(freehold, trace: str, tmp_path: Path) -> None:
    said = freehold("breakeven", "--trace", trace, "--api", "gpt-5", "--plot", "plot.svg")

    assert said.code == 0
    root = ElementTree.fromstring((tmp_path / "plot.svg").read_text())
    assert "tokens a month" in (root.findtext("{http://www.w3.org/2000/svg}title") or "")


def test_the_traffic_of_a_route_is_read_from_the_ledger_with_what_it_did_cost(freehold, recorded: Path) -> None:
    records = freehold("inferences", "list", "--data", str(recorded), "--json").json
    spent = sum(record["cost"] for record in records if record["route"] == "support")
    found = freehold("breakeven", "--data", str(recorded), "--route", "support", "--json").json

    assert found["traffic"]["source"] == "route support"
    assert found["traffic"]["requests"] == 8
    assert found["api"] == "what it did cost"
    (fall,) = [one for one in found["assumptions"] if one["name"] == "api_fall"]
    api = found["options"]["api"]["spent"]["parts"]
    months = found["traffic"]["requests_a_month"] / 8
    left = (1 - fall["value"]) ** 2  # the middle of four years, about the mean
    assert api["input"] + api["output"] == pytest.approx(spent * months * left, rel=0.02)
    whole = freehold("breakeven", "--data", str(recorded), "--json").json
    assert whole["traffic"]["requests"] == 12


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--plot", "plot.png"], "A plot is an SVG file; plot.png is none"),
        (["--hardware", "3x Voodoo"], "no accelerator named"),
        (["--hardware", "64GB RAM"], "not such hardware"),
        (["--hardware", "H100 SXM + RTX 4090"], "not such hardware"),
        (["--hardware", "T4", "--model", "deepseek-r1"], "DeepSeek-R1 does not fit with 1,400 tokens"),
        (["--hardware", "RTX 3070", "--model", "gemma-4-26b-a4b"], "does not fit"),
        (["--hardware", "A30", "--api", "gpt-5"], "buy (USD for an accelerator) is not known for a30"),
        (["--model", "gpt-5"], "has no public weights"),
        (["--model", "nobody"], "neither a file nor a model"),
        (["--api", "nobody/nothing"], "no price that counts for nobody/nothing"),
        (["--set", "pue=0.5", "--api", "gpt-5"], "pue = 0.5 cannot be"),
        (["--part", "1.5"], "--part is between 0.5 and 0.999"),
        (["--cache-hits", "1"], "--cache-hits is at least 0 and below 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    freehold, trace: str, arguments: list[str], wrong: str
) -> None:
    said = freehold("breakeven", "--trace", trace, *arguments)

    assert said.code == 1
    assert wrong in said.err
    assert said.out == ""


def test_hardware_without_known_prices_works_when_they_are_said(freehold, trace: str) -> None:
    asked = ("--hardware", "A30", "--model", "gemma-4-26b-a4b", "--api", "gpt-5")
    found = freehold("breakeven", "--trace", trace, *asked, "--set", "buy=4000", "--set", "rent=0.4", "--json").json

    assert found["options"]["owned"]["total"] > 0


def test_a_damaged_trace_names_the_line(freehold, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("time,input,output\n0,1,1\n1,x,1\n")
    said = freehold("breakeven", "--trace", "bad.csv")

    assert said.code == 1
    assert said.err.startswith("freehold: The trace cannot be read: bad.csv, request 2: invalid literal")


def test_a_folder_without_traffic_says_what_to_do(freehold, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = freehold("breakeven", "--data", "data")

    assert said.code == 1
    assert "the ledger has 0 requests with tokens" in said.err
    assert "--trace" in said.err


def test_a_file_of_a_model_can_be_compared(freehold, trace: str, tmp_path: Path) -> None:
    """A header is enough: the bytes of this one are a hole in the file."""
    about = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64}
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "config.json").write_bytes(msgspec.json.encode({**about, "max_position_embeddings": 8192}))
    size = 4096 * 4096 * 2
    header = json.dumps({"w": {"dtype": "BF16", "shape": [4096, 4096], "data_offsets": [0, size]}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    found = freehold("breakeven", "--trace", trace, "--model", "own", "--api", "gpt-5", "--json").json

    assert found["serving"]["option"]["weights"] == size
    assert found["serving"]["option"]["origin"] == "file"
