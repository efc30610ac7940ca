"""Documents: versions, generations, order."""

import pytest

from freehold.core.errors import Changed
from freehold.core.tuned import Tuned
from freehold.store.database import Database
from freehold.store.documents import SqlDocuments


def tuned(name: str, **more: object) -> Tuned:
    return Tuned(name=name, digest="d", method="student", path="p", dataset="s@1", run="r", created_at=1, **more)  # type: ignore[arg-type]


def test_documents_are_read_back_the_last_changed_first(database: Database) -> None:
    models = SqlDocuments(database, "model", Tuned)
    models.put("a", tuned("a"), version=0, at=1)
    models.put("b", tuned("b"), version=0, at=2)
    assert models.put("a", tuned("a", state="quarantined", reason="erased"), version=1, at=3) == 2

    assert models.get("a") == (tuned("a", state="quarantined", reason="erased"), 2)
    assert [m.name for m in models.all()] == ["a", "b"]
    assert models.get("c") is None


def test_of_two_writers_the_slower_is_told(database: Database) -> None:
    models = SqlDocuments(database, "model", Tuned)
    models.put("a", tuned("a"), version=0, at=1)
    models.put("a", tuned("a", reason="first"), version=1, at=2)

    with pytest.raises(Changed, match="The model a was changed by somebody else"):
        models.put("a", tuned("a", reason="second"), version=1, at=3)
    with pytest.raises(Changed):
        models.put("a", tuned("a"), version=0, at=3)
    assert models.get("a") == (tuned("a", reason="first"), 2)


def test_the_generation_counts_changes_of_its_kind_alone(database: Database) -> None:
    models, runs = SqlDocuments(database, "model", Tuned), SqlDocuments(database, "run", Tuned)
    assert models.generation() == 0
    models.put("a", tuned("a"), version=0, at=1)
    models.remove("a")

    assert models.generation() == 2
    assert runs.generation() == 0
    assert models.all() == []
