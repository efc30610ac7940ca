"""Folders travel through the database, whole or not at all."""

from pathlib import Path

import pytest
from sqlalchemy import update

from freehold.core.errors import StoreFailed
from freehold.store.database import Database
from freehold.store.parcels import PART, SqlParcels
from freehold.store.schema import parcel_parts


def folder(path: Path) -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "manifest.json").write_text("{}")
    (path / "deep" / "weights").write_bytes(bytes(range(256)) * (2 * PART // 256) + b"end")
    return path


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_folder_arrives_as_it_was_sent(database: Database, tmp_path: Path) -> None:
    sent = folder(tmp_path / "here" / "own-1")
    parcels = SqlParcels(database)
    parcels.send("models/own-1", sent)
    parcels.send("models/own-1", sent)  # again is nothing new

    arrived = tmp_path / "there" / "models" / "own-1"
    assert parcels.fetch("models/own-1", arrived)
    assert parcels.fetch("models/own-1", arrived)
    assert content(arrived) == content(sent)
    assert [p.name for p in arrived.parent.iterdir()] == ["own-1"]
    assert [p.name for p in sent.parent.iterdir()] == ["own-1"]


def test_a_single_file_travels_too(database: Database, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>good")
    SqlParcels(database).send("reports/report.html", tmp_path / "report.html")

    assert SqlParcels(database).fetch("reports/report.html", tmp_path / "there" / "report.html")
    assert (tmp_path / "there" / "report.html").read_text() == "<p>good"


def test_what_nobody_sent_is_not_there(database: Database, tmp_path: Path) -> None:
    assert not SqlParcels(database).fetch("models/own-1", tmp_path / "models" / "own-1")
    assert list(tmp_path.glob("models/*")) == []


def test_a_parcel_that_was_damaged_does_not_arrive(database: Database, tmp_path: Path) -> None:
    parcels = SqlParcels(database)
    parcels.send("models/own-1", folder(tmp_path / "own-1"))
    with database.write() as connection:
        connection.execute(update(parcel_parts).where(parcel_parts.c.number == 1).values(data=b"else"))

    with pytest.raises(StoreFailed, match="models/own-1 is not what was sent"):
        parcels.fetch("models/own-1", tmp_path / "there" / "own-1")
    assert list((tmp_path / "there").iterdir()) == []
