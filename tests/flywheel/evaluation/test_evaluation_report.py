"""The report shows what was found, and what models say cannot break it."""

from html.parser import HTMLParser

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
