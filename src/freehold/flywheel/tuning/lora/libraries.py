"""The libraries of the extra `train`. They ship no complete types, so to a checker each is anything."""

from importlib import import_module
from typing import Any

torch: Any = import_module("torch")
tokenizers: Any = import_module("tokenizers")
transformers: Any = import_module("transformers")
datasets: Any = import_module("datasets")
peft: Any = import_module("peft")
trl: Any = import_module("trl")
