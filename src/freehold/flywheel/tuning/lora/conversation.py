"""Examples as a language model reads them: a conversation in its chat template, and which tokens are to be learned."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.feedback import Feedback, Preference
from freehold.core.request import Message

IGNORED = -100
"""The label of a token that is read but not learned."""

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}Assistant:\n{{ m['content'] }}{{ eos_token }}\n"
    "{% elif m['role'] == 'system' %}System:\n{{ m['content'] }}\n"
    "{% else %}User:\n{{ m['content'] }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
"""For a tokenizer that brings no chat template. It is saved with the tuned model, so that serving uses the same."""

Turn = dict[str, str]


class Row(Struct, frozen=True, kw_only=True):
    """Token ids, and for each the id to learn or `IGNORED`. Both have the same length."""

    ids: list[int]
    labels: list[int]


class Pair(Struct, frozen=True, kw_only=True):
    """Two answers to one conversation, the better one first."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str


def turns(messages: Iterable[Message]) -> list[Turn]:
    """The conversation as chat templates want it. A tool's result is told as the user's word: few templates know
    tools, and all know users."""
    return [{"role": "user" if m.role == "tool" else m.role, "content": m.text} for m in messages]


def row(tokenizer: Any, messages: Sequence[Message], target: str, max_tokens: int) -> Row | None:
    """One example in tokens; None where even its last turn does not fit.

    Only the answer and the token that ends it are learned. Old turns are left out, never the instructions or the end.
    """
    said = turns(messages)
    first = 1 if said and said[0]["role"] == "system" else 0
    while True:
        prompt, answer = _split(tokenizer, said, target)
        if len(prompt) + len(answer) <= max_tokens:
            return Row(ids=prompt + answer, labels=[IGNORED] * len(prompt) + answer)
        if len(said) - first < 2:
            return None
        del said[first]


def _split(tokenizer: Any, said: Sequence[Turn], target: str) -> tuple[list[int], list[int]]:
    prompt = prompt_ids(tokenizer, said)
    whole = _templated(tokenizer, [*said, {"role": "assistant", "content": target}], prompt=False)
    eos: int | None = tokenizer.eos_token_id
    if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
        answer = whole[len(prompt) :]
        if eos is not None and eos in answer:  # what a template writes after the end of the turn is never generated
            answer = answer[: answer.index(eos) + 1]
    else:  # a template that writes earlier turns otherwise, or tokens that grow together at the seam
        answer = list(tokenizer(target, add_special_tokens=False)["input_ids"]) + ([] if eos is None else [eos])
    return prompt, answer


def prompt_ids(tokenizer: Any, said: Sequence[Turn]) -> list[int]:
    """The tokens after which the model is to answer."""
    return _templated(tokenizer, said, prompt=True)


def _templated(tokenizer: Any, said: Sequence[Turn], *, prompt: bool) -> list[int]:
    return list(tokenizer.apply_chat_template(said, tokenize=True, add_generation_prompt=prompt, return_dict=False))


def pairs_of(
    examples: Iterable[Example],
    answered: Callable[[str], tuple[tuple[Message, ...], str] | None],
    judged: Iterable[Feedback],
) -> list[Pair]:
    """Pairs from corrections (the correction is chosen, what the model said is rejected) and from preferences.

    `answered` knows an inference's conversation and answer by its id, None where it was not kept. A preference counts
    where the inference it is about is among the examples, so that the gates of the dataset hold for it too.
    """
    found: dict[str, Pair] = {}
    kept: dict[str, Example] = {}
    for example in examples:
        if example.inference is None:
            continue
        kept[example.inference] = example
        said = answered(example.inference)
        if example.source in {"correction", "label"} and said is not None:
            _add(found, Pair(messages=example.messages, chosen=example.target, rejected=said[1]))
    for feedback in judged:
        if not isinstance(feedback.judgement, Preference) or feedback.inference not in kept:
            continue
        better, worse = answered(feedback.inference), answered(feedback.judgement.over)
        if better is not None and worse is not None:
            _add(found, Pair(messages=kept[feedback.inference].messages, chosen=better[1], rejected=worse[1]))
    return list(found.values())


def _add(found: dict[str, Pair], pair: Pair) -> None:
    """Once each, and only where the two answers differ: equal ones teach nothing."""
    if pair.chosen.strip() != pair.rejected.strip():
        said = "\n".join(f"{m.role} {m.text}" for m in pair.messages)
        key = sha256(f"{said}\0{pair.chosen}\0{pair.rejected}".encode()).hexdigest()
        found.setdefault(key, pair)
