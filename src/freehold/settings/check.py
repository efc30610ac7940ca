"""Check: what one table says about another must be true. Each problem is one line beside those of reading."""

import re
from collections.abc import Mapping, Set
from datetime import date
from pathlib import Path
from typing import cast

from freehold.catalog.override import Override
from freehold.providers.known import KNOWN
from freehold.providers.provider import key
from freehold.settings.reading import Reader, nearest
from freehold.settings.tables import LocalSettings, RouteSettings, Settings, SimulatedSettings


def check(settings: Settings, tables: Mapping[str, object], reader: Reader) -> None:
    """Add what is wrong between the tables. Names come from `tables`, so that an entry with a mistake of its own is
    not reported again as missing."""
    _server(settings, reader)
    for name, simulated in settings.simulated.items():
        _simulated(name, simulated, reader)
        if name in settings.providers:
            reader.problem(("simulated", name), f"a table [providers.{name}] has the same name; rename one")
    for name, local in settings.local.items():
        _local(name, local, settings, reader)
    providers = _names(tables, "providers") | _names(tables, "simulated") | _names(tables, "local")
    providers |= in_environment(settings, reader.env)
    for name, deployment in settings.deployments.items():
        if deployment.provider not in providers:
            hint = nearest(deployment.provider, providers) or "; describe it in a table [providers.NAME]"
            reader.problem(("deployments", name, "provider"), f"no provider has this name{hint}")
    closed = {d.provider for d in settings.deployments.values()}
    closed -= {n for n, p in settings.providers.items() if p.any_model}
    closed |= {n for n, p in settings.providers.items() if p.any_model is False}
    closed |= settings.simulated.keys()
    deployments = _names(tables, "deployments") | _names(tables, "local")
    for name, route in settings.routes.items():
        if name in deployments:
            reader.problem(("routes", name), "a deployment has the same name; rename one")
        _route(name, route, deployments, providers - closed, reader)
    for name, override in settings.catalog.overrides.items():
        _override(name, override, reader)
    if settings.retry.backoff_ms > settings.retry.max_backoff_ms:
        reader.problem(("retry", "backoff_ms"), "is larger than max_backoff_ms")


def _override(name: str, override: Override, reader: Reader) -> None:
    place = ("catalog", "overrides", name)
    provider, slash, id_ = name.partition("/")
    if not slash or not id_ or provider not in KNOWN:
        hint = nearest(provider, KNOWN) or "; `freehold models show NAME` has the names of both"
        reader.problem(place, f"is not PROVIDER/ID of a known provider{hint}")
    try:
        date.fromisoformat(override.date)
    except ValueError:
        reader.problem((*place, "date"), f"there is no day {override.date}")
    if override.price is None and override.context_window is None and override.max_output_tokens is None:
        reader.problem(place, "decides nothing: give price, context_window or max_output_tokens")


def in_environment(settings: Settings, env: Mapping[str, str]) -> set[str]:
    """Providers that need no table: discovery is on, and their key is in the environment."""
    wanted = settings.discovery.environment
    if wanted is False or (wanted is None and (settings.providers or settings.simulated)):
        return set()
    return {row.id for row in KNOWN.values() if not row.unreachable and key(row, env)}


def _names(tables: Mapping[str, object], table: str) -> set[str]:
    named = tables.get(table)
    return set(cast(dict[str, object], named)) if isinstance(named, dict) else set()


def _server(settings: Settings, reader: Reader) -> None:
    cert, key_file = settings.server.tls_cert, settings.server.tls_key
    if (cert is None) != (key_file is None):
        given, missing = ("tls_cert", "tls_key") if cert else ("tls_key", "tls_cert")
        reader.problem(("server", missing), f"is missing, and {given} is of no use without it")
    for name, path in (("tls_cert", cert), ("tls_key", key_file)):
        if path and not Path(path).is_file():
            reader.problem(("server", name), f"there is no file {path}")


def _simulated(name: str, simulated: SimulatedSettings, reader: Reader) -> None:
    place = ("simulated", name)
    if "/" in name:
        reader.problem(place, "the name of a provider has no slash, since callers write NAME/model")
    for at, rule in enumerate(simulated.rules, 1):
        here = (*place, "rules", f"[{at}]")
        if (rule.contains is None) == (rule.regex is None):
            reader.problem(here, "needs either contains or regex")
        if rule.reply is None and not rule.tool_calls and rule.fault is None:
            reader.problem(here, "needs a reply, tool_calls or a fault")
        if rule.regex is not None:
            try:
                re.compile(rule.regex)
            except re.error as error:
                reader.problem((*here, "regex"), f"is not a regular expression: {error}")
    for setting, path in (("answers", simulated.answers), ("replay", simulated.replay)):
        if path is not None and not Path(path).is_file():
            reader.problem((*place, setting), f"there is no file {path}")


def _local(name: str, local: LocalSettings, settings: Settings, reader: Reader) -> None:
    place = ("local", name)
    if "/" in name:
        reader.problem(place, "the name of a local model has no slash, since callers write PROVIDER/MODEL elsewhere")
    for other, table in (("providers", settings.providers), ("simulated", settings.simulated)):
        if name in table:
            reader.problem(place, f"a table [{other}.{name}] has the same name; rename one")
    if not Path(local.artifact).is_dir():
        reader.problem((*place, "artifact"), f"there is no folder {local.artifact}")


def _route(name: str, route: RouteSettings, deployments: Set[str], providers: Set[str], reader: Reader) -> None:
    place = ("routes", name)
    named: list[tuple[tuple[str, ...], str]] = [((*place, "deployments"), entry) for entry in route.deployments]
    rollout = route.rollout
    if rollout is not None:
        named.append(((*place, "rollout", "candidate"), rollout.candidate))
        if not 0 <= rollout.share <= 1:
            reader.problem((*place, "rollout", "share"), f"expected 0 to 1, got {rollout.share:g}")
    for where, entry in named:
        provider, slash, model = entry.partition("/")
        if entry not in deployments and not (slash and model and provider in providers):
            hint = nearest(entry, deployments) or "; write a name of [deployments], or PROVIDER/MODEL"
            reader.problem(where, f"there is no deployment {entry}{hint}")
    if len(set(route.deployments)) < len(route.deployments):
        reader.problem((*place, "deployments"), "names a deployment twice")
    for entry in route.weights:
        if entry not in route.deployments:
            hint = nearest(entry, route.deployments)
            reader.problem((*place, "weights", entry), f"is not among the deployments of this route{hint}")
    if route.weights and not sum(route.weights.values()):
        reader.problem((*place, "weights"), "at least one is larger than zero")
