"""Parts of the house entered on demand: a gateway without them need neither hold them nor have them installed."""

from importlib import import_module
from typing import Any

from freehold.core.errors import SettingsWrong

EXTRAS = {
    "numpy": "flywheel",
    "dbos": "flywheel",
    "jsonschema": "flywheel",
    "torch": "train",
    "transformers": "train",
    "peft": "train",
    "trl": "train",
    "accelerate": "train",
    "datasets": "train",
    "gguf": "train",
    "safetensors": "train",
    "tokenizers": "train",
}
"""Packages, and the extra of Freehold that brings them."""


def on_demand(module: str, name: str) -> Any:
    """A thing of a module; SettingsWrong says what to install where a package is missing."""
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package.startswith("freehold"):
            raise
        extra = EXTRAS.get(package)
        way = f"pip install 'freehold[{extra}]'" if extra else f"pip install {package}"
        raise SettingsWrong(f"This needs the package {package}, which is not installed: {way}") from None
