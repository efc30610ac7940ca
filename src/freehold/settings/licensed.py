"""Licensed: the settings without the models whose licence gives this deployer no right to use them.

Nothing is refused, and the catalog is not read, while the table [deployer] says nothing.
"""

from collections.abc import Mapping, Set
from time import time_ns

from msgspec.structs import asdict, replace

from freehold.catalog.book import Catalog, catalog, today
from freehold.catalog.licences import CLAIMS, Deployer, Finding, check, refused
from freehold.core.errors import SettingsWrong
from freehold.settings.tables import DeployerSettings, Settings

SILENT = DeployerSettings()


def licensed(settings: Settings, written: Set[str]) -> Settings:
    """The same without refused deployments that nobody wrote, and with their names in `deployer.refuses`.

    `written` are the ids of deployments that the file names: one of those that is refused, or a route that names a
    refused model, is SettingsWrong with the clause, its source and the day it was read.
    """
    if settings.deployer == SILENT:
        return settings
    against = _refused(_deployer(settings), catalog(settings.data.folder))
    own = settings.simulated.keys() | settings.local.keys()
    out = {
        id: finding
        for id, d in settings.deployments.items()
        if d.provider not in own and (finding := against.get(d.model.lower())) is not None
    }
    problems = [f"[deployments.{id}] model: {finding.message}" for id, finding in out.items() if id in written]
    for name, route in settings.routes.items():
        for id in route.deployments:
            finding = out.get(id) or (against.get(id.partition("/")[2].lower()) if id not in written else None)
            if finding is not None and id not in written:
                problems.append(f"[routes.{name}] deployments: {finding.message}")
    if problems:
        raise SettingsWrong("\n".join(problems))
    refuses = {*(name.lower() for name in settings.deployer.refuses), *against}
    kept = {
        id: d
        for id, d in settings.deployments.items()
        if id in written or d.provider in own or d.model.lower() not in refuses
    }
    return replace(settings, deployments=kept, deployer=replace(settings.deployer, refuses=tuple(sorted(refuses))))


def open_points(settings: Settings) -> tuple[Finding, ...]:
    """What licences ask of the deployer for the models that are served, and what cannot be decided."""
    if settings.deployer == SILENT:
        return ()
    book = catalog(settings.data.folder)
    named = {name: model for model in CLAIMS for name in _names(model, book)}
    served = {named[d.model.lower()] for d in settings.deployments.values() if d.model.lower() in named}
    return tuple(finding for model in sorted(served) for finding in check(_deployer(settings), model))


def _deployer(settings: Settings) -> Deployer:
    said = asdict(settings.deployer)
    del said["refuses"]
    return Deployer(**said)


def _refused(deployer: Deployer, book: Catalog) -> Mapping[str, Finding]:
    """Why, for every name of a refused model, in lower case."""
    return {
        name: against[0]
        for model in CLAIMS
        if (against := refused(check(deployer, model)))
        for name in _names(model, book)
    }


def _names(model: str, book: Catalog) -> Set[str]:
    """What a model is called: here, in its repository, by each provider, and by the aliases that stand for it today."""
    known = book.models.get(model)
    repository = None if known is None else known.repository
    standing = book.names.standing(today(time_ns())).get(model, ())
    called = {name for of in (model, *standing) for name in (of, *(listing.id for listing in book.listings(of)))}
    return {name.lower() for name in (called | {repository} if repository else called)}
