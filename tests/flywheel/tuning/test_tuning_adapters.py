"""Engines that already run: adapters into vLLM, GGUF files into Ollama, and requests that wait for an engine."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flywheel.tuning.engine_world import LIMITS, Scripted, until
from freehold.core.errors import FreeholdError, Overloaded, SettingsWrong, Unreachable
from freehold.core.ports import Headers
from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool
from freehold.runtime.engines import choice
from freehold.runtime.engines.adapters import Ollama, Running, VllmAdapter
from freehold.runtime.engines.choice import engine, usual
from freehold.runtime.engines.process import Fleet, ProcessEngine
from freehold.runtime.engines.upstream import EngineUpstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def recipe(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path)


@pytest.fixture
async def server(recipe: Scripted, tmp_path: Path) -> AsyncGenerator[ProcessEngine]:
    engine = ProcessEngine(recipe, log=tmp_path / "engine.log", limits=LIMITS)
    yield engine
    await engine.close()


def told(recipe: Scripted, path: str) -> list[Any]:
    return [one["body"] for one in recipe.said() if one.get("path") == path]


async def test_an_adapter_is_loaded_once_while_others_are_served(
    server: ProcessEngine, recipe: Scripted, tmp_path: Path
) -> None:
    first, second = (VllmAdapter(server, name, tmp_path / name) for name in ("support-1", "support-2"))
    urls = await asyncio.gather(*(one.ensure_ready() for one in (first, first, first, second)))
    assert len(set(urls)) == 1
    loaded = told(recipe, "/v1/load_lora_adapter")
    assert sorted(one["lora_name"] for one in loaded) == ["support-1", "support-2"]
    assert str(tmp_path / "support-1") in [one["lora_path"] for one in loaded]
    assert len(recipe.starts()) == 1
    await first.unload()
    assert told(recipe, "/v1/unload_lora_adapter") == [{"lora_name": "support-1"}]
    assert server.loaded


async def test_an_adapter_is_loaded_again_after_the_server_crashed(
    server: ProcessEngine, recipe: Scripted, tmp_path: Path
) -> None:
    adapter = VllmAdapter(server, "support-1", tmp_path)
    await adapter.ensure_ready()
    os.kill(recipe.starts()[0], signal.SIGKILL)
    await until(lambda: server.crashes == 1)
    await adapter.ensure_ready()
    assert len(told(recipe, "/v1/load_lora_adapter")) == 2


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("old", SettingsWrong("start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True")),
        ("full", Overloaded("greater than max_lora_rank 16")),
    ],
)
async def test_an_adapter_that_cannot_be_loaded_says_why(
    mode: str, error: FreeholdError, server: ProcessEngine, recipe: Scripted, tmp_path: Path
) -> None:
    recipe.mode = mode
    with pytest.raises(type(error), match=error.message):
        await VllmAdapter(server, "support-1", tmp_path).ensure_ready()


async def test_a_server_of_somebody_else_is_only_asked_whether_it_is_there(server: ProcessEngine) -> None:
    url = await server.ensure_ready()
    running = Running(url, "m")
    assert await running.ensure_ready() == url
    await running.close()
    assert server.loaded
    await server.close()
    with pytest.raises(Unreachable, match="Nobody answers"):
        await running.ensure_ready()


async def test_a_file_is_sent_to_ollama_once_and_unloaded_when_asked(
    server: ProcessEngine, recipe: Scripted, tmp_path: Path
) -> None:
    root = (await server.ensure_ready()).removesuffix("/v1")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" * 50_000)
    for _ in range(2):
        ollama = Ollama("Support-1", file, url=root)
        assert await ollama.ensure_ready() == f"{root}/v1"
    (blob,) = [one["blob"] for one in recipe.said() if "blob" in one]
    assert told(recipe, "/api/create") == [{"model": "support-1", "files": {"model.gguf": blob}, "stream": False}]
    await ollama.close()
    assert told(recipe, "/api/generate") == [{"model": "support-1", "keep_alive": 0}]


async def test_an_artifact_gets_the_engine_that_is_asked_for(tmp_path: Path) -> None:
    artifact = tmp_path / "support-1"
    (artifact / "model").mkdir(parents=True)
    fleet, there = Fleet(1 << 40), Running("http://127.0.0.1:1/v1", "base")
    assert isinstance(engine("transformers", artifact, fleet=fleet, logs=tmp_path), ProcessEngine)
    assert isinstance(engine("vllm", artifact, fleet=fleet, logs=tmp_path, base=there), VllmAdapter)
    for kind in ("vllm", "ollama", "llama.cpp"):
        with pytest.raises(SettingsWrong, match=r"address|model\.gguf"):
            engine(kind, artifact, fleet=fleet, logs=tmp_path)
    (artifact / "model.gguf").touch()
    names = {engine(kind, artifact, fleet=fleet, logs=tmp_path).model for kind in ("ollama", "llama.cpp")}
    assert names == {"support-1"}


@pytest.mark.parametrize(
    ("installed", "file", "kind"), [(1, 1, "llama.cpp"), (1, 0, "transformers"), (0, 1, "transformers")]
)
def test_llama_cpp_is_usual_where_it_can_be(
    installed: int, file: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: installed or None)
    monkeypatch.setenv("PATH", str(tmp_path))
    if file:
        (tmp_path / "model.gguf").touch()
    assert usual(tmp_path) == kind


async def test_ollama_that_is_not_there_says_how_to_get_it(server: ProcessEngine, tmp_path: Path) -> None:
    root = (await server.ensure_ready()).removesuffix("/v1")
    await server.close()
    with pytest.raises(SettingsWrong, match="ollama serve"):
        await Ollama("x", tmp_path, url=root).ensure_ready()


class Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.error: FreeholdError | None = None
        self.over = asyncio.Event()

    def head(self, status: int, headers: Headers) -> None:
        self.status = status

    def data(self, piece: bytes) -> None:
        self.body += piece

    def done(self) -> None:
        self.over.set()

    def failed(self, error: FreeholdError) -> None:
        self.error = error
        self.over.set()


def upstream(server: ProcessEngine) -> EngineUpstream:
    return EngineUpstream(server, lambda url: Pool(url, name="engine", limits=PoolLimits()))


BODY = b'{"model":"support","messages":[{"role":"user","content":"hi"}],"odd":1.50}'


async def test_a_request_waits_for_the_engine_and_names_the_model_as_the_engine_does(
    server: ProcessEngine, recipe: Scripted
) -> None:
    there, heard = upstream(server), Heard()
    there.send("/chat/completions", (("content-type", "application/json"),), BODY, heard)
    assert not server.loaded
    await heard.over.wait()
    assert heard.status == 200
    assert msgspec.json.decode(heard.body)["model"] == "tuned-1"
    assert told(recipe, "/v1/chat/completions") == [
        {"model": "tuned-1", "messages": [{"role": "user", "content": "hi"}], "odd": 1.5}
    ]
    assert not server.busy
    await there.close()
    assert not server.loaded


async def test_a_request_finds_the_engine_after_it_moved(server: ProcessEngine, recipe: Scripted) -> None:
    there = upstream(server)
    for number in (1, 2):
        heard = Heard()
        there.send("/chat/completions", (("content-type", "application/json"),), BODY, heard)
        await heard.over.wait()
        assert heard.status == 200
        if number == 1:
            os.kill(recipe.starts()[0], signal.SIGKILL)
            await until(lambda: server.crashes == 1)
    await there.close()


async def test_a_request_whose_engine_does_not_start_fails_as_a_providers_would(
    server: ProcessEngine, recipe: Scripted
) -> None:
    recipe.mode = "broken"
    there, heard = upstream(server), Heard()
    there.send("/chat/completions", (), BODY, heard)
    await heard.over.wait()
    assert isinstance(heard.error, Unreachable)
    assert not server.busy
    await there.close()


async def test_a_caller_who_leaves_while_the_engine_loads_hears_nothing_more(
    server: ProcessEngine, recipe: Scripted
) -> None:
    there, left, stayed = upstream(server), Heard(), Heard()
    there.send("/chat/completions", (), BODY, left).cancel()
    there.send("/chat/completions", (("content-type", "application/json"),), BODY, stayed)
    await stayed.over.wait()
    assert stayed.status == 200
    assert (left.status, left.error) == (0, None)
    assert len(told(recipe, "/v1/chat/completions")) == 1
    await there.close()
