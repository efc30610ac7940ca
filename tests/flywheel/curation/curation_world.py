"""A small world to curate from: interactions on disk, their records, feedback on them, and a key to sign with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.core.dataset import Example, identity
from freehold.core.deployment import Deployment
from freehold.core.events import Choice
from freehold.core.feedback import Feedback, Judgement
from freehold.core.inference import Inference
from freehold.core.interaction import Body
from freehold.core.request import Message, TextPart
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.curation.build import Built, Preview, build, preview
from freehold.flywheel.curation.candidate import Archive, Query
from freehold.flywheel.curation.gates import Policy, Rules
from freehold.flywheel.curation.terms import terms
from freehold.ledger.checkpoint import Signer
from freehold.store.bodies.writer import WritingBodies
from freehold.store.database import Database
from freehold.store.feedback import SqlFeedback

SIGNER = Signer("freehold/test", bytes(32))
DEPLOYMENTS = {
    "own/small": Deployment(id="own/small", provider="vllm", model="small"),
    "dear/large": Deployment(id="dear/large", provider="openai", model="gpt"),
}


def pseudonym(subject: str) -> str:
    return f"keyed({subject})"


def example(text: str, target: str = "yes", **more: Any) -> Example:
    messages = (Message("user", (TextPart(text),)),)
    return Example(id=identity(messages, target), messages=messages, target=target, **({"source": "import"} | more))


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "datasets"
        self.folder.mkdir()
        self.database = Database.open(folder / "store.db")
        self.feedback = SqlFeedback(self.database)
        self.bodies = WritingBodies.open(folder / "bodies", node="main", told=print)
        self.records: dict[str, Inference] = {}
        self.told: list[tuple[float, str]] = []

    def close(self) -> None:
        self.bodies.close()
        self.database.close()

    def said(
        self,
        text: str,
        answer: str | Choice = "refund",
        *,
        deployment: str = "own/small",
        episode: str | None = None,
        subject: str | None = None,
        route: str = "support",
        messages: list[dict[str, Any]] | None = None,
        record: bool = True,
        **more: Any,
    ) -> str:
        """One interaction; its id. Each comes a second after the one before."""
        n = len(list(self.bodies.scan()))
        id_, at = f"i{n:04}", (n + 1) * 1_000_000_000
        request = {"model": route, "messages": messages or [{"role": "user", "content": text}]}
        self.bodies.put(
            Body(
                id=id_,
                at=at,
                route=route,
                dialect="openai-chat",
                request=json.dumps(request).encode(),
                answer=answer if isinstance(answer, Choice) else Choice(text=answer, finish="stop"),
                episode=episode,
                subject=subject,
                deployment=deployment,
            )
        )
        if record:
            made: dict[str, Any] = {
                "id": id_,
                "at": at,
                "outcome": "answered",
                "route": route,
                "key": "k",
                "subject": subject,
                "episode": episode,
                "deployment": deployment,
            }
            self.records[id_] = Inference(**(made | more))
        return id_

    def judge(self, inference: str | None, judgement: Judgement, *, author: str = "ann", **more: Any) -> None:
        n = len(self.feedback.between(0, 2**62))
        made = {"inference": inference, "reliability": 0.95, "author": author} | more
        self.feedback.put([Feedback(id=f"f{n}", at=n, judgement=judgement, **made)])

    @property
    def archive(self) -> Archive:
        return Archive(
            bodies=self.bodies,
            inferences=lambda ids: {i: self.records[i] for i in ids if i in self.records},
            feedback=self.feedback,
            deployment=DEPLOYMENTS.get,
            dialects={"openai-chat": OPENAI_CHAT},
            pseudonym=pseudonym,
        )

    def preview(self, query: Query | None = None, policy: Policy | None = None, **rules: Any) -> Preview:
        return preview(
            query or Query(route="support"),
            archive=self.archive,
            policy=policy or Policy(),
            rules=Rules(**({"terms": terms()} | rules)),
            progress=lambda share, text: self.told.append((share, text)),
        )

    def build(self, name: str = "support", policy: Policy | None = None, at: int = 1, **rules: Any) -> Built:
        return build(
            name,
            Query(route="support"),
            folder=self.folder,
            archive=self.archive,
            policy=policy or Policy(),
            rules=Rules(**({"terms": terms()} | rules)),
            at=at,
            sign=SIGNER.sign,
            progress=lambda share, text: self.told.append((share, text)),
        )


def reasons(found: Preview | Built, gate: str) -> dict[str, int]:
    return next(passage.reasons for passage in found.gates if passage.gate == gate)


Opened = Callable[[bytes], str]
