"""Engines that already run and are told what to load: an adapter for vLLM, a GGUF file for Ollama."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

from freehold.core.errors import Overloaded, ProviderError, SettingsWrong, Unreachable
from freehold.runtime.engines import talk
from freehold.runtime.engines.engine import Engine

BELIEVED = 30.0
"""Seconds for which a server that said it has a model is believed to have it still: it may have been restarted."""

LOADING = 600.0


class Running:
    """A server that somebody else runs at `url` (with its `/v1`). It is asked whether it is there, and no more."""

    def __init__(self, url: str, model: str) -> None:
        self._url = url.rstrip("/")
        self.model = model

    async def ensure_ready(self) -> str:
        status, _ = await talk.ask("GET", f"{self._url}/models")
        if status != 200:
            raise Unreachable(f"{self._url} answers {status}; is it a server of the OpenAI dialect?")
        return self._url

    @contextlib.contextmanager
    def using(self) -> Generator[None]:
        yield

    async def unload(self) -> None:
        """It is not ours to unload."""

    async def close(self) -> None:
        """It is not ours to end."""


class _Told:
    """An engine on a server that others use too: it loads its own part once, and again where the server lost it."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._url = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def ensure_ready(self) -> str:
        url = await self._server()
        if url == self._url and time.monotonic() < self._until:
            return url
        async with self._lock:  # many may ask at once
            if url != self._url or time.monotonic() >= self._until:
                if not await self._has(url):
                    await self._load(url)
                self._url, self._until = url, time.monotonic() + BELIEVED
        return url

    async def _server(self) -> str:
        raise NotImplementedError

    async def _has(self, url: str) -> bool:
        raise NotImplementedError

    async def _load(self, url: str) -> None:
        raise NotImplementedError


class VllmAdapter(_Told):
    """An adapter on a vLLM server, loaded while that serves others (`POST /v1/load_lora_adapter`,
    docs.vllm.ai/en/latest/features/lora). `name` has to be one that no other adapter had: an artifact's folder name."""

    def __init__(self, server: Engine, name: str, adapter: Path) -> None:
        super().__init__(name)
        self._base = server
        self._adapter = adapter.resolve()

    async def _server(self) -> str:
        return await self._base.ensure_ready()

    async def _has(self, url: str) -> bool:
        _, said = await talk.ask("GET", f"{url}/models")
        return f'"{self.model}"'.encode() in said

    async def _load(self, url: str) -> None:
        body = {"lora_name": self.model, "lora_path": str(self._adapter)}
        status, said = await talk.ask("POST", f"{url}/load_lora_adapter", body, seconds=LOADING)
        if status == 404:
            raise SettingsWrong(f"vLLM at {url} takes no adapters: start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True")
        if status != 200 and b"already" not in said:
            raise Overloaded(f"vLLM could not load {self.model}: {said.decode(errors='replace')[:500]}")

    def using(self) -> AbstractContextManager[None]:
        return self._base.using()

    async def unload(self) -> None:
        """Take the adapter off; the server stays, for it may hold others."""
        if self._url:
            with contextlib.suppress(ProviderError):  # a server that is gone has nothing loaded
                await talk.ask("POST", f"{self._url}/unload_lora_adapter", {"lora_name": self.model})
        self._url = ""

    async def close(self) -> None:
        await self.unload()


class Ollama(_Told):
    """A GGUF file in Ollama (docs.ollama.com/api/create): sent once as a blob, then a model named `name`."""

    def __init__(self, name: str, file: Path, *, url: str = "http://127.0.0.1:11434") -> None:
        super().__init__(name.lower())
        self._file = file
        self._root = url.rstrip("/")

    async def _server(self) -> str:
        if time.monotonic() >= self._until:
            try:
                await talk.ask("GET", f"{self._root}/api/version")
            except Unreachable:
                raise SettingsWrong(
                    f"Ollama does not answer at {self._root}: install it (ollama.com/download) and run `ollama serve`"
                ) from None
        return f"{self._root}/v1"

    async def _has(self, url: str) -> bool:
        status, _ = await talk.ask("POST", f"{self._root}/api/show", {"model": self.model})
        return status == 200

    async def _load(self, url: str) -> None:
        digest = "sha256:" + await asyncio.to_thread(_sha256, self._file)
        blob = f"{self._root}/api/blobs/{digest}"
        status, _ = await talk.ask("HEAD", blob)
        if status != 200:
            status, said = await talk.ask("POST", blob, self._file, seconds=LOADING)
            if status not in {200, 201}:
                raise Overloaded(f"Ollama did not take {self._file.name}: {said.decode(errors='replace')[:500]}")
        body = {"model": self.model, "files": {self._file.name: digest}, "stream": False}
        status, said = await talk.ask("POST", f"{self._root}/api/create", body, seconds=LOADING)
        if status != 200 or b'"success"' not in said:
            raise Overloaded(f"Ollama could not make {self.model}: {said.decode(errors='replace')[:500]}")

    @contextlib.contextmanager
    def using(self) -> Generator[None]:
        yield  # Ollama unloads what is idle by itself

    async def unload(self) -> None:
        """Out of memory; the model stays with Ollama."""
        with contextlib.suppress(ProviderError):
            await talk.ask("POST", f"{self._root}/api/generate", {"model": self.model, "keep_alive": 0})

    async def close(self) -> None:
        await self.unload()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
