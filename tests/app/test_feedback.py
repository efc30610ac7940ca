"""Feedback reaches a running gateway: by its client, for what was answered there."""

import asyncio
from pathlib import Path

import openai
import pytest
from msgspec.structs import replace

from freehold.app.gateway import Gateway
from freehold.client import Freehold
from freehold.core.feedback import Correction, Thumb
from freehold.ledger import reader
from freehold.ledger.entry import Act

SETTINGS = """
[simulated.lab]
reply = "card_lost"
[deployments.classifier]
provider = "lab"
model = "classifier"
[routes.support]
deployments = ["classifier"]
collect = true
"""


async def test_a_correction_is_kept_settled_and_recorded(tmp_path: Path) -> None:
    file = tmp_path / "freehold.toml"
    file.write_text(SETTINGS)
    data = tmp_path / "data"
    gateway = Gateway(
        file,
        {},
        change=lambda s: replace(s, data=replace(s.data, folder=str(data)), server=replace(s.server, port=0)),
        told=print,
    )
    started = await gateway.start()

    def used() -> tuple[str, list[object]]:
        with openai.OpenAI(base_url=f"{started.url}/v1", api_key="none", max_retries=0) as sdk:
            raw = sdk.chat.completions.with_raw_response.create(
                model="support", messages=[{"role": "user", "content": "my card is gone"}]
            )
        id = raw.headers["x-freehold-inference"]
        client = Freehold(started.url)
        client.feedback(id, good=False)
        client.feedback(id, correction="card_stolen")
        with pytest.raises(Exception, match="no inference of yours has the id"):
            client.feedback("nobody", good=True)
        return id, [f.judgement for f in gateway.engine.home.feedback.about(inferences=[id])]

    id, kept = await asyncio.to_thread(used)
    await gateway.stop()

    assert kept == [Thumb(False), Correction("card_stolen")]
    acts = [e for _, e in reader.read(data / "ledger" / "main") if isinstance(e, Act) and e.verb == "feedback.given"]
    assert [a.subject for a in acts] == [id, id]
