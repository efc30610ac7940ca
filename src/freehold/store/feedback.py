"""Feedback and consents, kept in SQL."""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import delete, or_, select

from freehold.core.feedback import Feedback, Preference
from freehold.core.interaction import Consent
from freehold.store.database import Database
from freehold.store.schema import consents, feedback

BATCH = 500
"""Values in one statement: a database has a limit."""


class SqlFeedback:
    """The port `FeedbackStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, given: Sequence[Feedback]) -> None:
        rows = [_row(one) for one in given]
        if rows:
            with self._database.write() as connection:
                connection.execute(self._database.insert(feedback).on_conflict_do_nothing(), rows)

    def about(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> Sequence[Feedback]:
        columns = feedback.c
        found: dict[str, str] = {}
        with self._database.read() as connection:
            for some in _batches(inferences):
                wanted = or_(columns.inference.in_(some), columns.over.in_(some))
                rows = connection.execute(select(columns.id, columns.record).where(wanted))
                found.update((row.id, row.record) for row in rows)
            for some in _batches(episodes):
                rows = connection.execute(select(columns.id, columns.record).where(columns.episode.in_(some)))
                found.update((row.id, row.record) for row in rows)
        return sorted(map(_decode, found.values()), key=lambda one: (one.at, one.id))

    def between(self, since: int, until: int) -> Sequence[Feedback]:
        """Given from `since` on and before `until` (UTC nanoseconds), the oldest first."""
        chosen = select(feedback.c.record).where(feedback.c.at >= since, feedback.c.at < until)
        with self._database.read() as connection:
            records = connection.scalars(chosen.order_by(feedback.c.at, feedback.c.id)).all()
        return [_decode(record) for record in records]

    def forget(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> int:
        columns = feedback.c
        count = 0
        with self._database.write() as connection:
            for some in _batches(inferences):
                wanted = or_(columns.inference.in_(some), columns.over.in_(some))
                count += connection.execute(delete(feedback).where(wanted)).rowcount
            for some in _batches(episodes):
                count += connection.execute(delete(feedback).where(columns.episode.in_(some))).rowcount
        return count


class SqlConsents:
    """The port `Consents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, consent: Consent) -> None:
        """The newest counts: one that is older than what is known changes nothing."""
        values = {"allowed": consent.allowed, "at": consent.at}
        insert = self._database.insert(consents).values(subject=consent.subject, purpose=consent.purpose, **values)
        with self._database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["subject", "purpose"], set_=values, where=consents.c.at <= consent.at
                )
            )

    def known(self, purpose: str) -> dict[str, bool]:
        chosen = select(consents.c.subject, consents.c.allowed).where(consents.c.purpose == purpose)
        with self._database.read() as connection:
            return {row.subject: row.allowed for row in connection.execute(chosen)}


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _row(one: Feedback) -> dict[str, object]:
    return {
        "id": one.id,
        "at": one.at,
        "inference": one.inference,
        "episode": one.episode,
        "over": one.judgement.over if isinstance(one.judgement, Preference) else None,
        "origin": one.origin,
        "record": msgspec.json.encode(one).decode(),
    }


def _decode(record: str) -> Feedback:
    return msgspec.json.decode(record, type=Feedback)
