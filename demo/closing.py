"""The end of the demo: where everything went and why, what it cost, one fallback explained, the ledger verified.

Each claim is checked against the records; what does not hold is shown as such, and fails the demo.
"""

import json
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from demo import board, real
from demo.gateway import freehold
from demo.inbox import Message
from demo.tally import REAL, Tally
from freehold.ledger.report import Report

UNREACHABLE = "provider_unreachable"


def close(console: Console, tally: Tally, messages: list[Message], settings: Path) -> int:
    """Show the end; 0 where every claim holds."""
    console.rule("[bold]Where the messages went, and why")
    console.print(board.reasons(tally), "")

    console.rule("[bold]What each deployment did")
    console.print(board.deployments(tally, width=console.width))
    console.print(board.LEGEND, style="dim")
    _money(console, tally)
    console.print()

    console.rule("[bold]One fallback, explained from its record")
    fallback = next((i for i in tally.fallbacks() if i.calls[0].error == UNREACHABLE), None)
    explained = "Nothing fell back."
    if fallback is not None:
        explained = freehold(settings, "explain", fallback.id, ok=(0, 1))
        console.print(f"$ freehold explain {fallback.id}", style="cyan")
    console.print(explained, markup=False)

    console.rule("[bold]The ledger, verified")
    report = msgspec.json.decode(freehold(settings, "verify", "--json", ok=(0, 1)), type=dict[str, Report])["main"]
    console.print("$ freehold verify", style="cyan")
    console.print(f"{report}\n", markup=False)

    console.rule("[bold]Checked")
    spent = json.loads(freehold(settings, "keys", "list", "--json"))[0]["spent"]
    holds = [_claim(console, *claim) for claim in claims(tally, messages, report, spent, explained)]
    _next(console, settings, fallback.id if fallback else "ID")
    return 0 if all(holds) else 1


def claims(tally: Tally, messages: list[Message], report: Report, spent: int, explained: str) -> list[tuple[bool, str]]:
    """What the demo says it showed, and whether it did. `spent`: by the key's budget, in nano-dollars."""
    asked = sum(answer.asked for answer in (*tally.answers, *tally.real))
    cut = sum(i.outcome == "cut" for i in tally.inferences.values())
    unanswered = [a for a in tally.answers if a.problem is not None]
    fallbacks, around = len(tally.fallbacks()), len(tally.routed_around())
    dearest, cost, there = tally.compared()
    return [
        (not unanswered, f"{len(messages) - len(unanswered):,} of {len(messages):,} messages were answered"),
        (
            len(tally.inferences) == asked,
            f"each time that the application asked has one record: {asked:,}, {cut} of them streams that broke off",
        ),
        (fallbacks > 0, f"{fallbacks} answers came from another deployment after the first one failed"),
        (around > 0, f"{around} requests went elsewhere at once while a breaker was open"),
        (cost < there, f"it cost {board.money(cost)}; everything at {dearest} would have cost {board.money(there)}"),
        (spent == tally.spent(), f"the key's budget shows the same as the ledger, to the nano-dollar: {spent:,}"),
        ("the same decision" in explained, "the decision of the fallback, computed again from its record, is the same"),
        (
            report.ok and not report.open and sum(report.outcomes.values()) == len(tally.inferences),
            f"the ledger is whole: {report.size:,} leaves, every hash and signature right, nothing left open",
        ),
    ]


def _claim(console: Console, holds: bool, text: str) -> bool:
    console.print(Text("  ✓ ", "green") if holds else Text("  ✗ NOT TRUE: ", "bold red"), Text(text), sep="")
    return holds


def _money(console: Console, tally: Tally) -> None:
    dearest, cost, there = tally.compared()
    saved = 1 - cost / there if there else 0
    console.print(
        f"Everything at {dearest}, the dearest: {board.money(there)}. Saved: [bold green]{saved:.0%}[/]. ", end=""
    )
    best, right = tally.rows()[dearest], sum(answer.right for answer in tally.answers)
    share, bests = board.share(right, len(tally.answers)), board.share(best.right, best.answers)
    console.print(f"Right: {share} of all, {bests} of {dearest}'s.")
    if tally.real:
        console.print(f"Route '{REAL}' is not simulated: {len(tally.real)} messages went there.")
        for problem in {answer.problem for answer in tally.real if answer.problem}:
            console.print(f"It failed: {problem}", style="red", markup=False)


def _next(console: Console, settings: Path, example: str) -> None:
    console.print()
    console.rule("[bold]What to look at next")
    console.print(f"Settings, ledger and tables stay in {settings.parent}/ until the next demo.\n", markup=False)
    steps = [
        (f"export FREEHOLD_SETTINGS={settings} PATH=$PWD/.venv/bin:$PATH", ""),
        ("freehold inferences list --outcome cut", "the streams that broke off"),
        (f"freehold inferences show {example}", "the whole record"),
        ("freehold keys list", "who may ask, and what they spent"),
        ("freehold keys create me && freehold up", "the same gateway, your own key"),
    ]
    for command, what in steps:
        console.print(Text(f"  {command:<64}", "cyan"), Text(what, "dim"), sep="")
    if hint := real.hint():
        console.print(f"\n{hint}", markup=False)
