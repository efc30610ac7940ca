"""The package `gguf` (extra `train`). It ships no complete types, so to a checker it is anything."""

from importlib import import_module
from typing import Any

gguf: Any = import_module("gguf")
