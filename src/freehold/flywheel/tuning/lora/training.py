"""A base model, an adapter on it, and the run that trains the adapter: TRL and PEFT, resumed where it was killed."""

import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freehold.core.errors import InvalidRequest
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.lora.conversation import PLAIN_TEMPLATE, Pair, Row, turns
from freehold.flywheel.tuning.lora.libraries import datasets, peft, torch, transformers, trl
from freehold.flywheel.tuning.lora.machine import LARGE, Meter, number_type, quantization
from freehold.flywheel.tuning.lora.params import DpoParams, LoraParams

CHECKPOINTS = "checkpoints"
WHOLE = "whole"
"""Written into a checkpoint when all else is: one without it was cut short by a kill."""

MOST_LOGITS = 1 << 30
"""Bytes."""

KEPT = 2
"""Checkpoints kept: the last one, and the one before for when the last is being written."""


def tokenizer_of(base: str, revision: str | None) -> Any:
    """The base model's tokenizer, with a chat template and a token to pad with; InvalidRequest where there is none."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(base, revision=revision)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The base model {base} cannot be had: {_first_line(error)}") from None
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.eos_token_id is None:
        raise InvalidRequest(f"The tokenizer of {base} has no token that ends a text; an answer would never end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def base_model(params: LoraParams) -> Any:
    """The base model as it is trained on: in 4 bits where asked for, else in the numbers this machine is good at."""
    return loaded(params.base, params.revision, dtype=number_type(), quantization=quantization(params.quantize))


def loaded(base: str, revision: str | None, *, dtype: Any, quantization: Any = None) -> Any:
    """A causal language model of the hub or of a folder; InvalidRequest where it cannot be had."""
    more = {} if quantization is None else {"quantization_config": quantization, "device_map": "auto"}
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=dtype, **more)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The base model {base} cannot be had: {_first_line(error)}") from None


def adapted(model: Any, params: LoraParams) -> Any:
    """The model with fresh adapter weights; only those learn."""
    targets = params.targets if isinstance(params.targets, str) else list(params.targets)
    config = peft.LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    if params.quantize == "4bit":
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return peft.get_peft_model(model, config)


def keeps_apart(model: Any) -> bool:
    """Whether examples packed into one row stay blind to each other: tried out, since it depends on the model and on
    how its attention is computed."""
    size = min(model.config.get_text_config().vocab_size, 1000)
    first = torch.arange(2, 9, device=model.device) * 7 % size
    second = torch.arange(3, 14, device=model.device) * 5 % size
    packed = torch.cat([first, second])[None]
    places = torch.cat([torch.arange(len(first)), torch.arange(len(second))])[None].to(model.device)
    training, _ = model.training, model.eval()
    try:
        with torch.no_grad():
            together = model(input_ids=packed, position_ids=places, use_cache=False).logits[0, len(first) :].float()
            alone = model(input_ids=second[None], use_cache=False).logits[0].float()
    finally:
        model.train(training)
    return bool((together - alone).abs().max() <= 1e-3 * (1 + alone.abs().max()))


def sft(model: Any, tokenizer: Any, rows: Sequence[Row], task: "Run", params: LoraParams) -> Any:
    """A trainer for rows; only the labels count."""
    packing = params.packing and keeps_apart(model)
    data = datasets.Dataset.from_dict({"input_ids": [r.ids for r in rows], "labels": [r.labels for r in rows]})
    if packing:
        data = trl.pack_dataset(data, params.max_tokens, "bfd")
    config = trl.SFTConfig(
        **_arguments(model, task, params, len(data)),
        max_length=None,
        packing=packing,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    task.tokens = round(sum(len(r.ids) for r in rows) * config.max_steps * params.batch / len(data))
    kind = _OwnLoss if _logits_fit(model, params) else trl.SFTTrainer
    return _quiet(
        kind(model=model, args=config, train_dataset=data, processing_class=tokenizer, callbacks=[callback(task)])
    )


class _OwnLoss(trl.SFTTrainer):
    """With the model's own loss. TRL's never holds all logits, at the price of computing them twice in buffers made for
    large vocabularies: on a processor, with a small one, that costs a third of the speed."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs["use_cache"] = False
        return transformers.Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


def _logits_fit(model: Any, params: LoraParams) -> bool:
    """Whether all logits of a batch are small enough to be held, on a machine without CUDA."""
    numbers = params.at_once * params.max_tokens * model.config.get_text_config().vocab_size
    return not torch.cuda.is_available() and 4 * numbers <= MOST_LOGITS


def dpo(model: Any, tokenizer: Any, pairs: Sequence[Pair], task: "Run", params: DpoParams) -> Any:
    """A trainer for pairs; the base model without the adapter is the reference."""
    data = datasets.Dataset.from_list([_dpo_row(p) for p in pairs])
    config = trl.DPOConfig(**_arguments(model, task, params, len(data)), max_length=params.max_tokens, beta=params.beta)
    return _quiet(
        trl.DPOTrainer(
            model=model, args=config, train_dataset=data, processing_class=tokenizer, callbacks=[callback(task)]
        )
    )


def _quiet(trainer: Any) -> Any:
    """Progress goes to the job, not to the terminal."""
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _dpo_row(pair: Pair) -> dict[str, Any]:
    return {
        "prompt": turns(pair.messages),
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }


def _arguments(model: Any, task: "Run", params: LoraParams, rows: int) -> dict[str, Any]:
    """What both trainers are told. The number of steps is fixed here: a resumed run ends where it would have."""
    at_once = min(params.at_once, params.batch)
    steps = params.steps or math.ceil(rows * params.epochs / params.batch)
    dtype = number_type()
    large = sum(p.numel() for p in model.parameters()) >= LARGE
    return {
        "output_dir": str(task.work / CHECKPOINTS),
        "max_steps": steps,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": max(1, params.batch // at_once),
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": math.ceil(steps * params.warmup),
        "max_grad_norm": 1.0,
        "bf16": dtype == torch.bfloat16,
        "fp16": False,
        "gradient_checkpointing": large if params.checkpointing is None else params.checkpointing,
        "seed": task.seed,
        "data_seed": task.seed,
        "save_strategy": "steps",
        "save_steps": params.save_every,
        "save_total_limit": KEPT,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": not torch.cuda.is_available(),
    }


class Run:
    """What a training run needs to know of its job, and what it has found out."""

    def __init__(self, work: Path, seed: int, steps: Steps) -> None:
        self.work = work
        self.seed = seed
        self.steps = steps
        self.tokens = 0
        self.loss = math.nan
        work.mkdir(parents=True, exist_ok=True)
        self.meter = Meter(work / "energy.json")


def trained(trainer: Any, task: Run, to: Path) -> dict[str, float]:
    """Train to the end, from the last whole checkpoint where there is one, and write the adapter to `to`."""
    begun, last = time.perf_counter(), _last_checkpoint(task.work / CHECKPOINTS)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    seconds = time.perf_counter() - begun
    trainer.model.save_pretrained(to)
    task.meter.save()
    found = {
        "loss": task.loss,
        "steps": float(trainer.state.global_step),
        "energy_joules": round(task.meter.joules(), 1),
    }
    if task.tokens:
        found["tokens"] = float(task.tokens)
        if last is None:  # a resumed run did only part of them in this time
            found["tokens_per_second"] = round(task.tokens / seconds, 1)
    return found


def repeatable(seed: int) -> None:
    """The same seed gives the same weights, on the same kind of machine and where torch has such an operation."""
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    transformers.set_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # finds bugs in torch, at a price for every buffer


def callback(task: Run) -> Any:
    """What a trainer calls: it tells progress, and marks checkpoints that are whole."""

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.meter.look()
            loss = "" if math.isnan(task.loss) else f", loss {task.loss:.3f}"
            task.steps.progress(
                state.global_step / state.max_steps, f"step {state.global_step} of {state.max_steps}{loss}"
            )

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            task.loss = (logs or {}).get("loss", task.loss)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.meter.save()
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    return Watch()


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; those that a kill cut short are removed."""
    found = {int(p.name.rpartition("-")[2]): p for p in folder.glob("checkpoint-*")}
    for number in sorted(found, reverse=True):
        if (found[number] / WHOLE).exists():
            return found[number]
        shutil.rmtree(found[number])
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
