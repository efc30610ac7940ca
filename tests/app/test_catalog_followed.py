"""A running gateway takes the catalog that is in use: a new one, and the old one back."""

import signal
from collections.abc import Iterator
from pathlib import Path

from process_world import freehold, up

from freehold.ledger.entry import Act
from freehold.ledger.reader import read
from freehold.settings.snapshot import restore
from snapshots_world import OURS, Draft, write_signed

SETTINGS = f"""
[providers.openai]
api_key = "file:key"

[deployments.gpt]
provider = "openai"
model = "gpt-5"

[catalog]
keys = ["{OURS.verifier}"]
"""


def loaded(data: Path) -> list[int]:
    """What the deployment asked for a million tokens of input in each settings that the gateway loaded, in dollars."""
    asked: list[int] = []
    for _, entry in read(data / "ledger" / "main"):
        if isinstance(entry, Act) and entry.verb == "settings.loaded":
            tariff = restore((data / "settings" / f"{entry.subject}.json").read_bytes()).deployments["gpt"].asks
            price = None if tariff is None else tariff.price(entry.at)
            assert price is not None
            asked.append(price.input)
    return [amount // 10**7 for amount in asked]


def until(data: Path, count: int) -> Iterator[None]:
    """Turns until the gateway has loaded settings so often."""
    while len(loaded(data)) < count:
        yield


def test_a_running_gateway_bills_by_the_catalog_in_use_and_follows_a_rollback(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-1")
    settings, data = tmp_path / "freehold.toml", tmp_path / "data"
    settings.write_text(SETTINGS)
    draft = Draft()
    draft.scale("openai/gpt-5", 1.2)
    file = write_signed(tmp_path / "new.json", draft.data)
    here = ("--settings", str(settings), "--data", str(data))

    with up(settings, data) as process:
        for turn, command in ((2, ("update", "--offline", str(file))), (3, ("rollback",))):
            assert freehold("catalog", *command, *here)["changes"]
            for _ in until(data, turn):
                assert process.running.poll() is None
        process.signal(signal.SIGTERM)
        assert process.end() == 0

    assert loaded(data) == [125, 150, 125]
