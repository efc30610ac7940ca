"""Load: one TOML file and a few environment variables become frozen `Settings`, or one error with every problem."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from freehold.core.errors import SettingsWrong
from freehold.core.secret import Secret
from freehold.settings.accounts import whole
from freehold.settings.check import check
from freehold.settings.reading import Bad, Reader
from freehold.settings.tables import DiscoverySettings, Settings


def load(path: Path | str | None, env: Mapping[str, str]) -> Settings:
    """The settings of a file (None: the one that FREEHOLD_SETTINGS names, else the defaults), with what the
    environment overrides.

    Relative paths in the file start at its folder. SettingsWrong lists every problem, one a line.
    """
    path = path or env.get("FREEHOLD_SETTINGS") or None
    if path is None:
        return read({}, source="settings", folder=Path(), env=env)
    file = Path(path)
    return read(_tables(file), source=file.name, folder=file.parent, env=env)


def read(tables: Mapping[str, object], *, source: str, folder: Path, env: Mapping[str, str]) -> Settings:
    """The settings that parsed TOML means; `source` names it in problems."""
    reader = Reader(source=source, folder=folder, env=env)
    settings = reader.struct(Settings, tables, ())
    if not isinstance(settings, Bad):
        settings = _placed(settings, folder)
        check(settings, tables, reader)
        providers = {name: whole(name, table, reader) for name, table in settings.providers.items()}
        settings = _overridden(replace(settings, providers=providers), env, reader.problems)
    if reader.problems or isinstance(settings, Bad):
        raise SettingsWrong("\n".join(reader.problems))
    return _decided(settings)


def _tables(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise SettingsWrong(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise SettingsWrong(f"{file.name}: is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsWrong(f"{file.name}: is not TOML: {error}") from None
    except RecursionError:
        raise SettingsWrong(f"{file.name}: is nested too deeply") from None


def _placed(settings: Settings, folder: Path) -> Settings:
    """The same with every relative path starting at `folder`."""

    def at(path: str | None) -> str | None:
        return None if path is None else str(folder / Path(path).expanduser())

    server, data = settings.server, settings.data
    return replace(
        settings,
        server=replace(server, tls_cert=at(server.tls_cert), tls_key=at(server.tls_key)),
        data=replace(data, folder=at(data.folder)),
        simulated={n: replace(s, replay=at(s.replay), answers=at(s.answers)) for n, s in settings.simulated.items()},
        local={n: replace(s, artifact=str(folder / Path(s.artifact).expanduser())) for n, s in settings.local.items()},
    )


def _overridden(settings: Settings, env: Mapping[str, str], problems: list[str]) -> Settings:
    """FREEHOLD_HOST, FREEHOLD_PORT, FREEHOLD_DATA and FREEHOLD_DATABASE_URL win over the file."""
    server, data = settings.server, settings.data
    if host := env.get("FREEHOLD_HOST"):
        server = replace(server, host=host)
    port = env.get("FREEHOLD_PORT", "")
    if port and not port.startswith("tcp://"):  # Kubernetes sets that for every Service called freehold
        if port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535:
            server = replace(server, port=int(port))
        else:
            problems.append(f"FREEHOLD_PORT: expected a whole number from 0 to 65535, got {port!r}")
    if folder := env.get("FREEHOLD_DATA"):
        data = replace(data, folder=folder)
    if url := env.get("FREEHOLD_DATABASE_URL"):
        data = replace(data, database_url=Secret(url, source="env:FREEHOLD_DATABASE_URL"))
    return replace(settings, server=server, data=data)


def _decided(settings: Settings) -> Settings:
    """The same with discovery decided: left open, it is on while no provider is named."""
    alone = not settings.providers and not settings.simulated
    found = settings.discovery
    return replace(
        settings,
        discovery=DiscoverySettings(
            environment=alone if found.environment is None else found.environment,
            local=alone if found.local is None else found.local,
        ),
    )
