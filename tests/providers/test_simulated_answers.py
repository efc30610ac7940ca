"""What the simulated provider answers: by rule, by known answers, by schema, and when it fails."""

import json
from pathlib import Path

import pytest
from simulated_world import ADD, answer, chunks, provider, said
from upstream_world import PATH, ask

from freehold.core.errors import SettingsWrong
from freehold.providers.simulated.simulation import Rule
from freehold.providers.simulated.upstream import Simulated

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
