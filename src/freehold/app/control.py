"""Control state: what is kept in SQL and changes what is served. It is laid over the settings of the file."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from freehold.core.tuned import Method, Tuned
from freehold.flywheel.rollout.state import RolloutState
from freehold.settings.tables import DeploymentSettings, Engine, LocalSettings, Settings

ENGINES: Mapping[Method, Engine] = {
    "student": "student",
    "prompt": "prompt",
    "lora": "weights",
    "dpo": "weights",
}
"""What runs the models of each method here."""


def laid_over(settings: Settings, models: Iterable[Tuned], rollouts: Iterable[RolloutState]) -> Settings:
    """The settings with the models that were tuned here and the rollouts that stand.

    What the file names itself stays as the file has it. A rollout whose route or candidate is gone says nothing.
    """
    local, deployments = dict(settings.local), dict(settings.deployments)
    for model in models:
        if model.state != "active" or _taken(settings, model.name):
            continue
        if model.provider is not None and model.deployment is not None:
            deployments[model.name] = DeploymentSettings(provider=model.provider, model=model.deployment)
        elif model.method in ENGINES:
            quality = model.metrics.get("validation_accuracy")
            engine = ENGINES[model.method]
            base = model.base if engine == "prompt" else None
            local[model.name] = LocalSettings(artifact=model.path, engine=engine, base=base, quality=quality)
    routes = dict(settings.routes)
    served = local.keys() | deployments.keys()
    for state in rollouts:
        route, rollout = routes.get(state.route), state.routed()
        if rollout is not None and rollout.incumbent is not None and rollout.incumbent not in served:
            rollout = replace(rollout, incumbent=None)
        if route is not None and rollout is not None and (rollout.candidate in served or "/" in rollout.candidate):
            routes[state.route] = replace(route, rollout=rollout)
    return replace(settings, local=local, deployments=deployments, routes=routes)


def _taken(settings: Settings, name: str) -> bool:
    tables = (settings.local, settings.deployments, settings.routes, settings.providers, settings.simulated)
    return any(name in table for table in tables)
