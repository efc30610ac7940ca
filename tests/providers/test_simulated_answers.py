"""What the simulated provider answers: by rule, by known answers, by tools and schema, and when it fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from upstream_world import PATH, ask

from freehold.core.errors import SettingsWrong
from freehold.providers.simulated.script import Script
from freehold.providers.simulated.simulation import Rule, Simulation, ToolUse
from freehold.providers.simulated.upstream import Simulated

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def provider(**settings: Any) -> Simulated:
    return Simulated(Simulation(name="sim", **settings), clock=lambda: 1_700_000_000_999_999_999)


def answer(simulated: Simulated, body: bytes) -> dict[str, Any]:
    """The whole answer to `body`."""
    script = simulated.script(PATH, body)
    assert dict(script.headers)["content-type"] == "application/json"
    return json.loads(b"".join(script.pieces))


def said(simulated: Simulated, text: str = "hello", **more: object) -> str:
    return answer(simulated, ask(text, **more))["choices"][0]["message"]["content"]


def called(simulated: Simulated, text: str, **more: object) -> list[tuple[str, Any]]:
    choice = answer(simulated, ask(text, **more))["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls]


def chunks(script: Script) -> list[dict[str, Any]]:
    """The decoded events of a stream that ends as it should."""
    events = b"".join(script.pieces).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    return [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]


# the shape of an answer


def test_a_whole_answer_names_its_maker_and_counts_its_tokens() -> None:
    body = answer(provider(), ask("What is 6 times 7?"))

    assert body["id"].startswith("chatcmpl-sim-")
    assert {**body, "id": ""} == {
        "id": "",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "system_fingerprint": "simulated",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "simulated answer to: What is 6 times 7?",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 15},
    }


def test_every_answer_names_its_maker_in_a_header() -> None:
    for script in (
        provider().script(PATH, ask()),
        provider().script(PATH, ask(stream=True)),
        provider().script(PATH, b"{"),
        provider().script("/v1/embeddings", ask()),
        provider(error_rate=1).script(PATH, ask()),
        provider(error_rate=1, fault="html").script(PATH, ask()),
    ):
        assert ("server", "freehold-simulated") in script.headers


def test_a_stream_says_what_the_whole_answer_says() -> None:
    body = ask("Tell me a story", stream=True, stream_options={"include_usage": True})
    whole = answer(provider(), ask("Tell me a story"))

    told = chunks(provider().script(PATH, body))

    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in told[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert [c["choices"][0]["finish_reason"] for c in told[-3:-1]] == [None, "stop"]
    assert (told[-1]["choices"], told[-1]["usage"]) == ([], whole["usage"])
    assert {c["usage"] is None for c in told[:-1]} == {True}
    assert {(c["id"], c["object"], c["model"], c["system_fingerprint"]) for c in told} == {
        (told[0]["id"], "chat.completion.chunk", "m", "simulated")
    }


def test_a_stream_has_usage_only_where_it_was_asked_for() -> None:
    told = chunks(provider().script(PATH, ask(stream=True)))

    assert all("usage" not in chunk and chunk["choices"] for chunk in told)


def test_several_choices_are_given_and_counted() -> None:
    body = answer(provider(), ask("hello", n=3))

    assert [c["index"] for c in body["choices"]] == [0, 1, 2]
    assert {c["message"]["content"] for c in body["choices"]} == {"simulated answer to: hello"}
    assert body["usage"]["completion_tokens"] == 3 * 7
    told = chunks(provider().script(PATH, ask("hello", n=3, stream=True)))
    for index in range(3):
        mine = [c["choices"][0] for c in told if c["choices"][0]["index"] == index]
        assert "".join(c["delta"].get("content", "") for c in mine) == "simulated answer to: hello"
        assert mine[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_longer_than_allowed_is_cut_and_says_so(limit: str) -> None:
    body = answer(provider(reply="one two three four"), ask("hello", **{limit: 2}))

    assert body["choices"][0]["message"]["content"] == "one two "
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2


def test_an_answer_ends_before_a_stop_sequence() -> None:
    simulated = provider(reply="one. two; three")

    assert said(simulated, stop=".") == "one"
    assert said(simulated, stop=["three", ";"]) == "one. two"
    assert answer(simulated, ask(stop=["."]))["choices"][0]["finish_reason"] == "stop"


# rules


def test_the_first_rule_that_fits_answers() -> None:
    simulated = provider(
        rules=(
            Rule(contains="capital of France", reply="Paris"),
            Rule(regex=r"(\d+) \+ (?P<b>\d+)", reply=r"\1 and \g<b>; {\"json\": \"\n\"} \g<none> \7"),
            Rule(contains="capital", reply="I only know Paris"),
        ),
        reply="What?",
    )

    assert said(simulated, "The capital of France?") == "Paris"
    assert said(simulated, "3 + 4") == r"3 and 4; {\"json\": \"\n\"} \g<none> \7"
    assert said(simulated, "The capital of Spain?") == "I only know Paris"
    assert said(simulated, "Hi") == "What?"


def test_a_rule_sees_the_last_message_of_the_user_and_all_of_its_text() -> None:
    simulated = provider(rules=(Rule(contains="secret", reply="seen"),), reply="not seen")
    old = [{"role": "user", "content": "secret"}, {"role": "assistant", "content": "x"}]
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "text", "text": "the secret"}]

    assert said(simulated, messages=[*old, {"role": "user", "content": "hello"}]) == "not seen"
    assert said(simulated, messages=[*old, {"role": "user", "content": parts}]) == "seen"


def test_a_rule_can_spoil_its_answer() -> None:
    simulated = provider(rules=(Rule(contains="fail", fault="html"),))

    assert ("content-type", "text/html") in simulated.script(PATH, ask("please fail")).headers
    assert said(simulated, "please work") == "simulated answer to: please work"


# known answers


@pytest.fixture
def known(tmp_path: Path) -> str:
    path = tmp_path / "answers.jsonl"
    rows = [{"text": f"message {n} of many ", "reply": {"intent": n} if n % 2 else f"reply {n}"} for n in range(400)]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return str(path)


def right(simulated: Simulated) -> list[int]:
    """The messages that it answers right; all others get the answer of another message."""
    found: list[int] = []
    replies = {n: json.dumps({"intent": n}, separators=(",", ":")) if n % 2 else f"reply {n}" for n in range(400)}
    for n, reply in replies.items():
        got = said(simulated, f"message {n} of many")
        assert got in replies.values()
        if got == reply:
            found.append(n)
    return found


def test_known_answers_are_given_right_by_skill(known: str) -> None:
    assert right(provider(answers=known)) == list(range(400))
    assert right(provider(answers=known, skill=0)) == []
    assert 0.7 < len(right(provider(answers=known, skill=0.8))) / 400 < 0.9


def test_a_message_is_always_easy_or_always_hard(known: str) -> None:
    clever, simple = provider(answers=known, skill=0.8, seed=1), provider(answers=known, skill=0.4, seed=1)

    assert right(clever) == right(clever)
    assert set(right(simple)) < set(right(clever))
    assert right(provider(answers=known, skill=0.8, seed=2)) != right(clever)


def test_each_member_of_a_known_object_is_right_or_wrong_by_itself(tmp_path: Path) -> None:
    rows = [{"text": f"message {n}", "reply": {"intent": f"i{n}", "amount": n % 3 or None}} for n in range(200)]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    simulated = provider(answers=str(path), skill=0.8)

    kinds: set[tuple[bool, bool]] = set()
    for n, row in enumerate(rows):
        got = json.loads(said(simulated, f"message {n}"))
        assert list(got) == ["intent", "amount"]
        assert got["intent"] in {r["reply"]["intent"] for r in rows}
        assert got["amount"] in {None, 1, 2}
        kinds.add((got["intent"] == row["reply"]["intent"], got["amount"] == row["reply"]["amount"]))
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


def test_a_known_text_is_found_inside_a_prompt(known: str) -> None:
    assert said(provider(answers=known), "Classify:\n<<message 12 of many>>") == "reply 12"
    assert said(provider(answers=known), "something else") == "simulated answer to: something else"


def test_known_answers_that_cannot_be_read_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"text": "a", "reply": "b"}\n{"text": 1}\n')

    with pytest.raises(SettingsWrong, match=r"answers.jsonl, line 2: .*`str`"):
        provider(answers=str(path))
    with pytest.raises(SettingsWrong, match=r"none.jsonl cannot be read: No such file"):
        provider(answers=str(tmp_path / "none.jsonl"))


# tools


def test_a_rule_calls_the_tools_that_are_offered() -> None:
    rule = Rule(
        regex=r"weather in (\w+) and (\w+)",
        reply="Sunny in both",
        tool_calls=(
            ToolUse(name="get_weather", arguments={"city": r"\1", "days": [1, r"\2"]}),
            ToolUse(name="get_weather"),
            ToolUse(name="not_offered"),
        ),
    )
    simulated = provider(rules=(rule,))
    text = "the weather in Rome and Oslo"

    calls = [("get_weather", {"city": "Rome", "days": [1, "Oslo"]}), ("get_weather", {"city": "simulated"})]
    assert called(simulated, text, tools=[WEATHER]) == calls
    assert called(simulated, text, tools=[WEATHER], parallel_tool_calls=False) == calls[:1]
    assert called(simulated, text, tools=[ADD]) == []
    assert said(simulated, text, tools=[WEATHER], tool_choice="none") == "Sunny in both"
    assert said(simulated, text) == "Sunny in both"


def test_the_results_of_tools_are_answered_with_the_reply() -> None:
    use = ToolUse(name="get_weather", arguments={"city": "Rome"})
    turns = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "18 degrees"},
        {"role": "tool", "tool_call_id": "2", "content": "20 degrees"},
    ]

    with_reply = provider(rules=(Rule(contains="weather", reply="Mild", tool_calls=(use,)),))
    assert said(with_reply, messages=turns, tools=[WEATHER]) == "Mild"
    without = "simulated answer to: weather? (the tools said: 18 degrees; 20 degrees)"
    assert said(provider(), messages=turns, tools=[WEATHER]) == without


def test_a_prompt_that_names_tools_gets_them_called() -> None:
    assert called(provider(), "use get_weather, then add", tools=[WEATHER, ADD]) == [
        ("get_weather", {"city": "simulated"}),
        ("add", {}),
    ]
    assert called(provider(), "get_weather_now, or addition", tools=[WEATHER, ADD]) == []


@pytest.mark.parametrize(
    ("choice", "calls"),
    [
        ("required", [("get_weather", {"city": "simulated"})]),
        ({"type": "function", "function": {"name": "add"}}, [("add", {})]),
        ("auto", []),
        ("none", []),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, []),
    ],
)
def test_a_caller_that_insists_gets_a_call(choice: object, calls: list[tuple[str, Any]]) -> None:
    assert called(provider(), "hello", tools=[WEATHER, ADD], tool_choice=choice) == calls


def test_a_stream_carries_tool_calls_in_pieces() -> None:
    body = ask("get_weather and add", tools=[WEATHER, ADD])
    whole = answer(provider(), body)["choices"][0]["message"]

    told = chunks(provider().script(PATH, ask("get_weather and add", tools=[WEATHER, ADD], stream=True)))

    calls: dict[int, dict[str, str]] = {}
    for chunk in told:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
            for key, text in piece["function"].items():
                call[key] += text
    assert list(calls.values()) == [call["function"] for call in whole["tool_calls"]]
    assert whole["content"] is None
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_tool_calls_longer_than_allowed_are_cut() -> None:
    choice = answer(provider(), ask("get_weather and add", tools=[WEATHER, ADD], max_tokens=5))["choices"][0]

    assert choice["finish_reason"] == "length"
    assert [c["function"] for c in choice["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":'}
    ]


# structured output


def test_a_schema_is_answered_with_an_instance_of_it() -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}
    format = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}

    assert json.loads(said(provider(reply="no"), response_format=format)) == {"age": 18}
    ruled = provider(rules=(Rule(contains="hello", reply='{"age":99}'),))
    assert json.loads(said(ruled, response_format=format)) == {"age": 99}


def test_a_json_object_is_answered_with_one() -> None:
    assert json.loads(said(provider(), response_format={"type": "json_object"})) == {
        "simulated": True,
        "answer": "simulated answer to: hello",
    }


# requests that are wrong


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b"{", None, "The body of the request is not JSON: "),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None, "The body of the request is not JSON: "),
        (b"[" * 100_000, None, "Expected 'object', got 'array'"),
        (b"[]", None, "Expected 'object', got 'array'"),
        (b'{"model":"m"}', None, "Object missing required field 'messages'"),
        (ask(messages=[]), "messages", "Expected 'array' of length >= 1"),
        (ask(messages=[{"role": "user", "content": 3}]), "messages[0].content", "Expected 'str | array | null'"),
        (ask(max_tokens=0), "max_tokens", "Expected 'int' >= 1"),
        (ask(n=129), "n", "Expected 'int' <= 128"),
        (
            ask(tools=[ADD], tool_choice={"type": "function", "function": {"name": "sub"}}),
            "tool_choice",
            "tool_choice names 'sub', which is not among the tools",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_the_shape_of_openai(body: bytes, param: str | None, message: str) -> None:
    script = provider().script(PATH, body)

    error = json.loads(b"".join(script.pieces))["error"]
    assert script.status == 400
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, None)
    assert error["message"].startswith(message)


def test_another_path_is_not_found() -> None:
    script = provider().script("/v1/embeddings", ask())

    assert (script.status, json.loads(script.pieces[0])) == (
        404,
        {
            "error": {
                "message": "The simulated provider answers /chat/completions, not /v1/embeddings",
                "type": "invalid_request_error",
                "param": None,
                "code": "unknown_url",
            }
        },
    )


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions?a=/b", "/openai/v1/chat/completions"])
def test_any_path_that_ends_like_chat_completions_is_answered(path: str) -> None:
    assert provider().script(path, ask()).status == 200


# chance


def test_runs_repeat() -> None:
    bodies = [ask(f"question {n % 30}", stream=n % 2 == 0) for n in range(120)]
    settings = {"error_rate": 0.3, "cut_rate": 0.3, "jitter": 0.5, "ttft_ms": 100, "tokens_per_second": 50, "seed": 7}

    first, second = provider(**settings), provider(**settings)

    assert [first.script(PATH, b) for b in bodies] == [second.script(PATH, b) for b in bodies]
    other = provider(**{**settings, "seed": 8})
    assert [first.script(PATH, b) for b in bodies] != [other.script(PATH, b) for b in bodies]


def test_what_one_request_leads_to_does_not_depend_on_others() -> None:
    settings = {"error_rate": 0.5, "seed": 3}
    alone = [provider(**settings).script(PATH, ask(f"question {n}")) for n in range(20)]
    together = provider(**settings)

    assert [together.script(PATH, ask(f"question {n}")) for n in reversed(range(20))] == alone[::-1]


def test_the_same_request_may_succeed_when_it_comes_again() -> None:
    simulated = provider(error_rate=0.5)

    assert {simulated.script(PATH, ask()).status for _ in range(40)} == {200, 503}


def test_faults_and_cuts_have_their_rates() -> None:
    failing = provider(error_rate=0.25, error_status=529)
    cutting = provider(cut_rate=0.25)

    statuses = [failing.script(PATH, ask(str(n))).status for n in range(1000)]
    endings = [cutting.script(PATH, ask(str(n), stream=True)).ending for n in range(1000)]

    assert 200 < statuses.count(529) < 300
    assert 200 < endings.count("cut") < 300
    assert {cutting.script(PATH, ask(str(n))).ending for n in range(100)} == {"done"}


def test_times_are_those_of_the_settings_within_the_jitter() -> None:
    steady = provider(ttft_ms=200, tokens_per_second=50)
    text = steady.script(PATH, ask("hello", stream=True))
    whole = steady.script(PATH, ask("hello"))
    assert (text.first, text.gap) == (0.2, 0.02)
    assert (whole.first, whole.gap) == pytest.approx((0.2 + 7 * 0.02, 0.02))

    restless = provider(ttft_ms=200, jitter=0.5)
    firsts = [restless.script(PATH, ask(str(n))).first for n in range(200)]
    assert 0.1 <= min(firsts) < 0.12
    assert 0.28 < max(firsts) <= 0.3
