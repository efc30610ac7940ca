"""Scorers say how good an answer is."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.core.request import Message, TextPart
from freehold.flywheel.evaluation.scorers import normalised, scorer


def example(target: str) -> Example:
    return Example(id="1", messages=(Message("user", (TextPart("?"),)),), target=target, source="label")


def score(spec: str, target: str, text: str) -> float:
    return scorer(spec).score(example(target), text)


@pytest.mark.parametrize(
    ("spec", "target", "text", "expected"),
    [
        ("exact", "card_lost", " card_lost\n", 1),
        ("exact", "card_lost", "Card_lost", 0),
        ("normalised", "Straße", "  STRASSE. ", 1),
        ("normalised", "yes", "no", 0),
        ("contains", "Paris", "It is paris, of course.", 1),
        ("contains", "Paris", "It is London.", 0),
        ("json", '{"intent":"a","amount":5}', '{"amount": 5, "intent": "A"}', 1),
        ("json", '{"intent":"a","amount":5}', '```json\n{"intent":"a","amount":6}\n```', 0.5),
        ("json", '{"intent":"a"}', '{"intent":"a","more":1}', 0.5),
        ("json", '{"intent":"a"}', "sorry, no", 0),
        ("json", "[1,2]", "Here you are: [1, 2] as asked", 1),
        ("json:who.name", '{"who":{"name":"Ann"}}', '{"who":{"name":"ann","age":3}}', 1),
        ("json:who.name", '{"who":{"name":"Ann"}}', '{"who":"ann"}', 0),
        ("regex:^[A-Z]{3}-\\d+$", "", "ABC-12", 1),
        ("regex:^[A-Z]{3}-\\d+$", "", "abc-12", 0),
        ("numeric", "1200", "That makes 1,200.", 1),
        ("numeric:0.01", "100", "about 100.9 %", 1),
        ("numeric:0.01", "100", "about 102 %", 0),
        ("numeric", "7", "seven", 0),
    ],
)
def test_each_scorer_tells_right_from_wrong(spec: str, target: str, text: str, expected: float) -> None:
    assert score(spec, target, text) == expected


@given(text=st.text(), target=st.text())
def test_no_text_makes_a_scorer_fail_or_leave_its_range(text: str, target: str) -> None:
    for spec in ("exact", "normalised", "contains", "json", "json:a.b", "regex:x", "numeric:0.1"):
        assert 0 <= score(spec, target, text) <= 1


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_a_schema_scores_the_shape_alone(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text(
        '{"type":"object","properties":{"intent":{"enum":["a","b"]}},"required":["intent"],"additionalProperties":false}'
    )

    assert score(f"schema:{file}", "", '{"intent":"b"}') == 1
    assert score(f"schema:{file}", "", '{"intent":"c"}') == 0
    assert score(f"schema:{file}", "", "null and void") == 0
    file.write_text('{"type":"no such type"}')
    with pytest.raises(InvalidRequest, match="cannot be used"):
        scorer(f"schema:{file}")


def test_code_is_run_against_its_tests_within_bounds(tmp_path: Path) -> None:
    tests = tmp_path / "tests.py"
    tests.write_text("assert double(4) == 8\n")
    right = "Sure:\n```python\ndef double(n):\n    return 2 * n\n```\nThat doubles."

    assert score(f"code:{tests}", "", right) == 1
    assert score(f"code:{tests}", "", right.replace("2 *", "3 *")) == 0
    assert score(f"code:{tests}", "", "import os; os._exit(0)") == 0
    greedy = "x = bytearray(8 << 30)\ndef double(n):\n    return 2 * n\n"
    assert score(f"code:{tests}", "", greedy) == 0
    nosy = (
        "import os\nassert not os.environ.get('PATH')\nassert os.listdir() == ['answer.py']\n"
        + "double = lambda n: 2 * n"
    )
    assert score(f"code:{tests}", "", nosy) == 1


def test_an_owners_function_is_a_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_scorer.py").write_text(
        "def short(example, text):\n    return 1.0 if len(text) < 5 else 0.25\ndef wild(example, text):\n    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert score("house_scorer:short", "", "brief") == 0.25
    with pytest.raises(InvalidRequest, match=r"gave 7.0; a score is from 0 to 1"):
        score("house_scorer:wild", "", "")
    with pytest.raises(InvalidRequest, match="cannot be loaded"):
        scorer("house_scorer:missing")
    sys.modules.pop("house_scorer")


@pytest.mark.parametrize("spec", ["judgement", "numeric:lots", "regex:", "regex:(", "schema:", "code:/no/such/file"])
def test_a_wrong_name_of_a_scorer_is_refused_with_the_way_out(spec: str) -> None:
    with pytest.raises(InvalidRequest):
        scorer(spec)
