"""What can be said about a LoRA or DPO run: `freehold tune --method lora --param NAME=VALUE`."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from freehold.core.errors import InvalidRequest
from freehold.flywheel.tuning.tuner import Task

Positive = Annotated[int, Meta(ge=1)]
Export = Literal["safetensors", "gguf"]


class LoraParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to tune.

    `base`: a model of the hub by name, at `revision`, or a folder. `batch`: examples (or packed rows) for one step of
    the optimizer; `at_once`: how many of them go through the model together. `steps` overrules `epochs`. `max_tokens`:
    longer conversations lose their oldest turns, then are left out. `packing`: several examples in one row where the
    model can keep them apart. `checkpointing`: compute activations again instead of keeping them; None: for a
    model of a billion weights and more. `save_every`: steps between checkpoints, the most that a killed worker loses.
    `check`: validation examples that are answered and compared at the end. `export` says what is written beside the
    adapter; `gguf` needs `safetensors`.
    """

    base: str
    revision: str | None = None
    epochs: Annotated[float, Meta(gt=0)] = 3.0
    steps: Positive | None = None
    batch: Positive = 16
    at_once: Positive = 4
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-4
    warmup: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    rank: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    max_tokens: Positive = 2048
    packing: bool = True
    quantize: Literal["none", "4bit"] = "none"
    checkpointing: bool | None = None
    save_every: Positive = 50
    check: Annotated[int, Meta(ge=0)] = 32
    export: tuple[Export, ...] = ("safetensors", "gguf")


class DpoParams(LoraParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for preferences. `beta`: how strongly the base model is held on to (Rafailov et al. 2023)."""

    learning_rate: Annotated[float, Meta(gt=0)] = 2e-5
    beta: Annotated[float, Meta(gt=0)] = 0.1


P = TypeVar("P", bound=Struct)


def params(task: Task, kind: type[P]) -> P:
    """The method's own parameters; InvalidRequest names the one that is wrong. Values may be text, as typed."""
    try:
        return msgspec.convert(task.params, kind, strict=False)
    except msgspec.ValidationError as error:
        names = ", ".join(kind.__struct_fields__)
        raise InvalidRequest(f"Parameters of {task.name}: {error}. Known are: {names}") from None
