"""LoRA tuning against a plain loop on the same tiny model and the same rows: python -m bench.lora

The plain loop is what one writes by hand: PEFT, AdamW, clipped gradients, batches padded to their longest row. Ours is
what `freehold tune --method lora` runs: the same work by TRL, with progress, checkpoints and metrics. Both take
turns on the same cores; printed are the medians of a few rounds, by the clock and by processor time.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    from freehold.flywheel.tuning.lora.conversation import IGNORED, Row
    from freehold.flywheel.tuning.lora.libraries import tokenizers, torch, transformers
    from freehold.flywheel.tuning.lora.params import LoraParams
    from freehold.flywheel.tuning.lora.training import Run, adapted, repeatable, sft, trained
except ModuleNotFoundError as missing:
    sys.exit(f"This bench needs the package {missing.name}: pip install 'freehold[train]'")

ROUNDS = 3
ROWS = 480
VOCABULARY = 2048
HOW = LoraParams(base="", steps=30, batch=16, at_once=4, save_every=1_000, rank=8, packing=False, max_tokens=128)
Took = tuple[float, float]
"""Seconds by the clock, and of processor time."""


class Unheard:
    """Steps of a job that nobody watches."""

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        return function()

    def progress(self, share: float, text: str) -> None:
        pass


def model() -> Any:
    torch.manual_seed(1)
    shape = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=8,
        max_position_embeddings=256,
    )
    return adapted(transformers.LlamaForCausalLM(shape), HOW)


def rows(seed: int) -> list[Row]:
    draw = random.Random(seed)
    found: list[Row] = []
    for _ in range(ROWS):
        ids = [draw.randrange(3, VOCABULARY) for _ in range(draw.randint(24, HOW.max_tokens))]
        half = len(ids) // 2
        found.append(Row(ids=ids, labels=[IGNORED] * half + ids[half:]))
    return found


def tokenizer() -> Any:
    """Any will do: the rows are tokens already."""
    words = {f"w{i}": i for i in range(3, VOCABULARY)} | {"<pad>": 0, "<s>": 1, "</s>": 2}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<pad>"))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def plain(data: Sequence[Row]) -> None:
    """The loop by hand, over as many rows as the tuner takes in its steps."""
    one = model()
    one.train()
    weights = [p for p in one.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=HOW.learning_rate)
    order = list(range(len(data)))
    random.Random(0).shuffle(order)
    for step in range(HOW.steps or 0):
        batch = [data[order[(step * HOW.batch + i) % len(order)]] for i in range(HOW.batch)]
        for start in range(0, HOW.batch, HOW.at_once):
            some = batch[start : start + HOW.at_once]
            longest = max(len(r.ids) for r in some)
            ids = torch.tensor([r.ids + [0] * (longest - len(r.ids)) for r in some])
            mask = torch.tensor([[1] * len(r.ids) + [0] * (longest - len(r.ids)) for r in some])
            labels = torch.tensor([r.labels + [IGNORED] * (longest - len(r.labels)) for r in some])
            loss = one(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
            (loss * HOW.at_once / HOW.batch).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()


def ours(data: Sequence[Row], words: Any) -> None:
    with tempfile.TemporaryDirectory() as work:
        run = Run(Path(work), 0, Unheard())
        trained(sft(model(), words, data, run, HOW), run, Path(work) / "adapter")


def took(work: Callable[[], None]) -> Took:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    repeatable(0)
    torch.set_num_threads(1)  # one core each: neighbours on a busy machine disturb both alike
    data, words = rows(0), tokenizer()
    tokens = sum(len(r.ids) for r in data)
    took(lambda: plain(data))  # the first run warms the machine up, and counts for neither
    took(lambda: ours(data, words))
    by_hand: list[Took] = []
    by_us: list[Took] = []
    for _ in range(ROUNDS):
        by_hand.append(took(lambda: plain(data)))
        by_us.append(took(lambda: ours(data, words)))
    for i, kind in enumerate(("clock", "processor")):
        speeds = [tokens / statistics.median(t[i] for t in times) for times in (by_hand, by_us)]
        ratio = statistics.median(h[i] / u[i] for h, u in zip(by_hand, by_us, strict=True))
        print(
            f"by {kind:9}  plain loop {speeds[0]:8,.0f} tokens/s   lora tuner {speeds[1]:8,.0f} tokens/s"
            f"   ratio {ratio:.3f}   (must be at least 0.9)"
        )


if __name__ == "__main__":
    main()
