"""Engines in processes of their own: loaded once, watched, started again, kept within memory, ended with us."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from msgspec.structs import replace

from flywheel.tuning.engine_world import LIMITS, LONGEST, Looking, Scripted, until
from freehold.core.errors import Draining, Overloaded, SettingsWrong, TimedOut, Unreachable
from freehold.runtime.engines import recipes
from freehold.runtime.engines.engine import MIB, EngineLimits, memory_needed
from freehold.runtime.engines.process import Fleet, ProcessEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def running(recipe: Scripted, folder: Path, limits: EngineLimits = LIMITS) -> AsyncGenerator[ProcessEngine]:
    engine = ProcessEngine(recipe, log=folder / "engine.log", limits=limits)
    try:
        yield engine
    finally:
        await engine.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_many_who_ask_at_once_get_one_engine(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path)
    async with running(recipe, tmp_path) as engine:
        urls = await asyncio.gather(*(engine.ensure_ready() for _ in range(5)))
        assert len(set(urls)) == 1
        assert urls[0].endswith("/v1")
        assert len(recipe.starts()) == 1
        assert "ready with 0" in engine.tail()
        pid = recipe.starts()[0]
        assert alive(pid)
    assert not alive(pid)
    with pytest.raises(Draining):
        await engine.ensure_ready()


async def test_an_engine_that_nobody_uses_gives_its_memory_back_and_comes_again(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path)
    engine = Looking(recipe, log=tmp_path / "engine.log", limits=replace(LIMITS, idle=0.05))
    try:
        with engine.using():
            await engine.ensure_ready()
            pid = recipe.starts()[0]
            for _ in range(2):  # it looks again only where the first look left it loaded
                engine.looked.clear()
                async with asyncio.timeout(LONGEST):
                    await engine.looked.wait()
            assert engine.loaded  # in use, for longer than it may be idle
        await until(lambda: not engine.loaded)
        assert not alive(pid)
        await engine.ensure_ready()
        assert len(recipe.starts()) == 2
        assert engine.crashes == 0
    finally:
        await engine.close()


async def test_an_engine_that_crashes_is_started_again(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path)
    async with running(recipe, tmp_path) as engine:
        before = await engine.ensure_ready()
        os.kill(recipe.starts()[0], signal.SIGKILL)
        await until(lambda: engine.crashes == 1)
        after = await engine.ensure_ready()
        assert after != before
        assert len(recipe.starts()) == 2
        assert "ended by itself (137): started again" in engine.log.read_text()


async def test_an_engine_that_does_not_start_tells_the_last_it_said(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path, mode="broken")
    async with running(recipe, tmp_path) as engine:
        with pytest.raises(Unreachable, match=r"ended while it was loaded \(3\): CUDA out of memory; see .*engine.log"):
            await engine.ensure_ready()
        assert len(recipe.starts()) == 1 + LIMITS.restarts
        recipe.mode = "well"
        assert await engine.ensure_ready()


async def test_an_engine_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path)
    async with running(recipe, tmp_path, replace(LIMITS, start=0.0)) as engine:
        with pytest.raises(TimedOut, match="not loaded within 0 s"):
            await engine.ensure_ready()
        assert not engine.loaded


async def test_what_does_not_fit_into_memory_is_not_started(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path, need=300 * MIB)
    async with running(recipe, tmp_path, replace(LIMITS, memory=200 * MIB)) as engine:
        with pytest.raises(Overloaded, match="needs about 300 MiB, its bound is 200 MiB"):
            await engine.ensure_ready()
    recipe = Scripted(tmp_path, need=1 << 60)
    async with running(recipe, tmp_path) as engine:
        with pytest.raises(Overloaded, match="MiB of memory are free"):
            await engine.ensure_ready()
    assert recipe.starts() == []


async def test_an_engine_that_grows_beyond_its_bound_is_ended(tmp_path: Path) -> None:
    recipe = Scripted(tmp_path, mode="fat")
    async with running(recipe, tmp_path, replace(LIMITS, memory=120 * MIB, restarts=0)) as engine:
        await engine.ensure_ready()
        await until(lambda: engine.crashes == 1)
        assert not engine.loaded
        assert "more than its bound of 120 MiB: ended" in engine.log.read_text()


async def test_who_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    fleet = Fleet(100 * MIB)
    a, b, c = (
        fleet.add(Scripted(tmp_path, model=name, need=40 * MIB), log=tmp_path / f"{name}.log", limits=LIMITS)
        for name in "abc"
    )
    try:
        await a.ensure_ready()
        await b.ensure_ready()
        await a.ensure_ready()
        await c.ensure_ready()
        assert [a.loaded, b.loaded, c.loaded] == [True, False, True]
        with a.using(), c.using(), pytest.raises(Overloaded, match="20 MiB are left by engines in use"):
            await b.ensure_ready()
    finally:
        await fleet.close()
    assert [a.loaded, c.loaded] == [False, False]


async def test_engines_that_load_at_once_do_not_take_the_same_room(tmp_path: Path) -> None:
    fleet = Fleet(100 * MIB)
    both = [
        fleet.add(Scripted(tmp_path, model=name, need=60 * MIB), log=tmp_path / f"{name}.log", limits=LIMITS)
        for name in "ab"
    ]
    try:
        ended = await asyncio.gather(*(one.ensure_ready() for one in both), return_exceptions=True)
    finally:
        await fleet.close()
    assert [type(e).__name__ for e in ended] == ["str", "Overloaded"]


def test_an_engine_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flywheel.tuning.engine_world", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().decode().strip()
        with urlopen(f"{url}/models") as reply:
            assert reply.status == 200
        (pid,) = Scripted(tmp_path).starts()
        owner.kill()
    asyncio.run(until(lambda: not alive(pid)))


async def test_what_is_not_installed_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "config.json").touch()
    ways = {
        recipes.Transformers(tmp_path): r"torch and transformers not installed: pip install 'freehold\[train\]'",
        recipes.LlamaCpp(tmp_path): "pip install xllamacpp, or put llama-server on the PATH",
        recipes.Vllm("base"): "pip install vllm",
    }
    for recipe, way in ways.items():
        with pytest.raises(SettingsWrong, match=way):
            await ProcessEngine(recipe, log=tmp_path / "log", limits=LIMITS).ensure_ready()


def test_weights_are_found_in_what_a_tuner_made(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "model.gguf").write_bytes(bytes(500))
    assert recipes.Transformers(tmp_path).need == 1200
    assert recipes.LlamaCpp(tmp_path).need == 600
    assert memory_needed(tmp_path) == 1200
    assert recipes.Transformers(tmp_path).launch(7).command[2:] == (
        "freehold.runtime.engines.chat_server",
        str(tmp_path / "model"),
        "7",
        tmp_path.name,
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsWrong, match=r"holds no model\.gguf"):
        recipes.LlamaCpp(tmp_path / "empty")


def program(folder: Path, name: str, notes: Path) -> None:
    """A program of this name that runs the scripted server on the port that its arguments name."""
    path = folder / name
    path.write_text(
        '#!/bin/sh\nport=\nfor a in "$@"; do [ "$before" = --port ] && port=$a; before=$a; done\n'
        f'exec {sys.executable} {Path(__file__).with_name("engine_script.py")} $port well {notes} "$@"\n'
    )
    path.chmod(0o755)


async def test_llama_server_is_run_where_it_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "tuned-1.notes"
    program(tmp_path, "llama-server", notes)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    engine = ProcessEngine(recipes.LlamaCpp(file, context=2048), log=tmp_path / "log", limits=LIMITS)
    try:
        url = await engine.ensure_ready()
    finally:
        await engine.close()
    args = Scripted(tmp_path).said()[0]["args"]
    assert dict(zip(args[::2], args[1::2], strict=True)) == {
        "--model": str(file),
        "--alias": "model.gguf",
        "--host": "127.0.0.1",
        "--port": url.removesuffix("/v1").rpartition(":")[2],
        "--ctx-size": "2048",
    }


async def test_vllm_is_run_ready_for_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "vllm", tmp_path / "tuned-1.notes")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    engine = ProcessEngine(recipes.Vllm("acme/base", rank=16), log=tmp_path / "log", limits=LIMITS)
    try:
        await engine.ensure_ready()
    finally:
        await engine.close()
    (start,) = Scripted(tmp_path).said()
    assert start["args"][:2] == ["serve", "acme/base"]
    assert start["args"][-3:] == ["--enable-lora", "--max-lora-rank", "16"]
    assert start["lora"] == "True"
