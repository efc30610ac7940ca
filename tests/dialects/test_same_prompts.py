"""The same prompt, recorded over several wires: translated from one to another it means what was recorded there."""

import json
from collections import defaultdict
from itertools import permutations
from typing import Any

import bedrock_world
import gemini_world
import messages_world
import msgspec
import pytest
import recorded
import responses_world
from msgspec import Raw, Struct
from recorded import Row, compact, needs_recordings

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, Message, Request, ResultPart, TextPart
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS
from freehold.dialects.seals import LOST
from freehold.dialects.translate import translate

pytestmark = needs_recordings
REWORDED = {"textFormatJsonSchemaParam"}
"""Cases whose wires were asked in other words, so that there is nothing to compare."""
LEAST = 16
"""The fewest tokens that Responses lets an answer have; fewer are raised to it, and named."""


class Asked(Struct, frozen=True):
    case: str
    dialect: str
    name: str
    model: str
    request: Request
    prompt: Prompt


def _asked(dialect: str, row: Row, body: Any, target: str = "") -> Asked:
    spoken = DIALECTS[dialect]
    request = spoken.decode_request(compact(body), target)
    model = row["model"] or "m"
    return Asked(row["case"], dialect, recorded.name(row), model, request, spoken.read(request))


def _every() -> list[Asked]:
    rows: list[tuple[str, list[Row], Any, Any]] = [
        ("openai-chat", recorded.REQUESTS, recorded.asked, None),
        ("anthropic-messages", messages_world.REQUESTS, messages_world.asked, None),
        ("openai-responses", responses_world.REQUESTS, responses_world.asked, None),
        ("gemini-generate", gemini_world.REQUESTS, gemini_world.asked, gemini_world.target),
        ("bedrock-converse", bedrock_world.REQUESTS, bedrock_world.asked, bedrock_world.target),
    ]
    return [
        _asked(dialect, row, asked(row), target(row) if target else "")
        for dialect, found, asked, target in rows
        for row in found
        if row.get("case") and row["case"] not in REWORDED
    ]


def shape(prompt: Prompt) -> tuple[Any, ...]:
    """How a conversation goes on: a case was recorded once as a question and once with what followed it."""
    return tuple(message.role for message in prompt.messages)


def _pairs() -> list[Any]:
    groups: dict[Any, list[Asked]] = defaultdict(list)
    for asked in _every():
        groups[asked.case, shape(asked.prompt)].append(asked)
    return [
        pytest.param(a, b, id=f"{a.case}-{a.name}-{b.name}")
        for group in groups.values()
        for a, b in permutations(group, 2)
        if a.dialect != b.dialect
    ]


def turn(message: Message) -> list[Any]:
    said: list[Any] = []
    for part in message.parts:
        match part:
            case TextPart(text):
                # what a model said before is its own words on each wire, and nothing where it said nothing
                said += [(message.role, text)] if message.role != "assistant" else []
            case CallPart():
                said.append(("calls", part.name, json.loads(part.arguments)))
            case ResultPart():
                said.append(("result", _plain(part.text)))
            case MediaPart():
                said.append((message.role, part.kind))
            case _:
                pass
    return said


def _plain(text: str) -> str:
    """What a tool said: over Gemini's wire, where it is an object, the one member of it."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else text  # type: ignore[reportUnknownVariableType]


def schema(raw: Raw | None) -> Any:
    """A schema without what forbids other members, which dialects add where they want it said."""
    return _open(msgspec.json.decode(raw)) if raw is not None else None


def _open(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: _open(v) for n, v in value.items() if n != "additionalProperties"}  # type: ignore[reportUnknownVariableType]
    return value


def meaning(prompt: Prompt) -> dict[str, Any]:
    choice, thinking = prompt.tool_choice, prompt.thinking
    return {
        "said": [one for message in prompt.messages for one in turn(message)],
        "tools": [(tool.name, tool.description, schema(tool.schema)) for tool in prompt.tools],
        "choice": None if choice is None else (choice.mode, choice.name),
        "format": prompt.format and (prompt.format.kind, schema(prompt.format.schema)),
        "thinking": thinking and (thinking.enabled, thinking.effort),
        "sampling": (prompt.temperature, prompt.top_p, prompt.stop, prompt.seed),
    }


@pytest.mark.parametrize(("mine", "theirs"), _pairs())
def test_a_translated_prompt_means_what_was_recorded_over_the_other_wire(mine: Asked, theirs: Asked) -> None:
    caller, provider = DIALECTS[mine.dialect], DIALECTS[theirs.dialect]
    written = translate(mine.request, caller, provider, model=theirs.model, quirks=Quirks(), account="a")
    target = f"/v1beta/models/{theirs.model}:generateContent"
    got = provider.read(provider.decode_request(written.body, target))

    assert meaning(got) == meaning(theirs.prompt)
    mine_most, most = mine.prompt.max_output_tokens, theirs.prompt.max_output_tokens
    raised = theirs.dialect == "openai-responses" and (mine_most or LEAST) < LEAST
    signed = any(getattr(part, "seal", None) for message in mine.prompt.messages for part in message.parts)
    named = {LOST: signed, f"max_output_tokens below {LEAST}": raised}
    assert set(written.losses) == {loss for loss, expected in named.items() if expected}
    if mine_most is not None and most is not None:
        assert got.max_output_tokens == (LEAST if raised else most)


def test_the_cases_hold_every_pair_of_five_wires() -> None:
    found = {(p.values[0].dialect, p.values[1].dialect) for p in _pairs()}
    wires = ["openai-chat", "anthropic-messages", "openai-responses", "gemini-generate", "bedrock-converse"]

    assert found == set(permutations(wires, 2))
