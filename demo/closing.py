"""The end of the demo: where everything went and why, what it cost, one fallback explained, the ledger verified.

Each claim is checked against the records; what does not hold is shown as such, and fails the demo.
"""

import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo import board, real
from demo.gateway import freehold
from demo.inbox import Message
from demo.tally import REAL, Tally, left_alone


def close(console: Console, tally: Tally, messages: list[Message], settings: Path) -> int:
    """Show the end; 0 where every claim holds."""
    console.rule("[bold]Where the messages went, and why")
    console.print(board.reasons(tally))

    console.rule("[bold]What each deployment did")
    console.print(board.deployments(tally))
    _money(console, tally)

    console.rule("[bold]One fallback, explained from its record")
    fallback = next(iter(tally.fallbacks()), None)
    explained = _command(console, settings, "explain", fallback.id) if fallback else "Nothing fell back."
    console.rule("[bold]The ledger, verified")
    _command(console, settings, "verify", ok=(0, 1))

    console.rule("[bold]Checked")
    holds = [_claim(console, *claim) for claim in claims(tally, messages, settings, explained)]
    _next(console, settings, fallback.id if fallback else "ID")
    return 0 if all(holds) else 1


def claims(tally: Tally, messages: list[Message], settings: Path, explained: str) -> list[tuple[bool, str]]:
    """What the demo says it showed, and whether it did."""
    report = json.loads(freehold(settings, "verify", "--json", ok=(0, 1)))["main"]
    spent = json.loads(freehold(settings, "keys", "list", "--json"))[0]["spent"]
    asked = sum(answer.asked for answer in tally.answers)
    cut = sum(i.outcome == "cut" for i in tally.inferences.values())
    unanswered = [a for a in tally.answers if a.problem is not None and a.message in messages]
    routed_around = sum(bool(left_alone(i)) for i in tally.inferences.values())
    fallbacks = len(tally.fallbacks())
    dearest, cost, there = tally.compared()
    return [
        (not unanswered, f"{len(messages) - len(unanswered):,} of {len(messages):,} messages were answered"),
        (
            len(tally.inferences) == asked,
            f"each time that the application asked has one record: {asked:,}, {cut} of them streams that broke off",
        ),
        (fallbacks > 0, f"{fallbacks} answers came from another deployment after the first one failed"),
        (routed_around > 0, f"{routed_around} requests went elsewhere at once while the breaker of swift was open"),
        (cost < there, f"it cost {board.money(cost)}; everything at {dearest} would have cost {board.money(there)}"),
        (spent == tally.spent(), f"the key's budget shows the same as the ledger, to the nano-dollar: {spent:,}"),
        ("the same decision" in explained, "the decision of the fallback, computed again from its record, is the same"),
        (
            report["ok"] and not report["open"] and sum(report["outcomes"].values()) == len(tally.inferences),
            f"the ledger is whole: {report['size']:,} leaves, every signature and hash right, nothing left open",
        ),
    ]


def _claim(console: Console, holds: bool, text: str) -> bool:
    console.print(Text("  ✓ ", "green") if holds else Text("  ✗ NOT TRUE: ", "bold red"), Text(text), sep="")
    return holds


def _money(console: Console, tally: Tally) -> None:
    dearest, cost, there = tally.compared()
    console.print(f"Everything at {dearest}, the dearest: {board.money(there)}. ", end="")
    console.print(f"Saved: [bold green]{1 - cost / there:.0%}[/]" if there else "")
    asked = [answer for answer in tally.answers if tally.inferences[answer.inference].route == REAL]
    if asked:
        console.print(f"{REAL}: {len(asked)} messages went to a model that is not simulated.")
        for problem in {a.problem for a in asked if a.problem}:
            console.print(f"  it failed: {problem}", style="red", markup=False)


def _command(console: Console, settings: Path, *command: str, ok: tuple[int, ...] = (0,)) -> str:
    """Run a command, shown as the user would type it; what it printed."""
    console.print(f"$ {_typed(settings, *command)}", style="bold cyan", markup=False)
    printed = freehold(settings, *command, ok=ok)
    console.print(printed, markup=False, end="")
    return printed


def _typed(settings: Path, *command: str) -> str:
    return f".venv/bin/freehold {' '.join(command)} --settings {settings}"


def _next(console: Console, settings: Path, example: str) -> None:
    console.rule("[bold]What to look at next")
    console.print(f"Everything stays in {settings.parent}/ until the next `make demo`.", markup=False)
    steps = [
        (("inferences", "list", "--outcome", "cut"), "the streams that broke off"),
        (("inferences", "show", example), "the record of that fallback, whole"),
        (("keys", "list"), "who may ask, and what they spent"),
        (("up",), "the same gateway again, on port 4000"),
    ]
    for command, what in steps:
        console.print(f"  {_typed(settings, *command)}", style="cyan", markup=False)
        console.print(f"      {what}", style="dim")
    if hint := real.hint():
        console.print(hint, markup=False)
