"""LoRA and DPO on a tiny model made here: they learn, survive being killed, and write what engines can load."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flywheel.tuning.lora_worker import STEPS, task
from flywheel.tuning.tiny_model import peft, tiny, torch, transformers
from flywheel.tuning.tuning_world import Told, example, examples, read
from freehold.core.errors import InvalidRequest, SettingsWrong
from freehold.core.feedback import Correction, Feedback, Preference
from freehold.core.request import Message, TextPart
from freehold.flywheel.tuning.lora import machine
from freehold.flywheel.tuning.lora.conversation import IGNORED, Pair, pairs_of, row
from freehold.flywheel.tuning.lora.training import keeps_apart, tokenizer_of
from freehold.flywheel.tuning.lora.tuner import DpoTuner, LoraTuner
from freehold.flywheel.tuning.tuner import Made, Task

pytestmark = [pytest.mark.filterwarnings("ignore")]  # the libraries warn of their own future
CHATML = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def said(role: Any, text: str) -> Message:
    return Message(role, (TextPart(text),))


@dataclass
class Tuned:
    made: Made
    told: Told
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lora")
    tiny(folder / "base")
    return folder


@pytest.fixture(scope="module")
def tuned(world: Path) -> Tuned:
    how = {"base": str(world / "base"), "steps": 60, "batch": 4, "learning_rate": 1e-2, "max_tokens": 128, "check": 3}
    one = Task(
        name="support",
        dataset="support@abc",
        train=examples(60),
        validation=examples(6),
        work=world / "work",
        artifacts=world / "artifacts",
        params=how,
    )
    told = Told()
    return Tuned(LoraTuner().tune(one, told), told, world)


@pytest.fixture(scope="module")
def never_killed(world: Path) -> Made:
    return LoraTuner().tune(task(world, "whole"), Told())


def answer(model: Any, tokenizer: Any, text: str) -> str:
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, pad_token_id=1)
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("template", [None, CHATML], ids=["plain", "its own"])
def test_only_the_answer_and_its_end_are_learned(template: str | None, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(str(tiny(tmp_path, template=template)), None)
    one = row(tokenizer, [said("system", "Be brief."), said("user", "My parcel?")], "delivery", 128)
    assert one is not None
    learned = [i for i, label in zip(one.ids, one.labels, strict=True) if label != IGNORED]
    assert tokenizer.decode(learned) == "delivery</s>"
    assert [label for label in one.labels if label != IGNORED] == learned
    prompt = tokenizer.decode(one.ids[: -len(learned)])
    assert prompt.endswith("My parcel?\n<assistant>" if template else "User:\nMy parcel?\nAssistant:\n")


def test_a_long_conversation_loses_its_oldest_turns_but_not_its_instructions(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(str(tiny(tmp_path)), None)
    talk = [said("system", "RULES"), said("user", "old " * 40), said("assistant", "hm"), said("user", "new")]
    one = row(tokenizer, talk, "yes", 60)
    assert one is not None
    text = tokenizer.decode(one.ids)
    assert "RULES" in text
    assert "new" in text
    assert "old" not in text
    assert row(tokenizer, [said("user", "long " * 80)], "yes", 60) is None


def test_a_tuned_model_answers_what_it_was_taught(tuned: Tuned) -> None:
    assert tuned.made.metrics["validation_exact"] == 1.0
    assert tuned.made.metrics["packed"] == 1.0
    assert tuned.made.metrics["energy_joules"] > 0
    assert tuned.told.ran == ["train", "write"]
    assert tuned.told.said[-2][1].startswith("step 60 of 60, loss ")
    path = Path(tuned.made.path)
    assert path.name == f"support-{tuned.made.digest[:12]}"
    assert read(path / "manifest.json")["base"] == str(tuned.folder / "base")


def test_the_merged_model_says_what_the_adapter_says_on_its_base(tuned: Tuned) -> None:
    path = Path(tuned.made.path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path / "model")
    merged = transformers.AutoModelForCausalLM.from_pretrained(path / "model")
    base = transformers.AutoModelForCausalLM.from_pretrained(tuned.folder / "base")
    assert answer(base, tokenizer, "Please help, money number 1.") != "refund"
    adapter = peft.PeftModel.from_pretrained(base, path / "adapter")
    for model in (merged, adapter):
        assert answer(model, tokenizer, "Please help, money number 1.") == "refund"


def test_the_same_seed_gives_the_same_artifact(world: Path, never_killed: Made) -> None:
    again = LoraTuner().tune(task(world, "again"), Told())
    assert again.digest == never_killed.digest


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(world: Path, never_killed: Made) -> None:
    command = [sys.executable, "-m", "flywheel.tuning.lora_worker", str(world), "7"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(command, env=env, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    checkpoints = world / "killed" / "checkpoints"
    assert [p.name for p in checkpoints.glob("checkpoint-*")] == ["checkpoint-4"]
    shutil.copytree(checkpoints / "checkpoint-4", checkpoints / "checkpoint-8")
    (checkpoints / "checkpoint-8" / "whole").unlink()
    (checkpoints / "checkpoint-8" / "optimizer.pt").write_bytes(b"cut short")

    told = Told()
    made = LoraTuner().tune(task(world, "killed"), told)

    assert told.said[0][1].startswith(f"step 5 of {STEPS}")
    assert made.digest == never_killed.digest


def test_a_step_that_finished_is_not_done_again(tuned: Tuned, world: Path) -> None:
    told = Told(tuned.told.results)
    again = LoraTuner().tune(task(world, "unused"), told)
    assert again.digest == tuned.made.digest
    assert told.ran == []


def test_examples_are_packed_only_where_the_model_keeps_them_apart(world: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(world / "base")
    assert keeps_apart(model)

    class Mixing(torch.nn.Module):  # attends to everything before, wherever an example begins
        config = model.config
        device = model.device

        def forward(self, input_ids: Any, position_ids: Any = None, **_: Any) -> Any:
            return model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids), position_ids=position_ids)

    assert not keeps_apart(Mixing())


def test_dpo_makes_the_correction_likelier_than_what_was_corrected(world: Path) -> None:
    pairs = [Pair(messages=e.messages, chosen=e.target, rejected="sorry") for e in examples(12)]
    one = Task(
        name="polite",
        dataset="polite@abc",
        train=examples(12),
        validation=(),
        work=world / "dpo",
        artifacts=world / "dpo-artifacts",
        params={"base": str(world / "base"), "steps": 10, "batch": 4, "learning_rate": 1e-2, "export": ["safetensors"]},
    )
    made = DpoTuner(lambda _: pairs).tune(one, Told())
    tokenizer = tokenizer_of(str(world / "base"), None)

    def margin(folder: Path) -> float:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder)
        return likelihood(model, tokenizer, "refund") - likelihood(model, tokenizer, "sorry")

    assert made.metrics["pairs"] == 12
    assert margin(Path(made.path) / "model") > margin(world / "base") + 1


def likelihood(model: Any, tokenizer: Any, target: str) -> float:
    one = row(tokenizer, [said("user", "Please help, money number 1.")], target, 128)
    assert one is not None
    with torch.no_grad():
        loss = model(input_ids=torch.tensor([one.ids]), labels=torch.tensor([one.labels])).loss
    return -float(loss) * sum(label != IGNORED for label in one.labels)


def test_pairs_come_from_corrections_and_from_preferences_of_the_dataset() -> None:
    corrected = example("Hello", "right", inference="i1")
    liked = example("Bye", "fine", inference="i2")
    agreed = example("Hm", "same", inference="i3")
    answers = {"i1": "wrong", "i2": "fine", "i3": "same", "other": "worse", "foreign": "x"}

    def answered(id: str) -> tuple[tuple[Message, ...], str] | None:
        return ((), answers[id]) if id in answers else None

    judged = [
        Feedback(id="f1", at=1, inference="i2", judgement=Preference(over="other")),
        Feedback(id="f2", at=2, inference="foreign", judgement=Preference(over="other")),
        Feedback(id="f3", at=3, inference="i1", judgement=Correction(answer="right")),
        Feedback(id="f4", at=4, inference="i2", judgement=Preference(over="never kept")),
    ]
    pairs = pairs_of([corrected, liked, agreed], answered, judged)
    assert [(p.messages[0].text, p.chosen, p.rejected) for p in pairs] == [
        ("Hello", "right", "wrong"),
        ("Bye", "fine", "worse"),
    ]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"base": "/nowhere/at/all"}, "base model /nowhere/at/all cannot be had"),
        ({}, "missing required field `base`"),
        ({"base": "x", "rank": "many"}, "rank"),
        ({"base": "x", "learning_speed": 1}, "learning_speed"),
    ],
)
def test_a_task_that_cannot_be_done_says_why(params: dict[str, Any], told: str, tmp_path: Path) -> None:
    one = Task(
        name="n", dataset="d", train=examples(2), validation=(), work=tmp_path, artifacts=tmp_path, params=params
    )
    with pytest.raises(InvalidRequest, match=told):
        LoraTuner().tune(one, Told())


def test_bf16_is_used_only_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.number_type() == torch.float32
    monkeypatch.setattr(machine, "_cpu_flags", lambda: frozenset({"amx_bf16"}))
    assert machine.number_type() == torch.bfloat16
    assert machine.quantization("none") is None
    with pytest.raises(SettingsWrong, match="CUDA"):
        machine.quantization("4bit")
