"""The traps of the wires in requests, for every dialect where they apply."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from translation import MODELS, QUIRKS, carried, chats, target

from freehold.core.prompt import Format, Prompt, Tool
from freehold.core.request import CallPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS

EVERY = [pytest.param(dialect, id=dialect.name) for dialect in chats()]
TALKING = [pytest.param(d, id=d.name) for d in chats() if d.name not in ("openai-completions", "ollama-generate")]
HI, SO = Message("user", (TextPart("hi"),)), Message("user", (TextPart("so?"),))


def wrote(dialect: Dialect, *said: Message, quirks: Quirks = QUIRKS, **more: Any) -> tuple[Written, Prompt]:
    """A prompt written in a dialect, and read again."""
    prompt = Prompt(messages=said or (HI,), **more)
    written = dialect.write(prompt, model=MODELS.get(dialect.name, "m"), quirks=quirks)
    return written, dialect.read(dialect.decode_request(written.body, target(dialect, prompt.stream)))


def chat(**members: Any) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return OPENAI_CHAT.decode_request(json.dumps(body).encode())


def spoken(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in prompt.messages]


# roles


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("dialect", TALKING)
def test_what_a_system_or_a_developer_says_is_said_by_the_system_in_every_dialect(dialect: Dialect, role: str) -> None:
    request = chat(messages=[{"role": role, "content": "Be brief"}, {"role": "user", "content": "hi"}])
    written = carried(request, OPENAI_CHAT, dialect) if dialect is not OPENAI_CHAT else None
    prompt = OPENAI_CHAT.read(request)
    if written is not None:
        prompt = dialect.read(dialect.decode_request(written.body, target(dialect, stream=False)))

    assert spoken(prompt) == [("system", "Be brief"), ("user", "hi")]
    assert written is None or b"developer" not in written.body


@pytest.mark.parametrize("dialect", TALKING)
def test_turns_of_one_role_that_follow_each_other_lose_nothing_in_any_dialect(dialect: Dialect) -> None:
    yes, no = Message("assistant", (TextPart("yes"),)), Message("assistant", (TextPart("no"),))
    written, prompt = wrote(dialect, HI, SO, yes, no, HI)

    assert "".join(text for _, text in spoken(prompt)).replace("\n", "") == "hiso?yesnohi"
    roles = [role for role, _ in spoken(prompt)]
    assert (roles[0], roles[-1]) == ("user", "user")
    assert written.losses == ()
    if dialect.name in ("anthropic-messages", "bedrock-converse", "gemini-generate"):  # which take turns
        assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize("dialect", TALKING)
def test_an_answer_that_was_begun_for_the_model_stays_the_last_turn(dialect: Dialect) -> None:
    _, prompt = wrote(dialect, HI, Message("assistant", (TextPart("Once upon"),)))

    assert spoken(prompt) == [("user", "hi"), ("assistant", "Once upon")]


@pytest.mark.parametrize("dialect", TALKING)
def test_results_of_parallel_calls_find_their_calls_in_any_order_and_grouping(dialect: Dialect) -> None:
    called = Message("assistant", tuple(CallPart(f"call_{n}", f"f{n}", f'{{"n":{n}}}') for n in range(3)))
    results = [ResultPart(f"call_{n}", f"r{n}", name=f"f{n}") for n in (2, 0, 1)]
    tools = tuple(Tool(name=f"f{n}", schema=Raw(b'{"type":"object","properties":{}}')) for n in range(3))
    apart = [Message("tool", (result,)) for result in results]
    together = [Message("user", (*results, TextPart("go on")))]
    for said in (apart, together):
        _, prompt = wrote(dialect, HI, called, *said, tools=tools)
        parts = [part for message in prompt.messages for part in message.parts]
        ids = {part.id: part.name for part in parts if isinstance(part, CallPart)}
        found = {ids[part.id]: part.text for part in parts if isinstance(part, ResultPart)}

        assert list(ids.values()) == ["f0", "f1", "f2"]
        assert found == {"f0": "r0", "f1": "r1", "f2": "r2"}
        kinds = [type(part).__name__ for part in parts]
        assert kinds[:7] == ["TextPart", *["CallPart"] * 3, *["ResultPart"] * 3], "results come right after their calls"


# schemas


SCHEMAS = {
    "additionalProperties": b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}',
    "$ref": b'{"type":"object","properties":{"n":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":"object","properties":'
    b'{"a":{"type":"string"}}}}}',
    "anyOf": b'{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"integer"}]}}}',
}


@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("dialect", TALKING)
def test_a_schema_keeps_its_members_in_every_dialect(dialect: Dialect, kind: str) -> None:
    schema = Raw(SCHEMAS[kind])
    name = next(iter(msgspec.json.decode(schema)["properties"]))
    _, tooled = wrote(dialect, tools=(Tool(name="f", schema=schema, strict=True),))
    written, formed = wrote(dialect, format=Format(kind="json_schema", name="n", schema=schema, strict=True))

    assert name in msgspec.json.decode(tooled.tools[0].schema or b"{}")["properties"]
    if formed.format is None or formed.format.schema is None:
        assert written.losses, "the form of the answer is gone, and nothing says so"
    else:
        kept = msgspec.json.encode(msgspec.json.decode(formed.format.schema)["properties"][name])
        assert b"string" in kept or b"$ref" in kept


@pytest.mark.parametrize("dialect", TALKING)
def test_strict_is_kept_where_a_dialect_has_the_word(dialect: Dialect) -> None:
    schema = Raw(SCHEMAS["additionalProperties"])
    written, prompt = wrote(dialect, tools=(Tool(name="f", schema=schema, strict=True),))
    if b'"strict"' in written.body:
        assert prompt.tools[0].strict is True
    else:
        assert dialect.name in ("gemini-generate", "ollama-chat", "bedrock-converse", "cohere-v2")


# limits, sampling


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("dialect", EVERY)
def test_the_limit_of_an_answer_has_its_name_in_every_dialect(dialect: Dialect, name: str) -> None:
    request = chat(**{name: 77})
    assert request.max_output_tokens == 77
    if dialect is not OPENAI_CHAT:
        written = carried(request, OPENAI_CHAT, dialect)
        assert dialect.read(dialect.decode_request(written.body, target(dialect, stream=False))).max_output_tokens == 77


def test_messages_get_a_limit_where_the_caller_gave_none() -> None:
    written = carried(chat(), OPENAI_CHAT, DIALECTS["anthropic-messages"])

    assert json.loads(written.body)["max_tokens"] > 0


@pytest.mark.parametrize(("member", "value"), [("choices", 2), ("logprobs", True), ("seed", 7), ("top_logprobs", 3)])
@pytest.mark.parametrize("dialect", EVERY)
def test_several_choices_logprobs_and_seeds_arrive_or_are_named(dialect: Dialect, member: str, value: Any) -> None:
    more: dict[str, Any] = {"logprobs": True} if member == "top_logprobs" else {}
    written, prompt = wrote(dialect, **(more | {member: value}))

    named = {"top_logprobs": "logprobs"}.get(member, member)
    assert getattr(prompt, member) == value or any(named in loss for loss in written.losses)


# null and absent


NULLS = ("max_tokens", "temperature", "top_p", "stop", "seed", "n", "user", "tools", "tool_choice",
         "response_format", "stream", "stream_options", "logprobs", "presence_penalty", "parallel_tool_calls",
         "reasoning_effort")  # fmt: skip


@pytest.mark.parametrize("dialect", EVERY)
def test_null_is_the_same_as_absent(dialect: Dialect) -> None:
    with_nulls, without = chat(**dict.fromkeys(NULLS)), chat()
    if dialect is OPENAI_CHAT:
        assert OPENAI_CHAT.read(with_nulls) == OPENAI_CHAT.read(without)
    else:
        assert carried(with_nulls, OPENAI_CHAT, dialect) == carried(without, OPENAI_CHAT, dialect)


# parts without words


def test_a_part_without_text_is_an_empty_text() -> None:
    """It once asked itself for its text without end."""
    parts = [{"type": "text", "text": ""}, {"type": "text"}, {"type": "refusal"}, {}, {"type": "text", "text": "x"}]
    prompt = OPENAI_CHAT.read(chat(messages=[{"role": "user", "content": parts}]))

    assert prompt.messages[0].text.strip() == "x"


def test_a_seal_that_a_caller_made_up_breaks_no_request() -> None:
    entry = {"type": "reasoning.encrypted", "data": "fh1.account.openrouter...no json"}
    turn = {"role": "assistant", "content": "x", "reasoning_details": [entry]}
    prompt = OPENAI_CHAT.read(chat(messages=[turn, {"role": "user", "content": "y"}]))
    (thought,) = [p for p in prompt.messages[0].parts if isinstance(p, ReasoningPart)]

    assert thought.seal is not None
    assert json.loads(OPENAI_CHAT.write(prompt, model="m", quirks=QUIRKS).body)["messages"][0]["content"] == "x"


# usage


@pytest.mark.parametrize("caller", ["openai-chat", "openai-completions", "anthropic-messages", "ollama-chat"])
def test_usage_of_a_stream_is_asked_for_whatever_the_caller_says(caller: str) -> None:
    spoken_ = DIALECTS[caller]
    body: dict[str, Any] = {"model": "m", "stream": True, "stream_options": {"include_usage": False}}
    body |= {"prompt": "hi"} if caller == "openai-completions" else {"messages": [{"role": "user", "content": "hi"}]}
    body |= {"max_tokens": 5} if caller == "anthropic-messages" else {}
    request = spoken_.decode_request(json.dumps(body).encode())
    asked = (
        OPENAI_CHAT.encode_request(request, model="m", quirks=Quirks())
        if spoken_ is OPENAI_CHAT
        else carried(request, spoken_, OPENAI_CHAT).body
    )

    assert json.loads(asked)["stream_options"] == {"include_usage": True}
