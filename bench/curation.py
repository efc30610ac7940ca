"""Curation, measured: `python -m bench.curation [rows]`. Needs the shared data beside the repository.

The whole build from interactions on disk to a signed dataset, on rows of banking77; and the detectors of personal data,
credentials and attacks against the shared labels.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from freehold.core.deployment import Deployment
from freehold.core.events import Choice
from freehold.core.feedback import Correction, Feedback
from freehold.core.inference import Inference
from freehold.core.interaction import Body
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.curation import injection, minhash, pii, secrets
from freehold.flywheel.curation.build import build
from freehold.flywheel.curation.candidate import Archive, Query
from freehold.flywheel.curation.dataset import load
from freehold.flywheel.curation.gates import Policy, Rules
from freehold.flywheel.curation.terms import terms
from freehold.ledger.checkpoint import Signer
from freehold.store.bodies.writer import WritingBodies
from freehold.store.database import Database
from freehold.store.feedback import SqlFeedback
from freehold.store.inferences import SqlInferences

SYSTEM = "You sort messages of bank customers. Answer with the intent only. " * 5


def shared() -> Path:
    """The shared data, found by going up."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    raise SystemExit("There is no shared/data beside this repository")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    data = shared()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    texts = rows(data / "learning" / "banking77.train.jsonl")[:count]
    print(f"{len(texts)} rows of banking77, each with a system prompt of {len(SYSTEM)} characters")
    with tempfile.TemporaryDirectory() as folder:
        _build(Path(folder), texts)
    plain = [row["text"] for row in texts]
    print(f"  MinHash alone          {len(plain) / timed(lambda: minhash.signatures(plain)):10,.0f} rows/s")
    long = [" ".join(plain[i : i + 20]) for i in range(0, len(plain) - 20, 4)]
    size = sum(map(len, long)) / len(long)
    print(f"  the same, {size:,.0f} chars   {len(long) / timed(lambda: minhash.signatures(long)):10,.0f} rows/s")
    _detectors(data / "governance")


def _build(folder: Path, texts: Sequence[dict[str, Any]]) -> None:
    database = Database.open(folder / "store.sqlite")
    bodies = WritingBodies.open(folder / "bodies", node="main", told=print)
    made = [_interaction(n, row) for n, row in enumerate(texts)]
    spent = timed(lambda: [bodies.put(body) for body, _ in made])
    bodies.flush()
    print(f"  a body taken in        {spent / len(made) * 1e6:10.2f} µs")
    records = SqlInferences(database)
    records.project("main", "", [(f"{n:08}", record) for n, (_, record) in enumerate(made)])
    feedback = SqlFeedback(database)
    feedback.put(
        [
            Feedback(id=f"f{n}", at=n, judgement=Correction(row["label"]), inference=f"i{n:06}", reliability=0.95)
            for n, row in enumerate(texts)
            if n % 5 == 0
        ]
    )
    archive = Archive(
        bodies=bodies,
        inferences=records.many,
        feedback=feedback,
        deployment={"own/m": Deployment(id="own/m", provider="vllm", model="m")}.get,
        dialects={"openai-chat": OPENAI_CHAT},
        pseudonym=lambda subject: subject,
    )
    marks: list[tuple[float, str]] = []
    begun = time.perf_counter()
    built = build(
        "bench",
        Query(route="support"),
        folder=folder / "datasets",
        archive=archive,
        policy=Policy(),
        rules=Rules(terms=terms()),
        at=1,
        sign=Signer("freehold/bench", bytes(32)).sign,
        progress=lambda _, text: marks.append((time.perf_counter() - begun, text)),
    )
    spent = time.perf_counter() - begun
    print(f"  the whole build        {len(texts) / spent:10,.0f} rows/s   ({spent:.2f} s, {built.bill.reference})")
    for (start, text), (end, _) in zip(marks, [*marks[1:], (spent, "")], strict=True):
        print(f"      {end - start:6.2f} s  {text}")
    for passage in built.gates:
        print(f"      {passage.gate:14} {passage.rows_in:6} -> {passage.rows_out:6}  {passage.reasons or ''}")
    print(f"      splits {built.bill.splits}")
    reading = timed(lambda: list(load(folder / "datasets", "bench")))
    print(f"  reading it back        {built.bill.examples / reading:10,.0f} rows/s")
    bodies.close()
    database.close()


def _interaction(n: int, row: dict[str, Any]) -> tuple[Body, Inference]:
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["text"]}]
    id_, at = f"i{n:06}", (n + 1) * 1_000_000_000
    body = Body(
        id=id_,
        at=at,
        route="support",
        dialect="openai-chat",
        request=json.dumps({"model": "support", "messages": turns}).encode(),
        answer=Choice(text=row["label"], finish="stop"),
        episode=f"e{n // 2}",
        deployment="own/m",
    )
    record = Inference(
        id=id_, at=at, outcome="answered", route="support", episode=body.episode, deployment="own/m", key="k"
    )
    return body, record


def _detectors(folder: Path) -> None:
    known = {rule.type for rule in pii.RULES}
    hit = of = right = said = 0
    table = rows(folder / "pii.jsonl")
    spent = timed(lambda: [pii.find(row["text"]) for row in table])
    for row in table:
        spans = [s for s in row["spans"] if s["tier"] == "structured"]
        only = row["only_types"]
        found = [f for f in pii.find(row["text"]) if not only or f.type in only]
        wanted = [s for s in spans if s["type"] in known]
        of, said = of + len(wanted), said + len(found)
        hit += sum(any(_same(f, s) for f in found) for s in wanted)
        right += sum(any(_same(f, s) for s in spans) for f in found)
    total = sum(1 for row in table for s in row["spans"] if s["tier"] == "structured")
    print(
        f"personal data: recall {hit / of:.3f} on the {len(known)} types it knows, {hit / total:.3f} on all structured"
    )
    print(f"               precision {right / said:.3f}, {len(table) / spent:,.0f} rows/s")
    for name, detect in (("secrets", secrets.secrets), ("injection", injection.injection)):
        table = rows(folder / f"{name}.jsonl")
        spent = timed(lambda detect=detect, table=table: [detect(row["text"]) for row in table])
        flags = [(bool(detect(row["text"])), bool(row["label"])) for row in table]
        both = sum(a and b for a, b in flags)
        recall, precision = both / sum(b for _, b in flags), both / sum(a for a, _ in flags)
        print(f"{name + ':':15}recall {recall:.3f}, precision {precision:.3f}, {len(table) / spent:,.0f} rows/s")


def _same(found: pii.Found, span: dict[str, Any]) -> bool:
    return found.type == span["type"] and found.start < span["end"] and span["start"] < found.end


if __name__ == "__main__":
    main()
