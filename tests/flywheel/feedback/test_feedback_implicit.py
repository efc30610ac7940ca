"""What happens after an answer, read as a judgement."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.events import Choice, WholeCall
from freehold.core.feedback import Correction, Feedback, Score, Thumb
from freehold.core.interaction import Body
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.feedback.distance import distance, similarity
from freehold.flywheel.feedback.implicit import ENOUGH, PRIORS, Turn, measure, signals
from freehold.flywheel.feedback.schema import misfit

SECOND = 1_000_000_000


def turn(n: int, messages: list[dict[str, Any]], answer: Choice, **more: Any) -> Turn:
    body = json.dumps({"model": "m", "messages": messages, **more}).encode()
    return Turn(
        body=Body(
            id=f"i{n}", at=n * SECOND, route="r", dialect="openai-chat", request=body, answer=answer, episode="e"
        ),
        messages=OPENAI_CHAT.messages(OPENAI_CHAT.decode_request(body)),
    )


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def told(found: list[Feedback]) -> list[tuple[str | None, str, object]]:
    return [(f.inference, f.origin, f.judgement) for f in found]


HELLO = Choice(text="Hello", finish="stop")


def test_the_same_prompt_again_within_a_while_judges_the_first_answer() -> None:
    episode = [turn(2, [user("Where is  my card?")], HELLO), turn(1, [user("where is my card?")], HELLO)]
    assert told(signals(episode)) == [("i1", "retry", Thumb(False))]


def test_the_same_prompt_much_later_or_another_prompt_says_nothing() -> None:
    assert signals([turn(1, [user("a")], HELLO), turn(1_000, [user("a")], HELLO)]) == []
    assert signals([turn(1, [user("a")], HELLO), turn(2, [user("b")], HELLO)]) == []


def test_the_next_turn_of_a_conversation_is_no_retry_even_with_the_same_words() -> None:
    second = [user("yes"), assistant("Hello"), user("yes")]
    assert signals([turn(1, [user("yes")], HELLO), turn(2, second, HELLO)]) == []


def test_an_answer_that_comes_back_changed_was_edited() -> None:
    second = [user("hi"), assistant("Hallo"), user("thanks")]
    assert told(signals([turn(1, [user("hi")], HELLO), turn(2, second, HELLO)])) == [
        ("i1", "edit", Score(0.8)),
        ("i1", "edit", Correction("Hallo")),
    ]


def test_a_tool_that_reports_an_error_judges_the_call() -> None:
    call = WholeCall(id="c1", name="look", arguments="{}")
    answer = Choice(tool_calls=(call,), finish="tool_calls")
    asked = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}

    def after(result: str) -> list[Feedback]:
        second = [
            user("hi"),
            {"role": "assistant", "content": None, "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": "c1", "content": result},
        ]
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
        return signals([turn(1, [user("hi")], answer, tools=tools), turn(2, second, HELLO)])

    assert told(after('{"error": "no such order"}')) == [("i1", "tool_error", Thumb(False))]
    assert told(after("Traceback (most recent call last): ...")) == [("i1", "tool_error", Thumb(False))]
    assert after('{"error": null, "order": 7}') == []
    assert after("All fine, no errors") == []


FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "intent",
        "schema": {
            "type": "object",
            "properties": {"intent": {"enum": ["refund", "card"]}},
            "required": ["intent"],
            "additionalProperties": False,
        },
    },
}


def test_an_answer_that_does_not_fit_its_schema_is_judged_and_one_that_fits_is_not() -> None:
    def of(text: str, finish: Any = "stop") -> list[str]:
        answer = Choice(text=text, finish=finish)
        return [f.origin for f in signals([turn(1, [user("hi")], answer, response_format=FORM)])]

    assert of('{"intent":"refund"}') == []
    assert of('{"intent":"other"}') == ["schema_failure"]
    assert of('{"intent":"refund"') == ["schema_failure"]
    assert of('{"intent":"ref', finish="length") == []


def test_arguments_that_do_not_fit_the_tool_or_an_unknown_tool_are_judged() -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"required": ["id"]}}}]

    def of(name: str, arguments: str) -> list[str]:
        answer = Choice(tool_calls=(WholeCall(id="c", name=name, arguments=arguments),), finish="tool_calls")
        return [f.origin for f in signals([turn(1, [user("hi")], answer, tools=tools)])]

    assert of("look", '{"id":1}') == []
    assert of("look", "{}") == ["schema_failure"]
    assert of("fly", "{}") == ["schema_failure"]


def test_reading_an_episode_twice_gives_the_same_ids() -> None:
    episode = [turn(1, [user("a")], HELLO), turn(2, [user("a")], HELLO)]
    assert [f.id for f in signals(episode)] == [f.id for f in signals(list(reversed(episode)))]


def test_reliability_is_measured_where_there_is_enough_and_guessed_where_not() -> None:
    retry = signals([turn(1, [user("a")], HELLO), turn(2, [user("a")], HELLO)])[0]
    few = measure([(retry, 0.1)] * (ENOUGH - 1))["retry"]
    many = measure([(retry, 0.1)] * 380 + [(retry, 0.9)] * 20)["retry"]
    noise = measure([(retry, 0.1)] * 200 + [(retry, 0.9)] * 200)["retry"]
    assert few.reliability == PRIORS["retry"]
    assert (many.pairs, many.right) == (400, 380)
    assert 0.92 < many.reliability < 0.95
    assert 0.5 <= noise.reliability < 0.53


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_the_distance_is_that_of_the_textbook(one: str, other: str) -> None:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    assert distance(one, other) == row[-1]
    assert similarity(one, other) == (1 - row[-1] / max(len(one), len(other)) if one or other else 1.0)


def test_a_schema_says_where_a_value_does_not_fit() -> None:
    schema = {
        "$defs": {"price": {"type": "number", "minimum": 0}},
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/$defs/price"}, "minItems": 1},
            "kind": {"anyOf": [{"const": "a"}, {"type": "integer"}]},
        },
    }
    assert misfit({"lines": [1, 2.5], "kind": "a"}, schema) is None
    assert misfit({"lines": [1, -2]}, schema) == "$.lines[1]: -2 is below 0"
    assert misfit({"lines": []}, schema) == "$.lines: 0 is fewer than 1"
    assert misfit({"kind": True}, schema) == "$.kind: fits 0 of the alternatives"
    assert misfit([], schema) == "$: expected object, got array"
    loop = {"$ref": "#"}
    assert misfit(1, loop) is None
