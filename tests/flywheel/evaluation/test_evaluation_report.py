"""The report shows what was found, and what models say cannot break it."""

import re
from html.parser import HTMLParser

import pytest
from test_evaluation_results import FAILED, example, said

from freehold.flywheel.evaluation.report import page
from freehold.flywheel.evaluation.results import results
from freehold.flywheel.evaluation.scorers import scorer


class Seen(HTMLParser):
    """The words of a page, and its tags that could run."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def test_a_report_tells_verdict_scores_costs_and_differences() -> None:
    examples = [example(n, "yes" if n % 2 else "no") for n in range(200)]
    wrong = "<script>alert(1)</script>"
    replies = {
        "dear": [said(e.target, cost=1_000_000) for e in examples],
        "own": [said(e.target if n else wrong, cost=1_000, by="own") for n, e in enumerate(examples)],
        "broken": [FAILED for _ in examples],
    }
    found = results(examples, replies, [scorer("exact")], margin=0.05, alpha=0.05)

    seen = Seen()
    seen.feed(page(found, title="support & more", about=[("dataset", "support@abc")], at=0))

    assert seen.scripts == 0
    for word in ("support & more", "support@abc", "1970-01-01", "approve", "reject", "all is lost", "1.000", wrong):
        assert word in seen.words


@pytest.mark.parametrize(
    ("right", "marks"),
    [
        ((98, 100), ["0.94", "0.96", "0.98", "1"]),
        ((10, 90), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ],
)
def test_the_scale_of_scores_is_marked_with_round_numbers(right: tuple[int, int], marks: list[str]) -> None:
    examples = [example(n, "yes") for n in range(100)]
    replies = {
        name: [said("yes" if n < count else "no", by=name) for n in range(100)]
        for name, count in zip(("dear", "own"), right, strict=True)
    }
    found = page(results(examples, replies, [scorer("exact")], margin=0.05, alpha=0.05), title="t", about=[], at=0)

    assert re.findall(r'text-anchor="middle">([^<]+)<', found) == marks


def test_a_verdict_that_is_open_says_why_once_and_how_much_more_it_takes() -> None:
    examples = [example(n, "yes") for n in range(20)]
    replies = {name: [said("yes" if n else "no", by=name) for n in range(20)] for name in ("dear", "own")}
    found = page(results(examples, replies, [scorer("exact")], margin=0.05, alpha=0.05), title="t", about=[], at=0)

    assert found.count("20 pairs") == 1
    assert re.search(
        r"not enough data</b>; 20 pairs: the difference may be .* about [\d,]+ more would decide it", found
    )
