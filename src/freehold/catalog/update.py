"""Updates: another snapshot takes effect, at an instant, told and recorded; and back again.

Each change is worked out whole, recorded, and then made in one rename. Entries that changed suspiciously are held back:
what held before stays in force for them, until the operator accepts the new one.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.book import Catalog, filed, stood, today
from freehold.catalog.creep import creeping
from freehold.catalog.diff import Change, changes
from freehold.catalog.held import Held
from freehold.catalog.manifest import Manifest, Verifying, held_to, kept, opened
from freehold.catalog.schema import File
from freehold.catalog.snapshots import FIRST, PACKAGED, Snapshots, Standing
from freehold.catalog.suspicion import suspicious
from freehold.catalog.validity import check
from freehold.core.errors import CatalogRefused, InvalidRequest

NANO = 1_000_000_000
AHEAD = 24 * 60 * 60 * NANO
"""Nanoseconds by which the clock of who signs may be ahead of ours."""

RECORDED = 1_000
"""Lines of an act in the ledger at most; the snapshots themselves, by their digests, say the rest."""

Record = Callable[[str, str, str], None]
"""(verb, subject, detail): writes an act into the ledger."""


class Found(Struct, frozen=True, kw_only=True):
    """A snapshot that somebody offers: its signed manifest, and how to get the file if it is wanted."""

    where: str
    note: bytes
    data: Callable[[], bytes]


class Decision(Struct, frozen=True, kw_only=True):
    """Who decided what, and from when on it holds. `now` and `at` are UTC nanoseconds; no `at`: now."""

    now: int
    actor: str
    at: int | None = None
    why: str = ""


class Turned(Struct, frozen=True, kw_only=True):
    """What a change did. `changes` are those that take effect, `held` is what does not yet; `new`: of this change."""

    standing: Standing
    changes: tuple[Change, ...] = ()
    new: tuple[Held, ...] = ()


def update(
    snapshots: Snapshots, found: Found, keys: Iterable[Verifying], decision: Decision, record: Record
) -> Turned | None:
    """Take a snapshot into use; None where it is the newest here already. CatalogRefused where it is not signed by
    one of the keys, not what was signed, or older than what is in use. A damaged copy of the newest is replaced."""
    manifest = opened(found.note, keys, where=found.where)
    with snapshots.changing():
        newest = snapshots.newest()
        here = snapshots.has(manifest.digest)
        if manifest.digest == newest.snapshot and here:
            return None
        data = snapshots.data(manifest.digest) if here else found.data()
        new = Catalog(held_to(manifest, data, where=found.where))
        if manifest.digest == newest.snapshot:
            snapshots.keep(manifest.digest, data, found.note)
            return None
        old = stood(snapshots, newest)
        signed = 0 if newest.snapshot == PACKAGED else kept(snapshots.note(newest.snapshot)).signed_at
        _not_older(manifest, decision, as_of=old.file.as_of, signed_at=signed, where=found.where)
        held = suspicious(old, new, today(decision.now), creeping(snapshots, new, decision.now))
        snapshots.keep(manifest.digest, data, found.note)
        standing = _next(newest, decision, snapshot=manifest.digest, held=held, back=newest.number)
        return _turn(snapshots, old.file, standing, held, record=record, verb="catalog.updated")


def rollback(snapshots: Snapshots, decision: Decision, record: Record, *, to: str | None = None) -> Turned:
    """Go back to what held before the newest change; or to the snapshot `to` as it last held."""
    with snapshots.changing():
        newest = snapshots.newest()
        if to is None:
            goal = snapshots.numbered(newest.back)
            back = goal.back
        else:
            digest = snapshots.find(to)
            past = (one for one in snapshots.history() if one.snapshot == digest)
            goal = next(past, FIRST if digest == PACKAGED else None)
            if goal is None:
                raise InvalidRequest(f"{digest[:12]} never held here; `freehold catalog update` takes it into use")
            back = newest.number
        if (goal.snapshot, goal.held) == (newest.snapshot, newest.held):
            raise InvalidRequest(f"There is nothing to go back to: {goal.snapshot[:12]} is in use, as it was then")
        standing = _next(newest, decision, snapshot=goal.snapshot, held=goal.held, back=back)
        return _turn(snapshots, _before(snapshots, newest), standing, (), record=record, verb="catalog.rolled_back")


def accept(snapshots: Snapshots, subjects: Iterable[str] | None, decision: Decision, record: Record) -> Turned:
    """Let entries take effect that are held back: those named, or (None) all."""
    with snapshots.changing():
        newest = snapshots.newest()
        known = {one.subject for one in newest.held}
        wanted = known if subjects is None else set(subjects)
        if unknown := wanted - known:
            names = ", ".join(sorted(unknown))
            raise InvalidRequest(f"{names}: not held back. `freehold catalog held` lists what is")
        if not wanted:
            raise InvalidRequest("Nothing is held back")
        rest = tuple(one for one in newest.held if one.subject not in wanted)
        later = replace(decision, at=max(newest.at, decision.at or decision.now))
        standing = _next(newest, later, snapshot=newest.snapshot, held=rest, back=newest.number)
        return _turn(snapshots, stood(snapshots, newest).file, standing, (), record=record, verb="catalog.accepted")


def _not_older(manifest: Manifest, decision: Decision, *, as_of: str, signed_at: int, where: str) -> None:
    """Whoever can put an old signed file in the way of a new one must not undo what was corrected since."""
    if manifest.as_of < as_of or manifest.signed_at < signed_at:
        raise CatalogRefused(
            f"{where}: is of {manifest.as_of}, signed {_instant(manifest.signed_at)}, and older than what is in use "
            f"({as_of}). `freehold catalog rollback` goes back to a snapshot that was used here"
        )
    if manifest.signed_at > decision.now + AHEAD:
        raise CatalogRefused(f"{where}: was signed {_instant(manifest.signed_at)}, in the future. Set the clocks right")


def _before(snapshots: Snapshots, newest: Standing) -> File:
    """What held; where it is damaged, which is a reason to go back, what the package has."""
    if newest.snapshot == PACKAGED or snapshots.has(newest.snapshot):
        return stood(snapshots, newest).file
    return filed(snapshots, PACKAGED)


def _next(newest: Standing, decision: Decision, *, snapshot: str, held: tuple[Held, ...], back: int) -> Standing:
    at = decision.now if decision.at is None else decision.at
    if at < decision.now:
        raise InvalidRequest(
            f"{_instant(at)} is past: what was billed stays billed. Leave --from out, or name a later one"
        )
    return Standing(
        number=0,
        at=at,
        made_at=decision.now,
        snapshot=snapshot,
        held=held,
        actor=decision.actor,
        why=decision.why,
        before=newest.number,
        back=back,
    )


def _turn(
    snapshots: Snapshots, old: File, standing: Standing, new: tuple[Held, ...], *, record: Record, verb: str
) -> Turned:
    file = Catalog(filed(snapshots, standing.snapshot), standing.held).file
    check(file)
    turned = Turned(standing=snapshots.prepare(standing), changes=changes(old, file), new=new)
    record(verb, standing.snapshot, told(turned))
    snapshots.turn(turned.standing)
    return turned


def told(turned: Turned) -> str:
    """What a change does, a line for each change of a price, limit or licence, and each entry that is held back."""
    standing = turned.standing
    counts = {about: sum(c.about == about for c in turned.changes) for about in ("added", "removed", "other")}
    lines = [f"holds from {_instant(standing.at)}{f': {standing.why}' if standing.why else ''}"]
    lines += [str(c) for c in turned.changes if c.about not in {"other", "added", "removed"}]
    lines += [f"held back: {one.kind} {one.subject}: {'; '.join(one.why)}" for one in turned.new]
    lines[1:1] = [f"{count} {about}" for about, count in counts.items() if count]
    more = len(lines) - RECORDED
    return "\n".join(lines if more <= 0 else [*lines[:RECORDED], f"and {more} more"])


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
