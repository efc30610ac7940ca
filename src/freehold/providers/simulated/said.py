"""What a simulated provider says: by rule, from known answers, by schema, or an honest echo. Pure."""

import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.providers.simulated.asked import CHARACTERS, Asked, Function, tokens
from freehold.providers.simulated.dice import Dice
from freehold.providers.simulated.instance import instance
from freehold.providers.simulated.rows import rows
from freehold.providers.simulated.simulation import Fault, Rule, Simulation, ToolUse

ECHO = 500
"""Characters of the prompt that the echo repeats at most."""

GROUP = re.compile(r"\\(?:(\d)|g<(\w+)>)")


class ToolCalled(Struct, frozen=True):
    name: str
    arguments: str


class Said(Struct, frozen=True, kw_only=True):
    """One answer: `text`, or calls of tools (then `text` is None). `whole` is false where max_tokens cut it."""

    text: str | None
    calls: tuple[ToolCalled, ...] = ()
    whole: bool = True
    fault: Fault | None = None

    @property
    def tokens(self) -> int:
        return tokens(self.text or "") + sum(tokens(c.name) + tokens(c.arguments) for c in self.calls)


class _Known(Struct, frozen=True):
    """A row of the file of known answers; `reply` is text, or a value that is given as JSON."""

    text: str
    reply: Any


WHOLE = ""
"""Stands for a reply that is no object, where the name of a member would stand."""


class Answers:
    """Known answers, of which a share is given right: a message is always easy or always hard.

    Of a reply that is an object each member is right or wrong by itself. What is wrong is what another row has there.
    Of two providers with the same seed the more skilled one is right wherever the other is.
    """

    def __init__(self, known: Sequence[tuple[str, Any]], *, skill: float, seed: int) -> None:
        self._replies = {text.strip(): reply for text, reply in known}
        self._texts = sorted(self._replies, key=len, reverse=True)
        self._said: dict[str, list[Any]] = {}
        for reply in self._replies.values():
            for member, value in _members(reply).items():
                self._said.setdefault(member, []).append(value)
        self._skill = skill
        self._seed = seed

    @classmethod
    def load(cls, path: str, *, skill: float, seed: int) -> "Answers":
        """The rows of a JSONL file, `{"text": ..., "reply": ...}` each; SettingsWrong names the row that is not one."""
        return cls([(row.text, row.reply) for row in rows(path, _Known)], skill=skill, seed=seed)

    def reply(self, prompt: str) -> str | None:
        """What is said to a prompt that is or contains a known text; None where none is known."""
        text = prompt.strip()
        if text not in self._replies:
            text = next((known for known in self._texts if known and known in prompt), "")
        if text not in self._replies:
            return None
        said = {member: self._one(text, member, right) for member, right in _members(self._replies[text]).items()}
        value = said.get(WHOLE, said)
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def _one(self, text: str, member: str, right: Any) -> Any:
        dice = Dice(self._seed, text, member) if member else Dice(self._seed, text)
        if dice.share() < self._skill:
            return right
        wrong = [value for value in self._said[member] if value != right]
        return wrong[dice.below(len(wrong))] if wrong else "I do not know."


def _members(reply: Any) -> dict[str, Any]:
    """The members of an object; anything else as the one member WHOLE."""
    return cast(dict[str, Any], reply) if isinstance(reply, dict) and reply and WHOLE not in reply else {WHOLE: reply}


class Speaker:
    """Answers requests as one simulation says."""

    def __init__(self, simulation: Simulation) -> None:
        self._reply = simulation.reply
        self._rules = [(rule, re.compile(rule.regex) if rule.regex is not None else None) for rule in simulation.rules]
        self._answers = (
            Answers.load(simulation.answers, skill=simulation.skill, seed=simulation.seed)
            if simulation.answers is not None
            else None
        )

    def say(self, asked: Asked, dice: Dice) -> Said:
        rule, match = self._fitting(asked.prompt)
        fault = rule.fault if rule else None
        calls = _calls(asked, rule, match, dice)
        if calls:
            return _limited(Said(text=None, calls=calls, fault=fault), asked)
        return _limited(Said(text=self._text(asked, rule, match, dice), fault=fault), asked)

    def _fitting(self, prompt: str) -> tuple[Rule | None, re.Match[str] | None]:
        for rule, regex in self._rules:
            if regex is not None:
                if match := regex.search(prompt):
                    return rule, match
            elif rule.contains is not None and rule.contains in prompt:
                return rule, None
        return None, None

    def _text(self, asked: Asked, rule: Rule | None, match: re.Match[str] | None, dice: Dice) -> str:
        if rule is not None and rule.reply is not None:
            return _filled(rule.reply, match)
        if self._answers is not None and (reply := self._answers.reply(asked.prompt)) is not None:
            return reply
        format = asked.response_format
        if format is not None and format.type == "json_schema":
            schema = format.json_schema.schema if format.json_schema is not None else None
            return msgspec.json.encode(instance(schema or {"type": "object"}, dice)).decode()
        text = self._reply if self._reply is not None else _echo(asked)
        if format is not None and format.type == "json_object":
            return msgspec.json.encode({"simulated": True, "answer": text}).decode()
        return text


def _echo(asked: Asked) -> str:
    prompt = asked.prompt
    text = f"simulated answer to: {prompt[:ECHO]}{'…' if len(prompt) > ECHO else ''}"
    if results := asked.results:
        text += f" (the tools said: {'; '.join(results)[:ECHO]})"
    return text


def _calls(asked: Asked, rule: Rule | None, match: re.Match[str] | None, dice: Dice) -> tuple[ToolCalled, ...]:
    """The tools to call now: those of the rule, else those that the caller insists on, else those that the prompt
    names. After their results only a caller that insists gets calls again."""
    offered, choice = asked.functions, asked.tool_choice
    insists = choice == "required" or asked.named is not None
    if not offered or choice == "none" or (asked.results and not insists):
        return ()
    if asked.named is not None:
        offered = {asked.named: offered[asked.named]}
    uses = [use for use in rule.tool_calls if use.name in offered] if rule is not None else []
    if not uses and (rule is None or insists):
        uses = [ToolUse(name=name) for name in offered if re.search(rf"\b{re.escape(name)}\b", asked.prompt)]
    if not uses and insists:
        uses = [ToolUse(name=next(iter(offered)))]
    if asked.parallel_tool_calls is False:
        uses = uses[:1]
    return tuple(_call(use, offered[use.name], match, dice) for use in uses)


def _call(use: ToolUse, tool: Function, match: re.Match[str] | None, dice: Dice) -> ToolCalled:
    if use.arguments is not None:
        arguments = _filled_value(use.arguments, match)
    else:
        arguments = instance(tool.parameters or {"type": "object"}, dice)
    return ToolCalled(use.name, msgspec.json.encode(arguments).decode())


def _filled(text: str, match: re.Match[str] | None) -> str:
    """`text` with \\1 and \\g<name> replaced by what the groups matched; other backslashes are left alone."""
    if match is None or "\\" not in text:
        return text

    def group(found: re.Match[str]) -> str:
        key = int(found[1]) if found[1] else found[2]
        try:
            return match[key] or ""
        except IndexError:
            return found[0]

    return GROUP.sub(group, text)


def _filled_value(value: Any, match: re.Match[str] | None) -> Any:
    if isinstance(value, str):
        return _filled(value, match)
    if isinstance(value, dict):
        return {k: _filled_value(v, match) for k, v in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_filled_value(v, match) for v in cast(list[Any], value)]
    return value


def _limited(said: Said, asked: Asked) -> Said:
    """The same within `stop` and the limit of tokens."""
    if said.text is not None:
        stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
        ends = [at for stop in stops if stop and (at := said.text.find(stop)) >= 0]
        said = msgspec.structs.replace(said, text=said.text[: min(ends)]) if ends else said
    limit = asked.limit
    if limit is None or said.tokens <= limit:
        return said
    if said.text is not None:
        return msgspec.structs.replace(said, text=said.text[: limit * CHARACTERS], whole=False)
    calls: list[ToolCalled] = []
    for call in said.calls:
        limit -= tokens(call.name)
        if limit < 0:
            break
        calls.append(ToolCalled(call.name, call.arguments[: limit * CHARACTERS]))
        limit -= tokens(calls[-1].arguments)
    return msgspec.structs.replace(said, calls=tuple(calls), whole=False)
