"""Datasets on disk: immutable, named by their digest, with a signed bill of materials.

In `<folder>/<name>@<first 12 hex of the digest>`: `train.parquet`, `validation.parquet`, `test.parquet`; `bill.json`,
what it was made of; `bill.note`, a C2SP signed note over its digests by the key of the node's ledger.

The digest is SHA-256 over the examples in their canonical form, so the same examples have the same name whoever made
them; the files' own digests are in the bill, and reading compares them.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from freehold.core.dataset import Example, Split
from freehold.core.errors import SettingsWrong, StoreFailed
from freehold.core.request import Message
from freehold.flywheel.curation import parquet
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.gate import Passage

SPLITS: tuple[Split, ...] = get_args(Split)
COLUMNS: dict[str, parquet.Kind] = {
    "id": "text",
    "text": "text",  # the last words of the user, for people who look into the file
    "messages": "text",  # JSON
    "target": "text",
    "source": "text",
    "at": "int",
    "weight": "float",
    "inference": "text",
    "episode": "text",
    "subject": "text",
    "deployment": "text",
    "rejected": "text",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_encode = msgspec.json.Encoder(order="deterministic").encode
_messages = msgspec.json.Decoder(tuple[Message, ...]).decode

Sign = Callable[[str], bytes]
"""The signed note of a text that ends in a newline."""

Verify = Callable[[bytes], str]
"""The text of a signed note; ValueError unless the right key signed it."""


class Bill(Struct, frozen=True, kw_only=True):
    """What a dataset was made of. `at`: UTC nanoseconds; `code`: the version of Freehold that made it; `policy`: the
    rules of the gates, as they were; `gates`: how many rows each kept out and why; `sources`, `deployments`, `splits`:
    examples of each; `terms`: under which each deployment's answers were taken; `subjects`: keyed digests of the
    persons; `files`: SHA-256 of each file. `warnings`: what its user should know. `against`: the datasets whose test
    examples were held out, `held_out` of them; `accepted`: providers whose terms its owner had settled."""

    name: str
    digest: str
    at: int
    code: str
    examples: int
    rows_in: int
    gates: tuple[Passage, ...] = ()
    query: Query | None = None
    policy: dict[str, Any] = {}
    file: str | None = None
    sources: dict[str, int] = {}
    deployments: dict[str, int] = {}
    terms: dict[str, int] = {}
    splits: dict[str, int] = {}
    held_out: int = 0
    against: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    episodes: int = 0
    inferences: int = 0
    subjects: tuple[str, ...] = ()
    files: dict[str, str] = {}
    warnings: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest[:12]}"


def digest_of(examples: Sequence[Example]) -> str:
    """SHA-256 over the examples, in the order of their ids, in hex."""
    whole = sha256(b"freehold dataset 1\n")
    for example in sorted(examples, key=lambda e: e.id):
        whole.update(_encode(example) + b"\n")
    return whole.hexdigest()


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsWrong(f"Dataset name {name!r} is not 1 to 64 small letters, digits, dots, dashes, underscores")
    return name


def write(folder: Path, examples: Sequence[Example], bill: Bill, sign: Sign) -> tuple[Path, Bill]:
    """Write a dataset, whole or not at all. One that is there already stays, and its own bill is returned."""
    home = folder / bill.reference
    if home.exists():
        return home, read_bill(home)
    draft = folder / f".{bill.reference}.{os.getpid()}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name in SPLITS:
            rows = [_row(e) for e in sorted(examples, key=lambda e: (e.at, e.id)) if e.split == name]
            parquet.write(draft / f"{name}.parquet", COLUMNS, rows, created_by="freehold")
        files = {f"{name}.parquet": _sha256(draft / f"{name}.parquet") for name in SPLITS}
        bill = msgspec.structs.replace(bill, files=files)
        told = msgspec.json.format(_encode(bill), indent=1)
        (draft / "bill.json").write_bytes(told)
        (draft / "bill.note").write_bytes(sign(_statement(bill, told)))
        for path in draft.iterdir():
            _sync(path)
        draft.rename(home)
        _sync(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if home.exists():  # somebody else has just written the same
            return home, read_bill(home)
        raise StoreFailed(f"The dataset {home} cannot be written: {error.strerror}") from error
    return home, bill


def find(folder: Path, reference: str) -> Path:
    """The folder of a dataset: by `name@digest`, `name` (the newest) or digest, cut to 6 signs or more.

    StoreFailed where there is none, or several.
    """
    name, at, digest = reference.partition("@")
    homes = [p for p in folder.glob("*@*") if p.is_dir() and not p.name.startswith(".")]
    if at:
        found = [p for p in homes if p.name.startswith(f"{name}@{digest[:12]}") and len(digest) >= 6]
    else:
        found = [p for p in homes if p.name.partition("@")[0] == name]
        if found:
            return max(found, key=lambda p: (read_bill(p).at, p.name))
        found = [p for p in homes if len(name) >= 6 and p.name.partition("@")[2].startswith(name[:12])]
    if len(found) != 1:
        known = ", ".join(sorted(p.name for p in (found or homes))) or "none"
        raise StoreFailed(f"{reference!r} names {len(found) or 'no'} datasets in {folder}. There are: {known}")
    return found[0]


def read_bill(home: Path) -> Bill:
    """The bill of a dataset; StoreFailed names a file that is missing or damaged."""
    path = home / "bill.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Bill)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise StoreFailed(f"{path} is damaged: {error}") from error


def load(folder: Path, reference: str, split: Split | None = None) -> Iterator[Example]:
    """The examples of a dataset, the oldest first in each split; of one split, or of all. StoreFailed names a file that
    is not what its bill says."""
    home = find(folder, reference)
    bill = read_bill(home)
    for name in SPLITS if split is None else (split,):
        path = home / f"{name}.parquet"
        _check(path, bill)
        yield from (_example(row, name, path) for row in parquet.read(path))


def verify(home: Path, opened: Verify) -> Bill:
    """The bill, if it is signed, every file is what it says, and the examples have the digest. StoreFailed if not."""
    bill = read_bill(home)
    note = home / "bill.note"
    try:
        text = opened(note.read_bytes())
    except OSError as error:
        raise StoreFailed(f"{note} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StoreFailed(f"{note} is not signed as it should be: {error}") from error
    if text != _statement(bill, (home / "bill.json").read_bytes()):
        raise StoreFailed(f"{note} signs another bill than {home / 'bill.json'}")
    found = list(load(home.parent, home.name))
    if digest_of(found) != bill.digest or len(found) != bill.examples or home.name != bill.reference:
        raise StoreFailed(f"The examples in {home} are not those of its digest {bill.digest}")
    return bill


class Difference(Struct, frozen=True, kw_only=True):
    """What the second of two datasets has otherwise. `changed`: the same prompt with another target, as (before,
    after); `moved`: the same example in another split."""

    added: tuple[Example, ...]
    removed: tuple[Example, ...]
    changed: tuple[tuple[Example, Example], ...]
    moved: tuple[tuple[Example, Example], ...]
    same: int


def diff(before: Sequence[Example], after: Sequence[Example]) -> Difference:
    """Compare two datasets. An example is the same if prompt and target are; a prompt that one of them has with several
    targets counts as added and removed rather than changed."""
    old, new = {e.id: e for e in before}, {e.id: e for e in after}
    gone, come = _by_prompt(e for e in before if e.id not in new), _by_prompt(e for e in after if e.id not in old)
    changed = tuple((gone[p][0], come[p][0]) for p in gone if p in come and len(gone[p]) == len(come[p]) == 1)
    settled = {e.id for pair in changed for e in pair}
    kept = [(old[i], new[i]) for i in old if i in new]
    return Difference(
        added=tuple(e for e in after if e.id not in old and e.id not in settled),
        removed=tuple(e for e in before if e.id not in new and e.id not in settled),
        changed=changed,
        moved=tuple((a, b) for a, b in kept if a.split != b.split),
        same=sum(a.split == b.split for a, b in kept),
    )


def _by_prompt(examples: Iterator[Example]) -> dict[bytes, list[Example]]:
    found: dict[bytes, list[Example]] = {}
    for example in examples:
        found.setdefault(_encode(example.messages), []).append(example)
    return found


def _row(example: Example) -> dict[str, Any]:
    row = {name: getattr(example, name) for name in COLUMNS}
    return row | {"messages": _encode(example.messages).decode()}


def _example(row: dict[str, Any], split: Split, path: Path) -> Example:
    try:
        members = {k: v for k, v in row.items() if k != "text" and v is not None}
        members["messages"] = _messages(members["messages"])
        return Example(split=split, **members)
    except (KeyError, TypeError, msgspec.MsgspecError) as error:
        raise StoreFailed(f"{path} holds a row that is no example: {error}") from error


def _check(path: Path, bill: Bill) -> None:
    try:
        found = _sha256(path)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be read: {error.strerror}") from error
    if found != bill.files.get(path.name):
        raise StoreFailed(f"{path} is not the file that its bill names: it was changed or damaged. Build it again")


def _statement(bill: Bill, told: bytes) -> str:
    return f"freehold/dataset\n{bill.reference}\n{bill.digest}\n{sha256(told).hexdigest()}\n"


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
