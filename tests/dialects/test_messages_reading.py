"""Requests of Messages, read into no dialect; what is malformed is refused by name."""

import json
from hashlib import sha256
from typing import Any

import pytest
from messages_world import HI, NATIVE, request, sent
from recorded import compact

from freehold.core.errors import InvalidRequest
from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import wrap

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def prompt(**members: Any) -> Prompt:
    return ANTHROPIC_MESSAGES.read(request(**members))


def parts(*blocks: dict[str, Any], role: str = "user") -> tuple[Any, ...]:
    said = prompt(messages=[{"role": role, "content": list(blocks)}]).messages
    return tuple(part for message in said for part in message.parts)


def losses(*blocks: dict[str, Any], role: str = "user") -> tuple[str, ...]:
    return prompt(messages=[{"role": role, "content": list(blocks)}]).losses


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def test_the_system_prompt_comes_first_with_its_marks() -> None:
    assert prompt(system="be kind").messages[0] == Message("system", (TextPart("be kind"),))
    blocks = [text("a", cache_control=HOUR), text("b", cache_control=MARK), text("c")]
    assert prompt(system=blocks).messages[0] == Message(
        "system", (TextPart("a", "1h"), TextPart("b", "5m"), TextPart("c"))
    )
    assert prompt().messages == (Message("user", (TextPart("hi"),)),)


def test_what_tools_said_comes_as_turns_of_their_own_before_what_the_user_said() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    said = prompt(
        messages=[
            *HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}, "cache_control": MARK},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t2", "content": [text("a"), picture, text("b")]},
                    {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": "no"},
                    {"type": "tool_result", "tool_use_id": "t3", "cache_control": MARK},
                    text("go on"),
                ],
            },
        ]
    ).messages

    assert said[1].parts == (CallPart("t1", "f", '{"x":1}'), CallPart("t2", "g", "{}", cache="5m"))
    media = (MediaPart("image", url="data:image/png;base64,aGk=", media_type="image/png"),)
    assert said[2:] == (
        Message("tool", (ResultPart("t2", "a\nb", media),)),
        Message("tool", (ResultPart("t1", "no", error=True),)),
        Message("tool", (ResultPart("t3", "", cache="5m"),)),
        Message("user", (TextPart("go on"),)),
    )


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            MediaPart("image", url="https://x/y.png"),
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, MediaPart("image", file_id="file_1")),
        (
            {
                "type": "document",
                "title": "T",
                "cache_control": MARK,
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            },
            MediaPart(
                "file",
                url="data:application/pdf;base64,JVBE",
                media_type="application/pdf",
                name="T",
                cache="5m",
            ),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
            MediaPart("file", url="https://x/y.pdf"),
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            TextPart("T\nwords"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [text("inside")]}},
            TextPart("inside"),
        ),
        (
            {"type": "search_result", "title": "T", "source": "https://s", "content": [text("found"), text("more")]},
            TextPart("T\nhttps://s\nfound\nmore"),
        ),
    ],
)
def test_media_documents_and_search_results_are_read(block: dict[str, Any], wanted: Any) -> None:
    assert parts(block) == (wanted,)


def test_thoughts_keep_their_seals_and_wrapped_ones_know_their_issuer() -> None:
    other = Seal("openai", "enc", account="acme", id="rs_1")
    assert parts(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "open", "signature": ""},
        {"type": "thinking", "thinking": "theirs", "signature": wrap(other, "acme")},
        role="assistant",
    ) == (
        ReasoningPart("hm", Seal("anthropic", "sig")),
        ReasoningPart("", Seal("anthropic", "xyz", redacted=True)),
        ReasoningPart("open"),
        ReasoningPart("theirs", other),
    )


def test_a_seal_beside_a_call_or_a_text_is_read_back_into_it() -> None:
    seal = Seal("gemini", "sig", account="g")
    beside = {"type": "redacted_thinking", "data": wrap(seal, "g")}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

    assert parts(text("a"), beside, call, role="assistant") == (TextPart("a"), CallPart("t", "f", "{}", seal=seal))
    assert parts(text("a"), beside, role="assistant") == (TextPart("a", seal=seal),)
    assert parts(text("a"), beside, text("b"), role="assistant") == (TextPart("a", seal=seal), TextPart("b"))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "mcp_tool_use", "id": "s", "name": "x", "server_name": "y", "input": {}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "never_heard_of"},
    ],
)
def test_a_block_that_has_no_counterpart_is_named(block: dict[str, Any]) -> None:
    assert losses(text("a"), block, role="assistant") == (block["type"],)


def test_citations_are_named_where_they_are_asked_for_or_sent_back() -> None:
    document = {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}}
    assert losses(document) == ("document.citations",)
    assert losses(text("a", citations=[{"type": "char_location"}]), role="assistant") == ("citations",)
    assert losses(document | {"citations": {"enabled": False}}) == ()


def test_tools_are_read_with_what_only_anthropic_knows_named() -> None:
    custom = {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "cache_control": HOUR}
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    read = prompt(tools=[custom, search, {"name": "g", "defer_loading": True, "input_examples": [{}]}])

    assert [(t.name, t.kind, t.description, t.strict, t.cache) for t in read.tools] == [
        ("f", "function", "d", True, "1h"),
        ("web_search", "builtin", "", None, ""),
        ("g", "function", "", None, ""),
    ]
    assert json.loads(bytes(read.tools[0].schema or b"")) == SCHEMA
    assert json.loads(bytes(read.tools[1].original or b"")) == search
    assert read.tools[2] == Tool(name="g")
    assert read.losses == ("tools[g].defer_loading", "tools[g].input_examples")


@pytest.mark.parametrize(
    ("said", "choice", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("named", "f"), None),
        ({"type": "none"}, ToolChoice("none"), None),
        (None, None, None),
    ],
)
def test_the_choice_of_tools_is_read(said: Any, choice: ToolChoice | None, parallel: bool | None) -> None:
    read = prompt(tool_choice=said)
    assert (read.tool_choice, read.parallel_tools) == (choice, parallel)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Thinking(enabled=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Thinking(budget=2000, summary="auto")),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Thinking()),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
            Thinking(effort="max", summary="auto"),
        ),
        ({"output_config": {"effort": "low"}}, Thinking(effort="low")),
    ],
)
def test_how_much_to_think_is_read(members: dict[str, Any], wanted: Thinking | None) -> None:
    assert prompt(**members).thinking == wanted


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_the_form_of_the_answer_is_read_from_both_places(where: str) -> None:
    form = {"type": "json_schema", "schema": SCHEMA}
    read = prompt(**{where: {"format": form} if where == "output_config" else form})
    assert read.format is not None
    assert read.format == Format(kind="json_schema", schema=read.format.schema, strict=True)
    assert json.loads(bytes(read.format.schema or b"")) == SCHEMA
    assert "json_schema" in request(**{where: {"format": form} if where == "output_config" else form}).needs


def test_everything_else_has_its_place_or_is_named() -> None:
    read = prompt(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["a", "b"],
        metadata={"user_id": "u1"},
        service_tier="standard_only",
        stream=True,
        container="c1",
        mcp_servers=[{"name": "x"}],
        unheard=1,
        inference_geo=None,
    )
    assert (read.temperature, read.top_p, read.top_k, read.stop) == (0.5, 0.9, 5, ("a", "b"))
    assert (read.subject, read.service_tier, read.stream, read.wants_usage) == ("u1", "default", True, True)
    assert read.max_output_tokens == 100
    assert read.losses == ("container", "mcp_servers", "unheard")


def test_a_mark_on_the_whole_request_marks_its_last_part() -> None:
    read = prompt(cache_control=HOUR, messages=[{"role": "user", "content": [text("a"), text("b")]}])
    assert read.messages[0].parts == (TextPart("a"), TextPart("b", "1h"))
    assert "cache_control" not in read.losses


BILLING = "x-anthropic-billing-header: cc_version=2.1.15.{0}; cc_entrypoint=cli; cch={0};"


@pytest.mark.parametrize(
    ("system", "left"),
    [
        (
            [text(BILLING), text("You are Claude Code.", cache_control=MARK)],
            [text("You are Claude Code.", cache_control=MARK)],
        ),
        (BILLING + "\nYou are Claude Code.", "You are Claude Code."),
        ([text(BILLING + "\nYou are Claude Code.")], [text("You are Claude Code.")]),
        (BILLING, None),
        ([text(BILLING)], None),
        ("tell me about x-anthropic-billing-header: lines", "tell me about x-anthropic-billing-header: lines"),
    ],
)
def test_the_billing_block_is_anthropics_alone(system: Any, left: Any) -> None:
    """Behind any other provider it would spoil the prompt cache at the first token."""

    def asked(number: str) -> Any:
        return request(system=json.loads(json.dumps(system).replace("{0}", number)))

    first, second = (ANTHROPIC_MESSAGES.encode_request(asked(n), model="m", quirks=Quirks()) for n in ("a1", "b2"))
    assert first == second
    assert json.loads(first).get("system") == left
    assert json.loads(compact(sent(asked("a1"), quirks=NATIVE)))["system"] == json.loads(
        json.dumps(system).replace("{0}", "a1")
    )
    reads = [ANTHROPIC_MESSAGES.read(asked(n)) for n in ("a1", "b2")]
    assert reads[0] == reads[1]
    assert reads[0].losses == ()


CODE = json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "0b5e"})


@pytest.mark.parametrize(
    ("user", "elsewhere"),
    [("user-1_A", "user-1_A"), (CODE, sha256(CODE.encode()).hexdigest()), ("a@b", sha256(b"a@b").hexdigest())],
)
def test_a_name_of_a_user_that_not_everybody_takes_is_a_digest_everywhere_but_at_anthropic(
    user: str, elsewhere: str
) -> None:
    asked = request(metadata={"user_id": user, "more": 1})
    assert sent(asked, quirks=NATIVE)["metadata"] == {"user_id": user, "more": 1}
    assert sent(asked, quirks=Quirks())["metadata"] == {"user_id": elsewhere, "more": 1}
    assert ANTHROPIC_MESSAGES.read(asked).subject == elsewhere
    assert asked.subject == user


def test_a_limit_is_sent_where_the_caller_gave_none() -> None:
    body = {"model": "m", "messages": HI}
    for asked in (body, body | {"max_tokens": None}):
        assert sent(ANTHROPIC_MESSAGES.decode_request(compact(asked))) == body | {"max_tokens": 16_384}


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"messages": []}, "messages: is empty"),
        ({"messages": "hi"}, r"messages: Expected `array`"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\.0\.role"),
        ({"messages": [{"role": "user"}]}, r"content"),
        ({"messages": [{"role": "user", "content": None}]}, r"content"),
        ({"model": ""}, "model: is empty"),
        ({"model": 7}, "model: Expected `str`"),
        ({"max_tokens": -1}, "max_tokens: expected 0"),
        ({"max_tokens": 2**40}, "max_tokens: expected 0"),
        ({"max_tokens": "5"}, "max_tokens: Expected `int"),
        ({"stream": "yes"}, "stream: Expected"),
        ({"system": 5}, "system: Expected"),
        ({"metadata": {"user_id": 5}}, r"metadata\.user_id"),
    ],
)
def test_a_malformed_request_is_refused_by_the_name_of_what_is_wrong(members: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        request(**members)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"tools": [{"name": 5}]}, "name"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"tool_choice": "auto"}, "tool_choice"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_its_name(members: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        prompt(**members)


def test_blocks_in_blocks_without_end_are_refused() -> None:
    block: dict[str, Any] = text("deep")
    for _ in range(200):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    asked = request(messages=[{"role": "user", "content": [block]}])
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        ANTHROPIC_MESSAGES.read(asked)
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        ANTHROPIC_MESSAGES.messages(asked)


@pytest.mark.parametrize(
    "content",
    [
        [None, 1, "x", []],
        [{"type": 5}],
        [{"type": "text"}],
        [{"type": "text", "text": None}],
        [{"type": "image"}],
        [{"type": "image", "source": {"data": 5}}],
        [{"type": "tool_use"}],
        [{"type": "tool_result", "content": {"a": 1}}],
        [{"type": "document", "source": {"type": "content", "content": "x"}}],
        [{"type": "thinking", "signature": 5}],
        [{"type": "redacted_thinking"}],
    ],
)
def test_odd_blocks_break_nothing(content: Any) -> None:
    """They pass to a provider of the dialect, who judges them; here they are read as far as they go."""
    asked = request(messages=[{"role": "user", "content": content}])
    assert ANTHROPIC_MESSAGES.messages(asked)
    assert ANTHROPIC_MESSAGES.read(asked).messages
    assert sent(asked)["messages"] == [{"role": "user", "content": content}]
