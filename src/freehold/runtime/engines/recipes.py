"""How engines are started for what a tuner made: transformers, llama.cpp, vLLM."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from freehold.core.errors import SettingsWrong
from freehold.runtime.engines.engine import memory_needed
from freehold.runtime.engines.process import Launch

HERE = "127.0.0.1"


class Transformers:
    """The slow sure path: every architecture that the library `transformers` knows, one answer at a time."""

    def __init__(self, artifact: Path) -> None:
        self.model = artifact.name
        self._folder = _weights(artifact, "model", "adapter")
        self.need = memory_needed(self._folder)

    def missing(self) -> str | None:
        absent = [name for name in ("torch", "transformers") if find_spec(name) is None]
        return f"{' and '.join(absent)} not installed: pip install 'freehold[train]'" if absent else None

    def launch(self, port: int) -> Launch:
        module = "freehold.runtime.engines.chat_server"
        return Launch(command=(sys.executable, "-m", module, str(self._folder), str(port), self.model))


class LlamaCpp:
    """llama.cpp on a GGUF file: `llama-server` where it is on the path, else the package `xllamacpp`."""

    def __init__(self, artifact: Path, *, context: int = 4096) -> None:
        self.model = artifact.name
        self._file = _weights(artifact, "model.gguf")
        self._context = context
        self.need = memory_needed(self._file)

    def missing(self) -> str | None:
        if shutil.which("llama-server") or find_spec("xllamacpp"):
            return None
        return "llama.cpp not installed: pip install xllamacpp, or put llama-server on the PATH"

    def launch(self, port: int) -> Launch:
        found = shutil.which("llama-server")
        if found is None:
            module = "freehold.runtime.engines.llama_server"
            command = (sys.executable, "-m", module, str(self._file), str(port), self.model, str(self._context))
            return Launch(command=command)
        options = {
            "--model": self._file,
            "--alias": self.model,
            "--host": HERE,
            "--port": port,
            "--ctx-size": self._context,
        }
        return Launch(command=(found, *(str(x) for pair in options.items() for x in pair)))


class Vllm:
    """vLLM on a base model, ready to load adapters while it runs; `adapters.VllmAdapter` does that."""

    def __init__(self, base: str, *, rank: int = 64, need: int = 0, options: tuple[str, ...] = ()) -> None:
        self.model = base
        self.need = need
        self._rank = rank
        self._options = options

    def missing(self) -> str | None:
        if shutil.which("vllm"):
            return None
        return "vLLM not installed: pip install vllm on a machine with a GPU, or name the address of one that runs"

    def launch(self, port: int) -> Launch:
        found = shutil.which("vllm") or "vllm"
        serve = (found, "serve", self.model, "--host", HERE, "--port", str(port))
        lora = ("--enable-lora", "--max-lora-rank", str(self._rank))
        return Launch(command=(*serve, *lora, *self._options), env={"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"})


def adapter_rank(folder: Path) -> int:
    """The rank of a PEFT adapter: vLLM must be started for at least as much."""
    config: dict[str, Any] = msgspec.json.decode((folder / "adapter_config.json").read_bytes())
    return int(config["r"])


def _weights(artifact: Path, *names: str) -> Path:
    """The first of these that the artifact has, or the artifact itself where it is a model's own folder or file."""
    for name in names:
        if (artifact / name).exists():
            return artifact / name
    if artifact.is_file() or (artifact / "config.json").exists():
        return artifact
    raise SettingsWrong(f'{artifact} holds no {" or ".join(names)}; tune with export = ["safetensors", "gguf"]')
