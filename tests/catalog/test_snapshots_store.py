"""Snapshots of a data folder: taken into use whole or not at all, at an instant, and back again."""

import os
from pathlib import Path

import pytest

from freehold.catalog.book import Catalog, base, catalog
from freehold.catalog.snapshots import Snapshots
from freehold.catalog.update import Found, accept, rollback, update
from freehold.core.errors import CatalogRefused, InUse, InvalidRequest, StoreFailed
from snapshots_world import HOUR, NOON, OTHERS, OURS, Acts, Draft, by, offered, packaged, taken

GPT = ("openai", "gpt-5")
KEYS = (OURS.verifier,)


@pytest.fixture
def here(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path)


def dearer(factor: float, *, as_of: str = "2026-11-24", name: str = "openai/gpt-5") -> bytes:
    draft = Draft(as_of=as_of)
    draft.scale(name, factor)
    return draft.data


DEARER = dearer(1.2)


def price(here: Snapshots, at: int = NOON, offer: tuple[str, str] = GPT) -> float:
    """Dollars for a million tokens of input, as the data folder has it at an instant."""
    found = catalog(here.folder.parent, at).offer(*offer, "2026-11-24")
    assert found is not None
    assert found.tariff.value is not None
    return base(found.tariff.value).input / 1e9


def test_a_folder_without_snapshots_has_the_catalog_of_the_package_and_stays_empty(here: Snapshots) -> None:
    assert catalog(here.folder.parent, NOON) is catalog()
    assert list(here.folder.parent.iterdir()) == []


def test_a_signed_snapshot_holds_and_its_price_change_is_recorded_with_how_much(here: Snapshots) -> None:
    acts = Acts()
    turned = taken(here, dearer(1.2), by(why="list of November"), acts=acts)

    assert price(here) == 1.5
    assert turned.standing.held == ()
    assert {c.about for c in turned.changes} == {"price"}
    ((verb, subject, detail),) = acts.written
    assert (verb, subject) == ("catalog.updated", turned.standing.snapshot)
    assert detail.startswith("holds from 2026-11-24T12:00:00Z: list of November\n")
    assert "openai/gpt-5 standard input by models.dev: $1.25/M -> $1.50/M (+20.0 %)" in detail.splitlines()


def test_the_same_snapshot_again_changes_nothing(here: Snapshots) -> None:
    data, acts = dearer(1.2), Acts()
    taken(here, data)

    assert update(here, offered(data), KEYS, by(NOON + HOUR), acts) is None
    assert acts.written == []
    assert len(list(here.history())) == 2


def altered(note: bytes) -> bytes:
    return note.replace(b"models 1250", b"models 1251")


CHECKPOINT = OURS.checkpoint(size=7, root=bytes(32))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (offered(DEARER, signer=OTHERS), "no signature by company/catalog"),
        (Found(where="there", note=b"", data=lambda: b""), "not text, an empty line and signature lines"),
        (Found(where="there", note=CHECKPOINT, data=lambda: b""), "signed is not the manifest of a catalog"),
        (
            Found(where="there", note=altered(offered(DEARER).note), data=lambda: DEARER),
            "The signature by company/catalog does not fit the note",
        ),
        (Found(where="there", note=offered(DEARER).note, data=lambda: dearer(1.3)), "not the file that was signed"),
        (Found(where="there", note=offered(DEARER).note, data=lambda: DEARER[:-9]), "it was changed or cut"),
        (offered(packaged().replace("2026-11-23", "2026-11-22").encode()), "older than what is in use (2026-11-23)"),
        (offered(DEARER, at=NOON + 25 * HOUR), "was signed 2026-11-25T13:00:00Z, in the future"),
    ],
)  # fmt: skip
def test_what_nobody_signed_whom_we_trust_or_what_is_old_is_refused_and_nothing_changes(
    here: Snapshots, found: Found, said: str
) -> None:
    acts = Acts()
    with pytest.raises(CatalogRefused, match=r"^there: ") as refused:
        update(here, found, KEYS, by(), acts)

    assert said in refused.value.message
    assert price(here) == 1.25
    assert acts.written == []
    assert here.digests() == ()


def test_without_a_key_every_snapshot_is_refused_with_the_way_out(here: Snapshots) -> None:
    with pytest.raises(CatalogRefused, match=r"no key is known that may sign catalogs.*`freehold catalog sign FILE`"):
        update(here, offered(dearer(1.2)), (), by(), Acts())


def test_a_snapshot_that_was_signed_before_the_one_in_use_is_refused(here: Snapshots) -> None:
    taken(here, dearer(1.2), at=NOON)

    with pytest.raises(CatalogRefused, match="goes back to a snapshot that was used here"):
        update(here, offered(dearer(1.1), at=NOON - HOUR), KEYS, by(), Acts())
    assert price(here) == 1.5


class Died(BaseException):
    """The process is gone."""


def dies_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The process ends when it brings something to disk for the n-th time; 0 is never."""
    real, calls = os.fsync, iter(range(1, 1_000))

    def fsync(fd: int) -> None:
        if next(calls) == call:
            raise Died
        real(fd)

    monkeypatch.setattr("freehold.catalog.snapshots.os.fsync", fsync)


def test_a_process_that_dies_at_any_moment_leaves_the_old_catalog_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    for moment in range(1, 9):
        here = Snapshots(tmp_path / str(moment))
        dies_at(monkeypatch, moment)
        with pytest.raises(Died):
            taken(here, DEARER)
        seen.append(price(here))

        dies_at(monkeypatch, 0)
        update(here, offered(DEARER), KEYS, by(), Acts())
        assert price(here) == 1.5
        assert [one.number for one in here.history()][-1] == 0
    assert seen == [1.25] * 7 + [1.5]  # the last call comes after the rename of the pointer


def test_a_full_disk_is_told_and_changes_nothing(here: Snapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    taken(here, dearer(1.2))
    monkeypatch.setattr("freehold.catalog.snapshots.os.fsync", full)

    with pytest.raises(StoreFailed, match="No space left on device"):
        taken(here, dearer(1.6))
    assert price(here) == 1.5


def test_a_change_that_cannot_be_recorded_does_not_happen(here: Snapshots) -> None:
    def broken(verb: str, subject: str, detail: str) -> None:
        raise StoreFailed("the ledger is full")

    with pytest.raises(StoreFailed, match="the ledger is full"):
        taken(here, dearer(1.2), acts=broken)
    assert price(here) == 1.25


def test_a_change_holds_from_the_instant_that_was_named_and_not_before(here: Snapshots) -> None:
    taken(here, dearer(1.2), by(at=NOON + HOUR))

    assert [price(here, at) for at in (NOON, NOON + HOUR - 1, NOON + HOUR)] == [1.25, 1.25, 1.5]
    with pytest.raises(InvalidRequest, match="is past: what was billed stays billed"):
        taken(here, dearer(1.3), by(at=NOON - 1))


def test_old_instants_keep_the_catalog_that_held_then(here: Snapshots) -> None:
    taken(here, dearer(1.2), by(NOON))
    taken(here, dearer(1.6), by(NOON + HOUR))
    rollback(here, by(NOON + 2 * HOUR), Acts())

    assert [price(here, NOON + h * HOUR) for h in (-1, 0, 1, 2)] == [1.25, 1.5, 2.0, 1.5]


def test_each_rollback_goes_one_change_further_back_to_the_package(here: Snapshots) -> None:
    for factor in (1.2, 1.4, 1.6):
        taken(here, dearer(factor))
    seen: list[float] = []
    for _ in range(3):
        rollback(here, by(), Acts())
        seen.append(price(here))

    assert seen == [1.75, 1.5, 1.25]
    with pytest.raises(InvalidRequest, match="nothing to go back to: packaged is in use"):
        rollback(here, by(), Acts())


def test_a_rollback_can_name_its_snapshot_and_can_itself_be_undone(here: Snapshots) -> None:
    first = taken(here, dearer(1.2)).standing.snapshot
    taken(here, dearer(1.4))
    acts = Acts()

    turned = rollback(here, by(why="wrong list"), acts, to=first[:10])
    assert price(here) == 1.5
    assert acts.written[0][:2] == ("catalog.rolled_back", first)
    assert acts.written[0][2].startswith(
        "holds from 2026-11-24T12:00:00Z: wrong list\nopenai/gpt-5 batch cache_read by litellm: $0.0875/M -> $0.075/M"
    )
    assert turned.standing.snapshot == first
    rollback(here, by(), Acts())
    assert price(here) == 1.75
    rollback(here, by(), Acts(), to="packaged")
    assert price(here) == 1.25
    with pytest.raises(InvalidRequest, match="No snapshot begins with 'ffff'"):
        rollback(here, by(), Acts(), to="ffff")


def spoiled() -> bytes:
    """GPT-5 a fifth dearer, and two offers ten times."""
    draft = Draft()
    draft.scale("openai/gpt-5", 1.2)
    draft.scale("anthropic/claude-opus-4-6", 10)
    draft.scale("groq/openai/gpt-oss-120b", 0.1)
    return draft.data


OPUS, OSS = ("anthropic", "claude-opus-4-6"), ("groq", "openai/gpt-oss-120b")


def prices(here: Snapshots) -> list[float]:
    return [round(price(here, NOON, offer), 4) for offer in (GPT, OPUS, OSS)]


def test_what_changed_suspiciously_waits_for_the_operator_while_the_rest_holds(here: Snapshots) -> None:
    acts = Acts()
    before = prices(here)
    turned = taken(here, spoiled(), acts=acts)

    assert before == [1.25, 5.0, 0.15]
    assert prices(here) == [1.5, 5.0, 0.15]
    assert [one.subject for one in turned.standing.held] == ["anthropic/claude-opus-4-6", "groq/openai/gpt-oss-120b"]
    told = acts.written[0][2]
    assert (
        "held back: offer anthropic/claude-opus-4-6: litellm: batch input was $2.50/M and is $25.00/M, 10 times; "
        in told
    )
    offer = catalog(here.folder.parent, NOON).offer(*OPUS, "2026-11-24")
    assert offer is not None
    assert any(flag.startswith("held back: ") and "is $50.00/M, 10 times" in flag for flag in offer.flags)


def test_what_is_accepted_holds_and_the_rest_still_waits(here: Snapshots) -> None:
    taken(here, spoiled())
    acts = Acts()

    accept(here, ["anthropic/claude-opus-4-6"], by(why="their mail of today"), acts)
    assert prices(here) == [1.5, 50.0, 0.15]
    assert acts.written[0][0] == "catalog.accepted"
    assert (
        "anthropic/claude-opus-4-6 standard input by models.dev: $5.00/M -> $50.00/M (+900.0 %)" in acts.written[0][2]
    )
    accept(here, None, by(), Acts())
    assert prices(here) == [1.5, 50.0, 0.015]
    with pytest.raises(InvalidRequest, match="Nothing is held back"):
        accept(here, None, by(), Acts())
    rollback(here, by(), Acts())
    assert prices(here) == [1.5, 50.0, 0.15]


def test_a_name_that_is_not_held_back_is_refused(here: Snapshots) -> None:
    taken(here, spoiled())

    with pytest.raises(InvalidRequest, match=r"openai/gpt-5: not held back. `freehold catalog held` lists what is"):
        accept(here, ["openai/gpt-5", "anthropic/claude-opus-4-6"], by(), Acts())
    assert prices(here) == [1.5, 5.0, 0.15]


def test_the_next_update_is_held_to_what_is_in_force_not_to_what_was_held_back(here: Snapshots) -> None:
    """A wrong price does not become right by being sent twice, and a corrected one ends the matter."""
    taken(here, spoiled())
    again = Draft(spoiled().decode(), as_of="2026-11-25")
    again.scale("groq/openai/gpt-oss-120b", 10.0)

    turned = taken(here, again.data)
    assert [one.subject for one in turned.standing.held] == ["anthropic/claude-opus-4-6"]
    assert prices(here) == [1.5, 5.0, 0.15]


def test_accepting_what_is_pending_leaves_its_instant(here: Snapshots) -> None:
    taken(here, spoiled(), by(at=NOON + HOUR))
    accept(here, None, by(), Acts())

    assert price(here, NOON, OPUS) == 5.0
    assert price(here, NOON + HOUR, OPUS) == 50.0


def test_snapshots_are_never_written_again(here: Snapshots) -> None:
    first = taken(here, dearer(1.2)).standing.snapshot
    file = here.folder / "snapshots" / f"{first}.json"
    before = file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino
    taken(here, dearer(1.4))
    rollback(here, by(), Acts())

    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino) == before
    assert file.stat().st_mode & 0o222 == 0
    assert here.note(first) == offered(dearer(1.2)).note


def test_a_snapshot_that_was_changed_on_disk_is_not_used_and_can_be_got_again_or_left(here: Snapshots) -> None:
    data = dearer(1.2)
    digest = taken(here, data).standing.snapshot
    file = here.folder / "snapshots" / f"{digest}.json"
    file.chmod(0o644)
    file.write_bytes(data.replace(b"gpt-5", b"gpt-6", 1))

    other = Snapshots(here.folder.parent)
    with pytest.raises(StoreFailed, match=r"was changed.*`freehold catalog rollback` takes the one before it"):
        other.data(digest)
    assert update(other, offered(data), KEYS, by(), Acts()) is None
    assert other.data(digest) == data
    file.unlink()
    rollback(other, by(), Acts())
    assert price(here) == 1.25


def test_two_changes_at_once_are_not_made(here: Snapshots) -> None:
    with here.changing(), pytest.raises(InUse, match="Another command changes"):
        taken(Snapshots(here.folder.parent), dearer(1.2))
    taken(here, dearer(1.2))
    assert price(here) == 1.5


@pytest.mark.parametrize("text", [b"", b"x\n", b"99\n"])
def test_a_pointer_that_leads_nowhere_is_told(here: Snapshots, text: bytes) -> None:
    taken(here, dearer(1.2))
    (here.folder / "current").write_bytes(text)

    with pytest.raises(StoreFailed, match="Restore the folder from a copy, or move it away"):
        catalog(here.folder.parent, NOON)


def test_a_loaded_catalog_is_kept_and_a_change_is_seen_at_once(here: Snapshots) -> None:
    taken(here, dearer(1.2))
    one = catalog(here.folder.parent, NOON)

    assert isinstance(one, Catalog)
    assert catalog(here.folder.parent, NOON + 1) is one
    rollback(here, by(NOON + 2), Acts())
    assert catalog(here.folder.parent, NOON + 2) is catalog()
