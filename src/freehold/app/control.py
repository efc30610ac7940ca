"""Control state: what is kept in SQL and changes what is served. It is laid over the settings of the file."""

from collections.abc import Iterable

from msgspec.structs import replace

from freehold.core.tuned import Tuned
from freehold.flywheel.rollout.state import RolloutState
from freehold.settings.tables import LocalSettings, Settings


def laid_over(settings: Settings, models: Iterable[Tuned], rollouts: Iterable[RolloutState]) -> Settings:
    """The settings with the models that were tuned here and the rollouts that stand.

    What the file names itself stays as the file has it. A rollout whose route or candidate is gone says nothing.
    """
    local = dict(settings.local)
    for model in models:
        if model.state == "active" and model.method == "student" and not _taken(settings, model.name):
            local[model.name] = LocalSettings(artifact=model.path, quality=model.metrics.get("accuracy"))
    routes = dict(settings.routes)
    served = local.keys() | settings.deployments.keys()
    for state in rollouts:
        route, rollout = routes.get(state.route), state.routed()
        if rollout is not None and rollout.incumbent is not None and rollout.incumbent not in served:
            rollout = replace(rollout, incumbent=None)
        if route is not None and rollout is not None and (rollout.candidate in served or "/" in rollout.candidate):
            routes[state.route] = replace(route, rollout=rollout)
    return replace(settings, local=local, routes=routes)


def _taken(settings: Settings, name: str) -> bool:
    tables = (settings.local, settings.deployments, settings.routes, settings.providers, settings.simulated)
    return any(name in table for table in tables)
