"""Sealed reasoning goes back to the account that issued it, also where several accounts speak the caller's dialect."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gateway_world import HI, Answered, House, house, post
from messages_callers import MESSAGE
from msgspec import Raw
from msgspec import json as codec
from scripted_upstream import KEEP, Upstream, completion, sized, turns

from freehold.core.decision import Decision
from freehold.core.seal import Seal
from freehold.dialects.gemini_generate.foreign import signature_of
from freehold.dialects.openai_chat.details import seal_of
from freehold.dialects.seals import wrap

LOST = "lost: reasoning signature of another provider"
FAILED: list[bytes | threading.Event] = [sized(b"{}", status=500), KEEP]


class Case(NamedTuple):
    """A dialect: where it is asked, what is answered, and the turns of a conversation with a seal in it and without."""

    path: str
    member: str
    answer: dict[str, Any]
    turns: list[Any]
    bare: list[Any]
    more: dict[str, Any] = {}


THINKING = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
BLIND = {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ"}
GOOD = {"type": "text", "text": "good"}
DETAIL: dict[str, Any] = {"type": "reasoning.encrypted", "data": "c2VhbGVk", "format": "f-v1", "index": 0}
CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED = {"extra_content": {"google": {"thought_signature": "c2lnbmVkLWNhbGw"}}}
CHAT = json.loads(completion())
CHAT["choices"][0]["message"] |= {"reasoning_details": [DETAIL], "tool_calls": [CALL | SIGNED]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}
SEALED: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-sealed"}
SAID: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "good", "annotations": []}],
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
    "output": [SEALED, SAID],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": False,
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}  # fmt: skip
THOUGHT = {"text": "hm", "thought": True, "thoughtSignature": "dGhvdWdodA"}
ASKS: dict[str, Any] = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "Y2FsbGVk"}
GIVES: dict[str, Any] = {"functionResponse": {"name": "f", "response": {"is": 42}}}
PARTS: list[Any] = [THOUGHT, {"text": "good", "thoughtSignature": "dGV4dA"}, ASKS]
GEMINI: dict[str, Any] = {
    "candidates": [{"content": {"parts": PARTS, "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
ASKED = {"role": "user", "parts": [{"text": "hi"}]}

CASES = {
    "anthropic-messages": Case(
        "/v1/messages",
        "messages",
        MESSAGE | {"content": [THINKING, BLIND, GOOD]},
        [*HI, {"role": "assistant", "content": [THINKING, BLIND, GOOD]}, *HI],
        [*HI, {"role": "assistant", "content": [GOOD]}, *HI],
        {"max_tokens": 9},
    ),
    "openai-responses": Case(
        "/v1/responses", "input", RESPONSE, [*HI, SEALED, SAID, *HI], [*HI, SAID, *HI], {"store": False}
    ),
    "openai-chat": Case(
        "/v1/chat/completions",
        "messages",
        CHAT,
        [
            *HI,
            {"role": "assistant", "content": "good", "reasoning_details": [DETAIL], "tool_calls": [CALL | SIGNED]},
            RESULT,
        ],
        [
            *HI,
            {"role": "assistant", "content": "good", "tool_calls": [CALL | {"extra_content": {"google": {}}}]},
            RESULT,
        ],
    ),
    "gemini-generate": Case(
        "/v1beta/models/r:generateContent",
        "contents",
        GEMINI,
        [ASKED, {"role": "model", "parts": PARTS}, {"role": "user", "parts": [GIVES]}],
        [
            ASKED,
            {"role": "model", "parts": [{"text": "good"}, {"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [GIVES]},
        ],
    ),
}


@contextmanager
def two_accounts(tmp_path: Path, dialect: str, first: Upstream, second: Upstream, route: str = "") -> Generator[House]:
    """A route `r` that asks the first account and then the second, both in this dialect."""
    out = ['[retry]\nattempts = 2\nbackoff_ms = 1\n[routes.r]\ndeployments = ["d0", "d1"]\nordered = true\n', route]
    for number, up in enumerate((first, second)):
        path = 'path = "/v1beta"\n' if dialect == "gemini-generate" else ""
        url = f"http://127.0.0.1:{up.port}" + ("" if path else "/v1")
        out.append(f'[providers.up{number}]\nbase_url = "{url}"\ndialect = "{dialect}"\n{path}')
        out.append(f'[deployments.d{number}]\nprovider = "up{number}"\nmodel = "m{number}"\n')
    with house(tmp_path, "".join(out)) as home:
        yield home


def wrapped(dialect: str, account: str) -> list[Any]:
    """The turns of a dialect as a caller has them to whom its seals were given in another dialect than their own."""
    turns: list[Any] = CASES[dialect].turns
    detail = seal_of(DETAIL)
    assert detail is not None
    seals = {
        "c2lnbmVk": wrap(Seal("anthropic", "c2lnbmVk"), account),
        "cmVkYWN0ZWQ": wrap(Seal("anthropic", "cmVkYWN0ZWQ", redacted=True), account),
        "gAAAA-sealed": wrap(Seal("openai", "gAAAA-sealed", id="rs_1"), account),
        "c2VhbGVk": wrap(detail, account),
        "c2lnbmVkLWNhbGw": wrap(Seal("gemini", "c2lnbmVkLWNhbGw"), account),
        **{data: signature_of(Seal("gemini", data), account) for data in ("dGhvdWdodA", "dGV4dA", "Y2FsbGVk")},
    }
    text = json.dumps(turns)
    for data, seal in seals.items():
        text = text.replace(json.dumps(data), json.dumps(seal))
    return json.loads(text)


def asked(case: Case, said: list[Any], *headers: str) -> bytes:
    return post({"model": "r", case.member: said, **case.more}, *headers, path=case.path)


def whole(case: Case) -> list[bytes | threading.Event]:
    return [sized(json.dumps(case.answer).encode()), KEEP]


def decision(home: House, answer: Answered) -> Decision:
    kept = home.record(answer).decision
    return codec.decode(kept, type=Decision) if isinstance(kept, Raw) else kept  # type: ignore[return-value]


@pytest.mark.parametrize("dialect", CASES)
def test_a_conversation_stays_with_the_account_that_sealed_it_and_goes_elsewhere_without_the_seals(
    tmp_path: Path, dialect: str
) -> None:
    case = CASES[dialect]
    good = whole(case)
    with (
        Upstream(turns(FAILED, good)) as first,
        Upstream(turns(good, good, FAILED)) as second,
        two_accounts(tmp_path, dialect, first, second) as home,
    ):
        begun = home.ask(asked(case, case.turns[:1]))
        stays = home.ask(asked(case, case.turns))
        chosen = decision(home, stays)
        moves = home.ask(asked(case, case.turns))
        record = home.record(moves)

    assert [a.status for a in (begun, stays, moves)] == [200, 200, 200]
    assert [a.headers["x-freehold-deployment"] for a in (begun, stays, moves)] == ["d1", "d1", "d0"]
    assert json.loads(second.asked[1])[case.member] == case.turns
    assert (chosen.inputs.issuer, chosen.order) == ("up1", ("d1", "d0"))
    assert chosen.why == "up1 sealed the reasoning in this conversation"
    assert "x-freehold-warnings" not in stays.headers
    assert json.loads(first.asked[1])[case.member] == case.bare
    assert record.warnings == (LOST,)
    assert moves.headers["x-freehold-warnings"] == LOST


@pytest.mark.parametrize("dialect", CASES)
def test_seals_that_nobody_here_knows_pass_as_they_are(tmp_path: Path, dialect: str) -> None:
    case = CASES[dialect]
    good = whole(case)
    with (
        Upstream(turns(good)) as first,
        Upstream(turns(good)) as second,
        two_accounts(tmp_path, dialect, first, second) as home,
    ):
        answer = home.ask(asked(case, case.turns))

    assert answer.headers["x-freehold-deployment"] == "d0"
    assert json.loads(first.asked[0])[case.member] == case.turns
    assert "x-freehold-warnings" not in answer.headers


def test_a_strict_request_does_not_go_to_an_account_that_cannot_read_its_seals(tmp_path: Path) -> None:
    case = CASES["anthropic-messages"]
    good = whole(case)
    with (
        Upstream(turns(FAILED, good)) as first,
        Upstream(turns(good, FAILED)) as second,
        two_accounts(tmp_path, "anthropic-messages", first, second) as home,
    ):
        home.ask(asked(case, case.turns[:1]))
        answer = home.ask(asked(case, case.turns, "x-freehold-strict: true"))
        record = home.record(answer)

    assert (answer.status, record.error) == (422, "not_carried")
    assert "reasoning signature of another provider" in answer.error["message"]
    assert len(first.asked) == 1


@pytest.mark.parametrize("data", ["fh1..openrouter..r.{", "fh1..openrouter..r.[[", "fh1.a%2Eb", "fh1.....", "\x00"])
def test_a_seal_that_a_caller_made_up_is_served_like_any_other(tmp_path: Path, data: str) -> None:
    case = CASES["openai-chat"]
    with (
        Upstream(turns(whole(case))) as first,
        Upstream(turns(whole(case))) as second,
        two_accounts(tmp_path, "openai-chat", first, second) as home,
    ):
        home.ask(asked(case, case.turns[:1]))
        made_up = {"role": "assistant", "content": "good", "reasoning_details": [DETAIL | {"data": data}, 7, None]}
        answer = home.ask(asked(case, [*HI, made_up, *HI]))

    assert answer.status == 200
    assert json.loads(first.asked[1])["messages"][1] == made_up


@pytest.mark.parametrize("dialect", CASES)
def test_what_another_account_gave_out_in_this_dialect_is_left_out_and_said_also_after_a_restart(
    tmp_path: Path, dialect: str
) -> None:
    case = CASES[dialect]
    with (
        Upstream(turns(whole(case))) as first,
        Upstream(turns(FAILED)) as second,
        two_accounts(tmp_path, dialect, first, second) as home,
    ):
        answer = home.ask(asked(case, wrapped(dialect, "elsewhere")))
        strict = home.ask(asked(case, wrapped(dialect, "elsewhere"), "x-freehold-strict: true"))
        record = home.record(answer)

    assert (answer.status, answer.headers["x-freehold-warnings"]) == (200, LOST)
    assert record.warnings == (LOST,)
    assert [json.loads(body)[case.member] for body in first.asked] == [case.bare]
    assert (strict.status, home.record(strict).error) == (422, "not_carried")


@pytest.mark.parametrize("dialect", [name for name in CASES if name != "openai-chat"])
def test_what_an_account_sealed_and_gave_out_in_another_dialect_goes_back_to_it_as_it_was(
    tmp_path: Path, dialect: str
) -> None:
    case = CASES[dialect]
    with (
        Upstream(turns(FAILED)) as first,
        Upstream(turns(whole(case))) as second,
        two_accounts(tmp_path, dialect, first, second) as home,
    ):
        answer = home.ask(asked(case, wrapped(dialect, "up1")))

    assert answer.headers["x-freehold-deployment"] == "d1"
    assert "x-freehold-warnings" not in answer.headers
    assert [json.loads(body)[case.member] for body in second.asked] == [case.turns]
