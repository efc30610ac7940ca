"""The second story: traffic becomes a model of our own that earns its traffic step by step; a bad one loses it.

    the desk asks a dear model, agents correct it -> dataset -> student -> evaluation -> shadow, canary, full -> a bad
    successor is caught and taken back

Everything is done with the commands and the client that anybody would use. What is measured at the end is measured on
messages that the student never saw.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import openai
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from demo.desk import Case
from demo.gateway import DemoFailed, Gateway, freehold, prepare_desk, running
from freehold.client import Freehold
from freehold.core.money import NANO

CLIENTS = 16
LEARNED = 0.5
"""The share of the messages from which the student learns; it never sees the others until it serves."""

MARGIN = 0.02
BATCH = 60
"""Messages between two looks at the rollout."""

FULL, BAD = 300, 600
"""Messages kept for the time when the student has all the traffic, and for its bad successor."""


class Said(Struct, frozen=True, kw_only=True):
    """An answer at the desk. `cost` in nano-dollars."""

    inference: str
    by: str
    right: bool
    cost: int


class Phase(Struct, frozen=True):
    """What some answers came to."""

    answers: Sequence[Said]

    @property
    def right(self) -> float:
        return sum(a.right for a in self.answers) / len(self.answers)

    @property
    def cost(self) -> float:
        """Dollars for 1,000 messages."""
        return sum(a.cost for a in self.answers) * 1000 / len(self.answers) / NANO

    def share(self, deployment: str) -> float:
        return sum(a.by == deployment for a in self.answers) / len(self.answers)


class Desk:
    """The desk's application: asks with the OpenAI SDK; its agents say what was right with Freehold's client."""

    def __init__(self, console: Console, gateway: Gateway, settings: Path) -> None:
        self._console = console
        self._freehold = Freehold(gateway.base_url)
        self._openai = openai.OpenAI(
            base_url=gateway.base_url,
            api_key="none",
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )
        self.settings = settings

    def work(self, cases: Sequence[Case], what: str) -> Phase:
        """Answer some messages, and judge each answer."""
        columns = (TextColumn("  {task.description:<42}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as shown, ThreadPoolExecutor(CLIENTS) as pool:
            task = shown.add_task(what, total=len(cases))
            answers: list[Said] = []
            for said in pool.map(self._one, cases):
                answers.append(said)
                shown.advance(task)
        return Phase(answers)

    def _one(self, case: Case) -> Said:
        raw = self._openai.chat.completions.with_raw_response.create(
            model="desk", messages=[{"role": "user", "content": case.text}]
        )
        text = (raw.parse().choices[0].message.content or "").strip()
        id, right = raw.headers["x-freehold-inference"], text == case.label
        if right:
            self._freehold.feedback(id, good=True)
        else:
            self._freehold.feedback(id, correction=case.label)
        cost = int(raw.headers.get("x-freehold-cost", "0"))
        return Said(inference=id, by=raw.headers["x-freehold-deployment"], right=right, cost=cost)

    def run(self, *command: str, ok: tuple[int, ...] = (0,)) -> str:
        """Do a command, and show which."""
        self._console.print(f"$ freehold {' '.join(command)}", style="cyan", markup=False)
        return freehold(self.settings, *command, ok=ok)

    def rollout(self) -> dict[str, Any]:
        return json.loads(freehold(self.settings, "rollout", "status", "desk", "--json"))[0]


def story(console: Console, cases: list[Case], folder: Path) -> int:
    """The whole loop; 0 where everything that was shown is true."""
    settings = prepare_desk(folder, cases)
    learned = int(len(cases) * LEARNED)
    first, rest = cases[:learned], cases[learned:]
    live, full, bad = rest[: -FULL - BAD], rest[-FULL - BAD : -BAD], rest[-BAD:]
    console.rule("[bold]The help desk of Marlow Quay learns a model of its own")
    console.print(
        f"{len(cases):,} messages come to route 'desk'. One dear model answers them; agents correct what is wrong.\n"
    )
    with running(settings) as gateway:
        desk = Desk(console, gateway, settings)
        before = desk.work(first, "the frontier model answers, agents correct")
        console.print(f"  frontier: right {before.right:.1%}, ${before.cost:.3f} for 1,000 messages\n")
        begun = time.monotonic()
        _learn(console, desk)
        seconds = time.monotonic() - begun
        evidence = _roll_out(console, desk, live)
        after = desk.work(full, "the student has the traffic")
        incumbent = after.share("frontier")
        console.print(
            f"  student first: right {after.right:.1%}, ${after.cost:.3f} for 1,000 messages; it answers "
            f"{1 - incumbent:.1%} itself and hands the rest to frontier\n"
        )
        caught = _regress(console, desk, bad, [*first, *live])
    shown = Shown(before=before, after=after, evidence=evidence, caught=caught, seconds=seconds)
    return _close(console, desk, shown)


def _learn(console: Console, desk: Desk) -> None:
    """Dataset, student, evaluation, verdict."""
    console.print(desk.run("datasets", "build", "desk", "--route", "desk"), markup=False)
    console.print(desk.run("tune", "student", "--dataset", "desk", "--set", "accuracy=0.94"), markup=False)
    console.print(desk.run("evaluate", "--dataset", "desk", "--deployments", "frontier,student"), markup=False)
    swap = ("swap", "--route", "desk", "--from", "frontier", "--to", "student", "--margin", str(MARGIN))
    console.print(desk.run(*swap, ok=(0, 3, 4)), markup=False)


def _roll_out(console: Console, desk: Desk, live: Sequence[Case]) -> dict[str, Any]:
    """Shadow, canary, full, by evidence alone; what the rollout showed at the end."""
    plan = ("--automatic", "--margin", str(MARGIN), "--shares", "0.3", "--canary-conversations", "40")
    desk.run("rollout", "start", "desk", "--candidate", "student", *plan, "--latency-ratio", "0")
    step, at = "shadow", 0
    while step in {"shadow", "canary"} and at < len(live):
        desk.work(live[at : at + BATCH], f"{step}: the student {_SEEN[step]}")
        at += BATCH
        status = desk.rollout()
        move = status["rollout"]["moves"][-1]
        if move["step"] != step:
            console.print(f"  after {at:,} messages: {step} -> {move['step']}: {move['why']}", markup=False)
            step = move["step"]
    status = desk.rollout()
    if step != "full":
        verdict = status["verdict"]
        raise DemoFailed(
            f"The student is in {step} after {at:,} messages; the evidence: {msgspec.json.encode(verdict)!r}"
        )
    console.print()
    return status


_SEEN = {"shadow": "gets copies, nobody sees it", "canary": "answers 30 % of the conversations"}


def _regress(console: Console, desk: Desk, cases: Sequence[Case], known: Sequence[Case]) -> int | None:
    """A successor made from spoiled labels is promoted in a hurry; after how many messages it is taken back."""
    labels = sorted({case.label for case in known})
    spoiled = desk.settings.with_name("spoiled.jsonl")
    spoiled.write_bytes(
        b"".join(
            msgspec.json.encode({"text": c.text, "label": labels[(labels.index(c.label) + (n % 2)) % len(labels)]})
            + b"\n"
            for n, c in enumerate(known[:1200])
        )
    )
    console.print("A successor is tuned from a file in which every other label is wrong, and promoted in a hurry:")
    desk.run("datasets", "import", str(spoiled), "spoiled")
    desk.run("tune", "successor", "--dataset", "spoiled", "--set", "accuracy=0.2")
    plan = ("--shares", "0.5", "--latency-ratio", "0", "--requests-a-day", "2000")
    desk.run("rollout", "start", "desk", "--candidate", "successor", *plan)
    desk.run("rollout", "promote", "desk", "--why", "no time to wait")
    for at in range(0, len(cases), BATCH):
        desk.work(cases[at : at + BATCH], "canary: the successor answers half")
        move = desk.rollout()["rollout"]["moves"][-1]
        if move["step"] == "rolled_back":
            console.print(f"  after {at + BATCH} messages: rolled back: {move['why']}\n", markup=False)
            return at + BATCH
    return None


class Shown(Struct, frozen=True, kw_only=True):
    """What the loop came to. `evidence`: of the rollout; `caught`: messages until the successor was taken back;
    `seconds` from traffic to a judged model."""

    before: Phase
    after: Phase
    evidence: dict[str, Any]
    caught: int | None
    seconds: float


def _close(console: Console, desk: Desk, shown: Shown) -> int:
    """Check what was shown."""
    before, after, caught = shown.before, shown.after, shown.caught
    verified = freehold(desk.settings, "verify", "--json", ok=(0, 1))
    whole = all(report["ok"] for report in json.loads(verified).values())
    moves = shown.evidence["rollout"]["moves"]
    approval = next((m["why"] for m in moves if m["step"] == "canary"), "never approved")
    cut = 1 - after.cost / before.cost
    still = desk.rollout()["rollout"]["incumbent"]
    claims = [
        (
            approval.startswith("approved"),
            f"the student is not worse by {MARGIN:.0%}, on messages that it never saw: {approval}",
        ),
        (after.right >= before.right - MARGIN, f"right: {before.right:.1%} before, {after.right:.1%} after"),
        (cut > 0, f"${before.cost:.3f} for 1,000 messages before, ${after.cost:.3f} after: {cut:.0%} saved"),
        (after.share("student") > 0.5, f"the own model answers {after.share('student'):.0%} of the traffic"),
        (caught is not None, f"the spoiled successor was taken back after {caught} messages"),
        (still == "student", "and the student serves on"),
        (whole, "the ledgers are whole: every hash and signature right"),
    ]
    console.rule("[bold]Checked")
    for holds, claim in claims:
        mark = "[green]✓[/green]" if holds else "[bold red]✗ NOT TRUE:[/bold red]"
        console.print(f"{mark} {claim}", highlight=False)
    console.print(f"\nFrom traffic to a judged model: {shown.seconds:.0f} s on this machine. Look further:")
    for command in ("lineage student", "rollout status desk", "datasets show desk", "inferences list --limit 5"):
        console.print(f"  .venv/bin/freehold {command} --settings {desk.settings}", style="cyan", markup=False)
    return 0 if all(holds for holds, _ in claims) else 1
