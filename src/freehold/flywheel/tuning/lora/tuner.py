"""Open weights tuned here: LoRA on examples (SFT) and on preferences (DPO), by TRL and PEFT."""

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.core.tuned import Method
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.artifact import seal
from freehold.flywheel.tuning.lora.conversation import IGNORED, Pair, Row, prompt_ids, row, turns
from freehold.flywheel.tuning.lora.libraries import peft, torch
from freehold.flywheel.tuning.lora.params import DpoParams, LoraParams, params
from freehold.flywheel.tuning.lora.training import (
    Run,
    adapted,
    base_model,
    dpo,
    loaded,
    repeatable,
    sft,
    tokenizer_of,
    trained,
)
from freehold.flywheel.tuning.tuner import Made, Task
from freehold.runtime.gguf.export import supported, write

Pairs = Callable[[Task], Sequence[Pair]]
"""The preferences of a task: `conversation.pairs_of` with the stores that it asks."""

ADAPTER = "adapter"
MODEL = "model"
GGUF = "model.gguf"
NOT_CONTENT = {"tokens_per_second", "energy_joules"}
"""Metrics that differ from one run to the next: no part of the artifact, whose digest is that of its content."""


class LoraTuner:
    """Supervised tuning: the answers of the dataset become what the model says."""

    method: Method = "lora"

    def tune(self, task: Task, steps: Steps) -> Made:
        how = params(task, LoraParams)

        def train() -> dict[str, float]:
            repeatable(task.seed)
            tokenizer = tokenizer_of(how.base, how.revision)
            rows, left_out = _rows(tokenizer, task.train, how.max_tokens)
            if not rows:
                raise InvalidRequest(f"None of {left_out} examples of {task.dataset} fits into {how.max_tokens} tokens")
            run = Run(task.work, task.seed, steps)
            trainer = sft(adapted(base_model(how), how), tokenizer, rows, run, how)
            found = trained(trainer, run, task.work / ADAPTER)
            checked = _checked(trainer.model, tokenizer, task.validation, how)
            return {**found, "left_out": float(left_out), "packed": float(trainer.args.packing), **checked}

        return _made(task, how, self.method, steps.step("train", train), steps)


class DpoTuner:
    """Preference tuning (Rafailov et al. 2023): away from answers that were corrected or liked less."""

    method: Method = "dpo"

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def tune(self, task: Task, steps: Steps) -> Made:
        how = params(task, DpoParams)

        def train() -> dict[str, float]:
            pairs = self._pairs(task)
            if not pairs:
                raise InvalidRequest(
                    f"{task.dataset} has no corrections or preferences whose answers differ; --method lora needs none"
                )
            repeatable(task.seed)
            tokenizer = tokenizer_of(how.base, how.revision)
            run = Run(task.work, task.seed, steps)
            trainer = dpo(adapted(base_model(how), how), tokenizer, pairs, run, how)
            found = trained(trainer, run, task.work / ADAPTER)
            checked = _checked(trainer.model, tokenizer, task.validation, how)
            return {**found, "pairs": float(len(pairs)), **checked}

        return _made(task, how, self.method, steps.step("train", train), steps)


def _rows(tokenizer: Any, examples: Sequence[Example], max_tokens: int) -> tuple[list[Row], int]:
    rows = [row(tokenizer, e.messages, e.target, max_tokens) for e in examples]
    kept = [r for r in rows if r is not None]
    return kept, len(rows) - len(kept)


def _checked(model: Any, tokenizer: Any, examples: Sequence[Example], how: LoraParams) -> dict[str, float]:
    """Loss a token on the validation split, and the share of its first examples that are answered word for word."""
    rows, _ = _rows(tokenizer, examples, how.max_tokens)
    if not rows:
        return {}
    model.eval()
    nats, tokens = 0.0, 0
    with torch.inference_mode():
        for one in rows:
            ids = torch.tensor([one.ids], device=model.device)
            labels = torch.tensor([one.labels], device=model.device)
            count = sum(label != IGNORED for label in one.labels)
            nats += float(model(input_ids=ids, labels=labels).loss) * count
            tokens += count
    found = {"validation_loss": nats / tokens, "validation_perplexity": math.exp(min(nats / tokens, 700.0))}
    some = examples[: how.check]
    if some:
        found["validation_exact"] = sum(_says(model, tokenizer, e) == e.target.strip() for e in some) / len(some)
    return found


def _says(model: Any, tokenizer: Any, example: Example) -> str:
    ids = torch.tensor([prompt_ids(tokenizer, turns(example.messages))], device=model.device)
    room = len(tokenizer(example.target, add_special_tokens=False)["input_ids"]) + 8
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=room,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def _made(task: Task, how: LoraParams, method: Method, metrics: dict[str, float], steps: Steps) -> Made:
    """Merge and write what was asked for; the folder gets its digest as its name."""
    manifest = {
        "method": method,
        "base": how.base,
        "revision": how.revision,
        "dataset": task.dataset,
        "seed": task.seed,
        "params": task.params,
        "metrics": {k: v for k, v in metrics.items() if k not in NOT_CONTENT},
    }

    def write_out() -> list[str]:
        steps.progress(1.0, "merging and writing")
        return list(map(str, seal(task.name, task.artifacts, manifest, lambda f: _fill(f, task.work / ADAPTER, how))))

    digest, path = steps.step("write", write_out)
    return Made(digest=digest, path=path, metrics=metrics, base=how.base)


def _fill(folder: Path, adapter: Path, how: LoraParams) -> None:
    shutil.copytree(adapter, folder / ADAPTER)
    (folder / ADAPTER / "README.md").unlink(missing_ok=True)  # a model card that says nothing
    tokenizer = tokenizer_of(how.base, how.revision)
    if "safetensors" not in how.export:
        tokenizer.save_pretrained(folder / ADAPTER)
        return
    # always onto the base's own numbers: what was rounded for training (4 bits) would stay rounded
    model = peft.PeftModel.from_pretrained(
        loaded(how.base, how.revision, dtype="auto"), str(adapter)
    ).merge_and_unload()
    model.save_pretrained(folder / MODEL)
    tokenizer.save_pretrained(folder / MODEL)
    if "gguf" in how.export and supported(folder / MODEL):
        write(folder / MODEL, folder / GGUF)
