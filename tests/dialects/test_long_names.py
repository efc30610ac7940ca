"""Names that are too long for a provider: of end users, and of the calls of tools."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from translation import HI, asked

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, Message, ResultPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_completions.dialect import OPENAI_COMPLETIONS
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

CLAUDE_CODE = '{"device_id":"' + "a" * 64 + '","account_uuid":"","session_id":"5b1c"}'
DIGEST = "subject (sent as its digest)"


def wrote(dialect: Dialect, prompt: Prompt) -> tuple[dict[str, Any], tuple[str, ...]]:
    written = dialect.write(prompt, model="m", quirks=Quirks())
    return msgspec.json.decode(written.body), written.losses


def user(body: dict[str, Any]) -> str:
    return body.get("user") or body.get("safety_identifier") or body["metadata"]["user_id"]


@pytest.mark.parametrize(
    ("dialect", "most"),
    [(OPENAI_CHAT, 64), (OPENAI_RESPONSES, 64), (OPENAI_COMPLETIONS, 64), (ANTHROPIC_MESSAGES, 256)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_user_whose_name_is_too_long_for_a_provider_is_told_apart_by_its_digest(dialect: Dialect, most: int) -> None:
    fits, too_long, other = (replace(asked(), subject=name) for name in ("ü" * most, "ü" * (most + 1), "x" * 300))
    (body, lost), (digested, changed), (another, _) = (wrote(dialect, one) for one in (fits, too_long, other))

    assert (user(body), lost) == ("ü" * most, ())
    assert (len(user(digested)), changed) == (64, (DIGEST,))
    assert user(digested) == user(wrote(dialect, too_long)[0]) != user(another)


def test_the_name_that_claude_code_sends_arrives_as_its_digest_and_that_is_said() -> None:
    body: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    request = ANTHROPIC_MESSAGES.decode_request(msgspec.json.encode(body | {"metadata": {"user_id": CLAUDE_CODE}}))
    sent = translate(request, ANTHROPIC_MESSAGES, OPENAI_CHAT, model="m", quirks=Quirks(), account="a")

    assert len(user(msgspec.json.decode(sent.body))) == 64
    assert sent.losses == (DIGEST,)


@pytest.mark.parametrize("dialect", [OPENAI_CHAT, OPENAI_RESPONSES], ids=lambda dialect: dialect.name)
def test_a_result_finds_its_call_also_where_the_id_is_too_long_for_openai(dialect: Dialect) -> None:
    id_ = "chatcmpl-tool-" + "a" * 64
    turns = Message("assistant", (CallPart(id_, "f", "{}"),)), Message("tool", (ResultPart(id_, "done"),))
    written = dialect.write(Prompt(messages=(HI, *turns)), model="m", quirks=Quirks())
    again = dialect.read(dialect.decode_request(written.body))
    call, result = (m.parts[0] for m in again.messages[1:])

    assert isinstance(call, CallPart)
    assert isinstance(result, ResultPart)
    assert call.id == result.id
    assert len(call.id) == 64
