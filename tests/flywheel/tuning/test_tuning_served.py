"""What was tuned, served for real: by `transformers` and by llama.cpp, each in a process of its own."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest

from flywheel.tuning.engine_world import LIMITS
from flywheel.tuning.tiny_model import peft, tiny, torch, transformers
from freehold.runtime.engines.process import ProcessEngine, Recipe
from freehold.runtime.engines.recipes import LlamaCpp, Transformers
from freehold.runtime.gguf.export import write

pytestmark = [pytest.mark.filterwarnings("ignore")]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
ASKED = [{"role": "user", "content": "Where is my parcel?"}]


@dataclass
class Served:
    """An engine, and what the same weights say in this process."""

    url: str
    text: str
    ids: list[int]
    prompt: int
    tokenizer: Any

    async def ask(self, **more: Any) -> tuple[int, bytes]:
        body = {"model": "tiny", "messages": ASKED, "temperature": 0, "max_tokens": 12, **more}
        return await asyncio.to_thread(_post, f"{self.url}/chat/completions", msgspec.json.encode(body))


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    try:
        with urlopen(Request(url, body, {"content-type": "application/json"})) as reply:
            return reply.status, reply.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned model as a tuner leaves it."""
    folder = tmp_path_factory.mktemp("artifact")
    base = tiny(folder / "model", template=TEMPLATE)
    write(base, folder / "model.gguf")
    torch.manual_seed(3)
    adapted = peft.get_peft_model(
        transformers.AutoModelForCausalLM.from_pretrained(base),
        peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False),
    )
    adapted.save_pretrained(folder / "alone" / "adapter")
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(folder / "alone" / "adapter")
    return folder


async def started(recipe: Recipe, model: Any, folder: Path, log: Path) -> tuple[ProcessEngine, Served]:
    engine = ProcessEngine(recipe, log=log, limits=LIMITS)
    url = await engine.ensure_ready()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=1)
    new = out[0, ids.shape[1] :].tolist()
    text = tokenizer.decode(new, skip_special_tokens=True)
    return engine, Served(url, text, new, ids.shape[1], tokenizer)


@pytest.fixture(scope="module")
async def served(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served]:
    model = transformers.AutoModelForCausalLM.from_pretrained(artifact / "model")
    log = tmp_path_factory.mktemp("logs") / "log"
    engine, found = await started(Transformers(artifact), model, artifact / "model", log)
    yield found
    await engine.close()


def content(body: bytes) -> str:
    return msgspec.json.decode(body)["choices"][0]["message"]["content"]


async def test_the_engine_says_what_the_model_says(served: Served) -> None:
    status, body = await served.ask()
    said = msgspec.json.decode(body)
    assert status == 200
    assert said["choices"][0]["message"]["content"] == served.text
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"] == {
        "prompt_tokens": served.prompt,
        "completion_tokens": 12,
        "total_tokens": served.prompt + 12,
    }


async def test_a_stream_says_the_same_in_pieces(served: Served) -> None:
    status, body = await served.ask(stream=True, stream_options={"include_usage": True})
    events = [line.removeprefix("data: ") for line in body.decode().splitlines() if line]
    assert status == 200
    assert events[-1] == "[DONE]"
    chunks = [msgspec.json.decode(e) for e in events[:-1]]
    pieces = [c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]]
    assert "".join(pieces) == served.text
    assert len([p for p in pieces if p]) > 2
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["completion_tokens"] == 12


async def test_a_stop_string_ends_the_answer_before_it(served: Served) -> None:
    stop = served.text[4:7]
    _, body = await served.ask(stop=[stop])
    assert content(body) == served.text[: served.text.index(stop)]
    assert msgspec.json.decode(body)["choices"][0]["finish_reason"] == "stop"
    _, streamed = await served.ask(stop=stop, stream=True)
    events = [line.removeprefix("data: ") for line in streamed.decode().splitlines() if line][:-1]
    pieces = [msgspec.json.decode(e)["choices"][0]["delta"].get("content", "") for e in events]
    assert "".join(pieces) == content(body)


async def test_the_same_seed_samples_the_same(served: Served) -> None:
    answers = [content((await served.ask(temperature=1.5, seed=s))[1]) for s in (1, 1, 2)]
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tools": [{"type": "function"}]}, "cannot do tools"),
        ({"response_format": {"type": "json_object"}}, "cannot do response_format"),
        ({"n": 2}, "n must be 1"),
        ({"temperature": 9}, "temperature"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "reads text only"),
        ({"messages": [{"role": "user", "content": "long " * 300}]}, "the model takes 256"),
    ],
)
async def test_what_it_cannot_do_is_refused_by_name(more: dict[str, Any], told: str, served: Served) -> None:
    status, body = await served.ask(**more)
    assert status == 400
    assert told in msgspec.json.decode(body)["error"]["message"]


async def test_an_adapter_is_served_on_its_base(artifact: Path, tmp_path: Path) -> None:
    folder = artifact / "alone" / "adapter"
    model = peft.AutoPeftModelForCausalLM.from_pretrained(folder)
    engine, found = await started(Transformers(artifact / "alone"), model, folder, tmp_path / "log")
    try:
        assert content((await found.ask())[1]) == found.text
    finally:
        await engine.close()


async def test_llama_cpp_says_what_transformers_says(artifact: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is tried where xllamacpp is installed")
    model = transformers.AutoModelForCausalLM.from_pretrained(artifact / "model")
    recipe = LlamaCpp(artifact, context=256)
    engine, found = await started(recipe, model, artifact / "model", tmp_path / "log")
    try:
        status, body = await found.ask(max_tokens=4)  # few: it computes in half numbers, and the model is nearly random
        said = msgspec.json.decode(body)
        assert status == 200
        assert said["choices"][0]["message"]["content"] == found.tokenizer.decode(found.ids[:4])
        assert said["usage"]["prompt_tokens"] == found.prompt
    finally:
        await engine.close()
    assert not engine.loaded
