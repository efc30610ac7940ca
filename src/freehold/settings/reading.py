"""Reading: a TOML table becomes its frozen type, and every mistake in it becomes one line that names the place."""

import difflib
import math
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Struct

from freehold.core.label import Sensitivity
from freehold.core.money import Price, nano
from freehold.core.secret import Secret

S = TypeVar("S", bound=Struct)

NAMED = frozenset({"providers", "deployments", "routes", "simulated", "local"})
"""Tables of tables, whose keys the operator chooses."""

MAX_SECRET_FILE = 64 * 1024


class Bad:
    """A value that could not be read; its problem is already written down."""


BAD = Bad()


def where(keys: tuple[str, ...]) -> str:
    """'[providers.openai] api_key: ' for people."""
    if not keys:
        return ""
    head = 2 if keys[0] in NAMED else 1
    table = ".".join(k if re.fullmatch(r"[A-Za-z0-9_-]+", k) else f'"{k}"' for k in keys[:head])
    rest = ".".join(keys[head:]).replace(".[", "[")
    return f"[{table}] {rest}: " if rest else f"[{table}]: "


def nearest(name: str, names: Iterable[str], *, hint: str = "; did you mean {}?") -> str:
    """The hint with the name most like this one, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return hint.format(close[0]) if close else ""


class Reader:
    """Reads tables and collects problems. `source` names the file in them; `folder` is where its paths start."""

    def __init__(self, *, source: str, folder: Path, env: Mapping[str, str]) -> None:
        self.source = source
        self.folder = folder
        self.env = env
        self.problems: list[str] = []

    def problem(self, keys: tuple[str, ...], text: str) -> Bad:
        self.problems.append(f"{self.source}: {where(keys)}{text}")
        return BAD

    def struct(self, kind: type[S], table: object, keys: tuple[str, ...]) -> S | Bad:
        """A table as its type. A wrong optional value is reported and its default stands in, so that reading goes
        on and finds the rest."""
        if not isinstance(table, dict):
            return self.problem(keys, f"expected a table, got {_toml(table)}")
        given = cast(dict[str, object], table)
        fields = {f.name: f for f in msgspec.structs.fields(kind)}
        values: dict[str, object] = {}
        if len(keys) == 2 and "name" in fields:
            values["name"] = keys[1]
            del fields["name"]
        for key in given:
            if key not in fields:
                self.problem((*keys, key), f"no such setting{nearest(key, fields)}")
        complete = True
        for name, field in fields.items():
            if name not in given:
                if field.required:
                    complete = False
                    self.problem((*keys, name), "is missing")
                continue
            value = self.value(field.type, given[name], (*keys, name))
            if not isinstance(value, Bad):
                values[name] = value
            elif field.required:
                complete = False
        return kind(**values) if complete else BAD

    def value(self, kind: Any, raw: object, keys: tuple[str, ...]) -> object:
        """One value as its type, or BAD."""
        inner = _inner(kind)
        if inner is Secret:
            return self.secret(raw, keys)
        if inner is Price:
            return self.price(raw, keys)
        if inner is Sensitivity:
            return self.word(raw, {s.name.lower(): s for s in Sensitivity}, keys)
        if isinstance(inner, type) and issubclass(inner, Struct):
            return self.struct(inner, raw, keys)
        origin, args = get_origin(inner), get_args(inner)
        if origin is dict and args[1] is Secret:
            return self.secrets(raw, keys)
        if origin is dict and isinstance(args[1], type) and issubclass(args[1], Struct):
            return self.named(args[1], raw, keys)
        if origin is tuple and isinstance(args[0], type) and issubclass(args[0], Struct):
            return self.listed(args[0], raw, keys)
        if origin is Literal and isinstance(raw, str):
            return self.word(raw, {str(w): w for w in args}, keys)
        return self.plain(kind, raw, keys)

    def plain(self, kind: Any, raw: object, keys: tuple[str, ...]) -> object:
        if isinstance(raw, float) and not math.isfinite(raw):
            return self.problem(keys, "expected a finite number")
        try:
            return cast(object, msgspec.convert(raw, kind))
        except msgspec.ValidationError as error:
            text, _, at = str(error).replace("`", "").partition(" - at $")
            place = (*keys, at) if at else keys
            return self.problem(place, text[:1].lower() + text[1:])

    def word(self, raw: object, words: Mapping[str, object], keys: tuple[str, ...]) -> object:
        if isinstance(raw, str) and raw in words:
            return words[raw]
        hint = nearest(raw, words) if isinstance(raw, str) else ""
        return self.problem(keys, f"expected one of {', '.join(words)}{hint}")

    def named(self, kind: type[Struct], raw: object, keys: tuple[str, ...]) -> object:
        if not isinstance(raw, dict):
            return self.problem(keys, f"expected tables [{'.'.join(keys)}.NAME], got {_toml(raw)}")
        read: dict[str, Struct] = {}
        for name, table in cast(dict[str, object], raw).items():
            if not re.fullmatch(r"[!-~]+", name):
                self.problem((*keys, name), "a name is made of visible ASCII characters without spaces")
            value = self.struct(kind, table, (*keys, name))
            if not isinstance(value, Bad):
                read[name] = value
        return read

    def listed(self, kind: type[Struct], raw: object, keys: tuple[str, ...]) -> object:
        if not isinstance(raw, list):
            return self.problem(keys, f"expected a list of tables, got {_toml(raw)}")
        rows = cast(list[object], raw)
        read = [self.struct(kind, row, (*keys, f"[{i}]")) for i, row in enumerate(rows, 1)]
        whole = tuple(r for r in read if not isinstance(r, Bad))
        return whole if len(whole) == len(read) else BAD

    def price(self, raw: object, keys: tuple[str, ...]) -> Price | Bad:
        """Dollars per million tokens, as strings or numbers, to nano-dollars per million."""
        if not isinstance(raw, dict):
            return self.problem(keys, 'expected a table such as { input = "1.25", output = "10.00" }')
        given = cast(dict[str, object], raw)
        kinds = Price.__struct_fields__
        amounts: dict[str, int] = {}
        for key, value in given.items():
            if key not in kinds:
                self.problem((*keys, key), f"no such setting{nearest(key, kinds)}")
            elif isinstance(value, bool) or not isinstance(value, str | int | float):
                self.problem((*keys, key), f"expected dollars per million tokens, got {_toml(value)}")
            else:
                try:
                    amounts[key] = nano(str(value))
                except ValueError as error:
                    self.problem((*keys, key), str(error))
        for key in ("input", "output"):
            if key not in given:
                self.problem((*keys, key), "is missing")
        for key in (k for k, v in amounts.items() if v < 0):
            self.problem((*keys, key), "a price is not negative")
        if not {"input", "output"} <= amounts.keys() or min(amounts.values()) < 0:
            return BAD
        return Price(**amounts)

    def secrets(self, raw: object, keys: tuple[str, ...]) -> dict[str, Secret] | Bad:
        if not isinstance(raw, dict):
            return self.problem(keys, f"expected a table, got {_toml(raw)}")
        return {name: self.secret(value, (*keys, name)) for name, value in cast(dict[str, object], raw).items()}

    def secret(self, raw: object, keys: tuple[str, ...]) -> Secret:
        """The credential behind 'env:NAME' or 'file:PATH'; an empty one after a problem, so that it is not reported
        as missing too. What was written is never repeated, since it may be the secret itself."""
        scheme, _, name = raw.partition(":") if isinstance(raw, str) else ("", "", "")
        value = ""
        if scheme == "env" and name:
            value = self.env.get(name, "").strip()
            if not value:
                self.problem(keys, f"the environment variable {name} is not set")
        elif scheme == "file" and name:
            value = self.secret_file(name, keys)
        else:
            self.problem(keys, "write env:NAME or file:PATH here; a secret itself is never written in settings")
        if value.startswith("{"):
            value = _one_line(value)
        if not sendable(value):
            self.problem(keys, f"{scheme}:{name} holds characters that no header can carry")
        return Secret(value, source=f"{scheme}:{name}")

    def secret_file(self, name: str, keys: tuple[str, ...]) -> str:
        path = self.folder / Path(name).expanduser()
        try:
            with path.open("rb") as file:
                text = file.read(MAX_SECRET_FILE + 1)
            value = text.decode().strip()
        except OSError as error:
            self.problem(keys, f"cannot read {path}: {(error.strerror or str(error)).lower()}")
            return ""
        except UnicodeDecodeError:
            self.problem(keys, f"{path} is not text")
            return ""
        if not value or len(text) > MAX_SECRET_FILE:
            self.problem(keys, f"{path} is {'too large for a secret' if value else 'empty'}")
            return ""
        return value


def _one_line(value: str) -> str:
    """A credential that is JSON, as Google's are, without the line ends that it is laid out with."""
    try:
        return msgspec.json.format(value, indent=-1)
    except msgspec.DecodeError:
        return value


def _inner(kind: Any) -> Any:
    """The type without `| None` and `Annotated`; a union of more stays as it is."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            rest = [a for a in get_args(kind) if a is not type(None)]
            if len(rest) != 1:
                return kind
            kind = rest[0]
        else:
            return kind


def sendable(value: str) -> bool:
    """Whether a header can carry it."""
    return value.isascii() and value.isprintable()


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
