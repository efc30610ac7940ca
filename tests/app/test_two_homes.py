"""Two machines with a data folder each and one database: what one makes, the other serves; ledgers never mix."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from flywheel_world import Change, Once, messages, traffic, written
from msgspec.structs import replace
from sqlalchemy import create_engine, make_url

from freehold.app.asker import PipelineAsker
from freehold.app.engine import Engine
from freehold.app.flywheel import Flywheel
from freehold.app.home import Home
from freehold.app.withdrawal import kinds
from freehold.core.errors import InUse
from freehold.core.secret import Secret
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.evaluation.replay import Question
from freehold.flywheel.jobs.job import Json
from freehold.settings.load import load
from freehold.settings.tables import Settings

POSTGRES = "FREEHOLD_TEST_POSTGRES_URL"
TUNING: Json = {"name": "own", "dataset": "support", "params": {"accuracy": 0.95, "threads": 1}}


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database that both machines reach."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.db'}"
        return
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} is not set")
    url, schema = make_url(server).set(drivername="postgresql+psycopg"), f"freehold_{uuid4().hex}"
    outside = create_engine(url)
    with outside.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with outside.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    outside.dispose()


def at(folder: Path, url: str) -> Change:
    def change(settings: Settings) -> Settings:
        data = replace(settings.data, folder=str(folder), database_url=Secret(url, source="test"))
        return replace(settings, data=data)

    return change


async def asked(engine: Engine, model: str) -> tuple[str | None, str]:
    body = {"model": model, "messages": [{"role": "user", "content": "my account shall end this month"}]}
    ask = PipelineAsker(engine.pipeline, asyncio.get_running_loop(), None)
    (reply,) = await asyncio.to_thread(ask.ask, [Question(deployment=model, body=msgspec.json.encode(body))])
    return reply.by, reply.text


async def test_a_worker_with_a_data_folder_of_its_own_makes_what_the_gateway_serves(
    tmp_path: Path, shared: str
) -> None:
    file, _ = written(tmp_path)
    here, there = at(tmp_path / "here", shared), at(tmp_path / "there", shared)
    engine = Engine(file, {}, change=here, told=print)
    await engine.open()
    await traffic(engine, messages()[:200])
    homes = [Home(change(load(file, {}))) for change in (here, there)]
    gateway, worker = (Flywheel(h, file, {}, change=c) for h, c in zip(homes, (here, there), strict=True))

    def worked() -> Json:
        gateway.build("support", Query(route="support"), Policy())
        jobs = kinds(worker)
        jobs["tune"](TUNING, Once())
        return jobs["evaluate"]({"dataset": "support", "deployments": ["sage", "own"]}, Once())

    evaluated = await asyncio.to_thread(worked)
    await engine.renew()

    assert await asked(engine, "own") == ("own", "close")
    assert [p.name for p in (tmp_path / "here" / "models").iterdir()] == [
        p.name for p in (tmp_path / "there" / "models").iterdir()
    ]
    report = homes[0].fetch("reports", Path(evaluated["report"]).name)
    assert report.is_relative_to(tmp_path / "here")
    assert "own" in report.read_text()
    ledgers = [{p.name for p in (tmp_path / name / "ledger").iterdir()} for name in ("here", "there")]
    assert not ledgers[0] & ledgers[1]
    records = [i for i in homes[0].inferences.query(limit=5000) if getattr(i, "purpose", "") == "replay"]
    assert len(records) == 2 * len(gateway.load("support", "test"))  # what the worker asked is in the shared tables
    await engine.close()
    for home in homes:
        home.close()


def test_a_ledger_belongs_to_one_data_folder(tmp_path: Path, shared: str) -> None:
    first, second = (Home(at(tmp_path / name, shared)(Settings())) for name in ("first", "second"))
    for home in (first, first):
        home.open_journal("main")[0].stop()

    with pytest.raises(InUse, match=r"The ledger 'main' is that of another data folder .* \[data\] node"):
        second.open_journal("main")
    second.open_journal("elsewhere")[0].stop()
    with second.journal_beside(), first.journal_beside():
        assert {p.name for p in (tmp_path / "first" / "ledger").iterdir()} == {"main", "worker-2"}
        assert {p.name for p in (tmp_path / "second" / "ledger").iterdir()} == {"elsewhere", "worker-1"}
    first.close()
    second.close()
    again = Home(at(tmp_path / "first", shared)(Settings()))
    again.open_journal("main")[0].stop()
    again.close()
