"""Any to any: what a provider of one dialect was recorded saying arrives at callers of every other one."""

import pytest
from crossing import answers, chats, crossed, faults, read, seals
from recorded import needs_recordings

from freehold.core.events import Event, Finish, Reasoning, Text, ToolCall, collect
from freehold.core.seal import Seal
from freehold.dialects.dialect import Dialect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.registry import DIALECTS
from freehold.dialects.translate import FORMS

PAIRS = [pytest.param(a, b, id=f"{a.name}-to-{b.name}") for a in chats() for b in chats() if a is not b]


@needs_recordings
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("provider", "caller"), PAIRS)
def test_a_recorded_answer_means_the_same_to_a_caller_of_another_dialect(
    provider: Dialect, caller: Dialect, streamed: bool
) -> None:
    assert [f for answer in answers(provider.name) for f in faults(provider, caller, answer, streamed=streamed)] == []


@needs_recordings
@pytest.mark.parametrize(
    ("provider", "least"),
    [
        ("openai-chat", 400),
        ("anthropic-messages", 70),
        ("openai-responses", 80),
        ("gemini-generate", 140),
        ("bedrock-converse", 40),
        ("cohere-v2", 20),
        ("ollama-chat", 10),
        ("ollama-generate", 5),
        ("openai-completions", 20),
    ],
)
def test_so_many_answers_were_recorded_over_http(provider: str, least: int) -> None:
    assert len(answers(provider)) >= least


SEALING = [p for p in PAIRS if all(getattr(dialect, "name", "") in FORMS for dialect in p.values)]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("provider", "caller"), SEALING)
def test_what_is_sealed_of_an_answer_reaches_the_caller_with_it(
    provider: Dialect, caller: Dialect, streamed: bool
) -> None:
    form = FORMS[provider.name]
    seal = [Seal(form=form, data=f'{{"type":"reasoning.text","signature":"s{n}"}}') for n in range(3)]  # type: ignore[arg-type]
    said: list[Event] = [
        Event((Reasoning("because", seal=seal[0]),), content=True),
        Event((Text("So"), Text("", seal=seal[1])), content=True),
        Event((ToolCall(0, "call_1", "f", "{}", seal=seal[2]),), content=True),
        Event((Finish("tool_calls"),), content=True),
    ]

    body = crossed(said, provider, caller, streamed=streamed)
    choice = collect(read(caller, body, streamed=streamed)).choices[0]

    assert seals(choice) == [(form, one.data) for one in seal]
    assert (choice.text, choice.reasoning, choice.finish) == ("So", "because", "tool_calls")


@pytest.mark.parametrize("caller", ["openai-chat", "openai-completions"])
def test_a_reason_to_stop_comes_once_and_last_whatever_its_provider_does(caller: str) -> None:
    said = [Event((Text("a"), Finish("stop"))), Event((Text("b"),)), Event((Finish("length"),))]
    body = crossed(said, DIALECTS["gemini-generate"], DIALECTS[caller], streamed=True)
    lines = [line for line in body.split(b"\n\n") if b"finish_reason" in line]

    assert [b'"finish_reason":"stop"' in line for line in lines] == [False, False, True]


def test_the_seal_of_a_text_comes_back_into_it_through_a_caller_of_chat_completions() -> None:
    seal = Seal(form="gemini", data="c2ln")
    said = [Event((Reasoning("hm"), Text("So", seal=seal), Finish("stop")), content=True)]
    body = crossed(said, DIALECTS["gemini-generate"], OPENAI_CHAT, streamed=False)
    message = body.partition(b'"message":')[2].rpartition(b',"finish_reason"')[0]
    asked = OPENAI_CHAT.decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"},%b]}' % message)

    thought, text = OPENAI_CHAT.read(asked).messages[1].parts

    assert getattr(text, "text", None) == "So"
    assert getattr(text, "seal", None) == Seal(form="gemini", data="c2ln", account="acme")
    assert (getattr(thought, "text", None), getattr(thought, "seal", None)) == ("hm", None)
