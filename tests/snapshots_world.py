"""The packaged catalog as plain JSON that a test may spoil, and a data folder that takes snapshots of it."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import freehold.catalog.book
from freehold.catalog.manifest import SUFFIX, described
from freehold.catalog.snapshots import Snapshots
from freehold.catalog.update import Decision, Found, Turned, update
from freehold.ledger.checkpoint import Signer

NOON = 1_795_521_600_000_000_000
"""2026-11-24 12:00 UTC, in nanoseconds."""

HOUR = 3_600_000_000_000
PACKAGED = Path(freehold.catalog.book.__file__).with_name("catalog.json")
OURS, OTHERS = Signer("company/catalog", bytes(32)), Signer("somebody/else", bytes(range(32)))


@cache
def packaged() -> str:
    return PACKAGED.read_text()


class Draft:
    """The catalog, to be changed: `offers` by 'PROVIDER/ID' and `models` by id are its own JSON objects."""

    def __init__(self, text: str | None = None, *, as_of: str = "2026-11-24") -> None:
        self.file: dict[str, Any] = json.loads(text or packaged())
        self.file["as_of"] = as_of
        self.models: dict[str, dict[str, Any]] = {model["id"]: model for model in self.file["models"]}
        self.offers: dict[str, dict[str, Any]] = {
            f"{one['provider']}/{one['id']}": one for of in self.file["listings"].values() for one in of
        }

    def sightings(self, offer: str) -> list[dict[str, Any]]:
        return self.offers[offer]["sightings"]

    def rates(self, offer: str) -> list[dict[str, int]]:
        """The rates of every row that every source lists for an offer."""
        return [row["rates"] for s in self.sightings(offer) for row in s.get("tariff", {"rows": []})["rows"]]

    def add_offer(self, like: str, id: str) -> None:
        new = json.loads(json.dumps(self.offers[like])) | {"id": id}
        self.file["listings"][new["model"]].append(new)

    def remove_offer(self, offer: str) -> None:
        gone = self.offers.pop(offer)
        self.file["listings"][gone["model"]].remove(gone)
        current = self.file["current"].get(gone["provider"], [])
        if gone["id"] in current:
            current.remove(gone["id"])

    def add_model(self, id: str) -> None:
        self.file["models"].append({"id": id, "name": id, "sources": ["models.dev"], "context": 128_000})

    def scale(self, offer: str, factor: float) -> None:
        """Another price at every source, in the same proportion."""
        for rates in self.rates(offer):
            rates.update({kind: round(amount * factor) for kind, amount in rates.items()})

    @property
    def data(self) -> bytes:
        """The file as `python -m tools.catalog` writes it, an offer a line."""
        groups = (f"{line(m)}:[\n" + ",\n".join(map(line, of)) + "]" for m, of in self.file["listings"].items())
        head = (f"{line(name)}:{line(value)}" for name, value in self.file.items() if name != "listings")
        return ("{" + ",\n".join((*head, '"listings":{\n' + ",\n".join(groups) + "\n}")) + "}\n").encode()


def line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Acts:
    """A ledger that remembers what was written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []

    def __call__(self, verb: str, subject: str, detail: str) -> None:
        self.written.append((verb, subject, detail))


def by(now: int = NOON, *, at: int | None = None, why: str = "") -> Decision:
    return Decision(now=now, at=at, actor="ann", why=why)


def offered(data: bytes, *, signer: Signer = OURS, at: int = NOON) -> Found:
    """A signed file, as somebody offers it."""
    return Found(where="there", note=signer.sign(described(data, at=at).text()), data=lambda: data)


def taken(
    snapshots: Snapshots,
    data: bytes,
    decision: Decision | None = None,
    *,
    acts: Callable[[str, str, str], None] | None = None,
    keys: Iterable[Signer] = (OURS,),
    at: int = NOON,
) -> Turned:
    """Take a file that we signed into use."""
    verifiers = [signer.verifier for signer in keys]
    turned = update(snapshots, offered(data, at=at), verifiers, decision or by(), acts or Acts())
    assert turned is not None
    return turned


def write_signed(file: Path, data: bytes, *, signer: Signer = OURS, at: int = NOON) -> Path:
    """A signed file on disk, with its manifest beside it."""
    file.write_bytes(data)
    file.with_name(file.name + SUFFIX).write_bytes(signer.sign(described(data, at=at).text()))
    return file
