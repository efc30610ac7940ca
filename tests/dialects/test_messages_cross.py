"""Between Messages and chat completions: the same prompt recorded over both wires, and every recorded chat answer."""

import json
from itertools import pairwise
from typing import Any

import pytest
from messages_world import ALL, asked, folded, told, valid_events, valid_message, valid_request, write
from recorded import REQUESTS as CHAT_REQUESTS
from recorded import ROWS as CHAT
from recorded import STREAMS as CHAT_STREAMS
from recorded import WHOLE as CHAT_WHOLE
from recorded import Row, chunks, compact, name, needs_recordings, quirks, stream
from recorded import asked as chat_asked

from freehold.core.errors import ProviderError
from freehold.core.events import Event, collect
from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, ResultPart, TextPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

pytestmark = needs_recordings
MODEL = "claude-sonnet-4-5"


def meaning(prompt: Prompt) -> list[tuple[Any, ...]]:
    """What is said, by whom, without the ids and addresses that each recording has of its own."""
    found: list[tuple[Any, ...]] = []
    for message in prompt.messages:
        for part in message.parts:
            match part:
                case TextPart(text):
                    found.append((message.role, text))
                case CallPart(_, called, arguments):
                    found.append((message.role, called, json.loads(arguments)))
                case ResultPart(_, text):
                    found.append(("tool", text))
                case MediaPart(kind):
                    found.append((message.role, kind))
                case _:
                    pass
    found += [("offers", tool.name, json.loads(bytes(tool.schema or b"{}"))) for tool in prompt.tools]
    return found


def chat_prompt(row: Row) -> Prompt:
    return OPENAI_CHAT.read(OPENAI_CHAT.decode_request(compact(row["request"]["body"])))


def messages_prompt(row: Row) -> Prompt:
    return ANTHROPIC_MESSAGES.read(ANTHROPIC_MESSAGES.decode_request(compact(asked(row))))


PAIRS = [
    (mine, chat)
    for mine in ALL
    for chat in CHAT
    if mine.get("case") and mine.get("case") == chat.get("case") and asked(mine) and chat["request"]
    if len(asked(mine)["messages"]) == len(chat["request"]["body"]["messages"])  # type: ignore[index]
]


def test_three_prompts_were_recorded_over_both_wires() -> None:
    assert {mine["case"] for mine, _ in PAIRS} >= {"multimodalRequest", "simpleRequestTruncated", "toolCallRequest"}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]['id']}-{pair[1]['id']}")
def test_a_prompt_translated_means_what_was_recorded_over_the_other_wire(pair: tuple[Row, Row]) -> None:
    mine, chat = pair
    to_messages = translate(
        OPENAI_CHAT.decode_request(compact(chat["request"]["body"])),
        OPENAI_CHAT,
        ANTHROPIC_MESSAGES,
        model=MODEL,
        quirks=Quirks(),
        account="a",
    )
    to_chat = translate(
        ANTHROPIC_MESSAGES.decode_request(compact(asked(mine))),
        ANTHROPIC_MESSAGES,
        OPENAI_CHAT,
        model="gpt",
        quirks=Quirks(),
        account="o",
    )
    valid_request(json.loads(to_messages.body))
    ours = ANTHROPIC_MESSAGES.read(ANTHROPIC_MESSAGES.decode_request(to_messages.body))
    theirs = OPENAI_CHAT.read(OPENAI_CHAT.decode_request(to_chat.body))

    assert meaning(ours) == meaning(messages_prompt(mine)) == meaning(chat_prompt(chat)) == meaning(theirs)
    assert to_messages.losses == to_chat.losses == ()


def failing(row: Row) -> bool:
    return any(isinstance(chunk.get("error"), dict) for chunk in chunks(row))


def chat_events(row: Row) -> list[Event]:
    """What a recorded chat answer says, as far as it goes."""
    if "body" in row["response"]:
        return [OPENAI_CHAT.decode_answer(compact(row["response"]["body"]), quirks(row))]
    decoder, events = OPENAI_CHAT.stream_decoder(quirks(row)), list[Event]()
    try:
        events += decoder.feed(stream(row))
        events += decoder.finish()
    except ProviderError:
        assert failing(row)
    return events


@pytest.mark.parametrize("row", [*CHAT_WHOLE, *CHAT_STREAMS], ids=name)
def test_a_recorded_chat_answer_becomes_a_valid_message_that_says_the_same(row: Row) -> None:
    events = chat_events(row)
    before = collect(events)
    first = before.choices[0]
    streamed = told(write(events, streamed=True, foreign="acme"))
    valid_events(streamed)
    message = json.loads(write(events, streamed=False, foreign="acme"))
    for one in (folded(streamed), message):
        valid_message(one)
        said = "".join(b["text"] for b in one["content"] if b["type"] == "text")
        thought = "".join(b["thinking"] for b in one["content"] if b["type"] == "thinking")
        assert said == first.text + first.refusal
        assert thought == first.reasoning
        calls = [(b["name"], b["input"]) for b in one["content"] if b["type"] == "tool_use"]
        assert calls == [(c.name, json.loads(c.arguments or "{}")) for c in first.tool_calls]
        if calls:
            assert one["stop_reason"] in {"tool_use", "max_tokens"}
        if before.usage is not None:
            usage = one["usage"]
            total = sum(
                usage.get(n) or 0 for n in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            )
            assert (total, usage["output_tokens"]) == (before.usage.input_tokens, before.usage.output_tokens)


@pytest.mark.parametrize("row", CHAT_REQUESTS, ids=name)
def test_a_recorded_chat_request_becomes_a_valid_message_request(row: Row) -> None:
    body = chat_asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))
    written = translate(request, OPENAI_CHAT, ANTHROPIC_MESSAGES, model=MODEL, quirks=Quirks(), account="a")
    sent = json.loads(written.body)

    valid_request(sent)
    ANTHROPIC_MESSAGES.decode_request(written.body)
    roles = [turn["role"] for turn in sent["messages"]]
    assert all(a != b for a, b in pairwise(roles))
    blocks = [b for turn in sent["messages"] for b in turn["content"]]
    everything = "\n".join(b["text"] for b in (*sent.get("system", ()), *blocks) if b["type"] == "text")
    for said in body["messages"]:
        if (
            isinstance(said.get("content"), str)
            and said["role"] not in {"tool", "function"}
            and said["content"].strip()
        ):
            assert said["content"].rstrip() in everything
    calls = [c for m in body["messages"] for c in m.get("tool_calls") or ()]
    assert [b["name"] for b in blocks if b["type"] == "tool_use"][: len(calls)] == [
        c["function"]["name"] for c in calls
    ]
    for turn, after in zip(sent["messages"], [*sent["messages"][1:], {"content": []}], strict=True):
        ids = [b["id"] for b in turn["content"] if b["type"] == "tool_use"]
        answered = [b["tool_use_id"] for b in after["content"] if b["type"] == "tool_result"]
        assert answered == [id_ for id_ in ids if id_ in answered]
