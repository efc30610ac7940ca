"""Tokens of a text and what a tagger sees of each."""

import re
from typing import NamedTuple

WORD = re.compile(r"\w+(?:[^\w\s'’]\w+)*|['’]\w+|[^\w\s]")
"""A word keeps the marks inside it (7.30, r&b) but not a genitive ('s); a mark outside stands alone."""

MOST = 256
"""Tokens of a text that are tagged."""


class Token(NamedTuple):
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    return [Token(m[0], m.start(), m.end()) for m, _ in zip(WORD.finditer(text), range(MOST), strict=False)]


def shape(word: str) -> str:
    """Capitals, small letters, digits and marks, each run once: `Pre-Party` is `Xx-Xx`."""
    out: list[str] = []
    for c in word[:12]:
        kind = "X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c
        if not out or out[-1] != kind:
            out.append(kind)
    return "".join(out)


def sights(row: list[Token], context: list[str]) -> list[list[str]]:
    """The features of each token: itself and its neighbours. `context`: what is known of the whole text, such as the
    answer's other fields; each is joined with the words around."""
    low = ["<s2>", "<s>", *(t.text.lower() for t in row), "</s>", "</s2>"]
    shapes = ["", *(shape(t.text) for t in row), ""]
    found: list[list[str]] = []
    for i in range(len(row)):
        a, b, w, c, d = low[i : i + 5]
        here = [
            "w=" + w,
            "-1=" + b,
            "+1=" + c,
            "-2=" + a,
            "+2=" + d,
            f"-1w={b}|{w}",
            f"w+1={w}|{c}",
            f"-1+1={b}|{c}",
            f"-2-1={a}|{b}",
            f"+1+2={c}|{d}",
            "s=" + shapes[i + 1],
            f"ss={shapes[i]}|{shapes[i + 1]}",
            f"s+={shapes[i + 1]}|{shapes[i + 2]}",
            "p2=" + w[:2],
            "p3=" + w[:3],
            "e2=" + w[-2:],
            "e3=" + w[-3:],
            f"at={min(i, 3)}",
            f"left={min(len(row) - i, 3)}",
        ]
        for fact in context:
            here += [fact, f"{fact}|{w}", f"{fact}|-{b}", f"{fact}|+{c}", f"{fact}|s={shapes[i + 1]}"]
        before = {x for x in low[max(i - 4, 0) : i] if x[:1] != "<"}
        after = {x for x in low[i + 5 : i + 8] if x[:1] != "<"}
        here += [f"<{x}" for x in before] + [f">{x}" for x in after]
        found.append(here)
    return found
