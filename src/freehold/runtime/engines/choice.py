"""Which engine serves what a tuner made, and the engine itself."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from freehold.core.errors import SettingsWrong
from freehold.runtime.engines.adapters import Ollama, Running, VllmAdapter
from freehold.runtime.engines.engine import Engine, EngineLimits
from freehold.runtime.engines.process import Fleet
from freehold.runtime.engines.recipes import LlamaCpp, Transformers

Kind = Literal["llama.cpp", "transformers", "vllm", "ollama"]


def usual(artifact: Path) -> Kind:
    """llama.cpp where it is installed and the artifact has a GGUF file, else the sure path."""
    llama = shutil.which("llama-server") or find_spec("xllamacpp")
    return "llama.cpp" if llama and (artifact / "model.gguf").exists() else "transformers"


def engine(
    kind: Kind,
    artifact: Path,
    *,
    fleet: Fleet,
    logs: Path,
    limits: EngineLimits | None = None,
    url: str | None = None,
    base: Engine | None = None,
) -> Engine:
    """The engine for an artifact's folder. `url`: a vLLM (with its `/v1`) or Ollama that runs already; `base`: a vLLM
    that this process runs, `fleet.add(Vllm(...))`. SettingsWrong where the artifact is none that this kind can serve.
    """
    log = logs / f"{artifact.name}.log"
    match kind:
        case "transformers":
            return fleet.add(Transformers(artifact), log=log, limits=limits)
        case "llama.cpp":
            return fleet.add(LlamaCpp(artifact), log=log, limits=limits)
        case "ollama":
            file = artifact / "model.gguf"
            if not file.exists():
                raise SettingsWrong(f'{artifact} holds no model.gguf, which Ollama needs; tune with export = ["gguf"]')
            return Ollama(artifact.name, file) if url is None else Ollama(artifact.name, file, url=url)
        case "vllm":
            server = base if url is None else Running(url, artifact.name)
            if server is None:
                raise SettingsWrong("An adapter on vLLM needs a server: name its address, or let one be run")
            return VllmAdapter(server, artifact.name, artifact / "adapter")
