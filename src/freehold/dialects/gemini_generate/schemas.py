"""JSON schemas as Gemini takes them: a subset of OpenAPI's in `parameters` and `responseSchema`, much of JSON Schema in
`parametersJsonSchema` and `responseJsonSchema` (ai.google.dev/api/caching#Schema,
ai.google.dev/gemini-api/docs/structured-output)."""

from typing import Any, cast

from freehold.dialects.openai_chat.loose import items, members

Schema = dict[str, Any]
MOST_DEPTH = 32
"""Levels to which references are followed; what lies deeper is any object."""
MOST_NODES = 10_000
"""Schemas that references may be written out to."""

KEPT = frozenset({
    "title", "description", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength",
    "minProperties", "maxProperties", "pattern", "required", "default", "example",
})  # fmt: skip
"""Words of the subset whose values are the same in JSON Schema."""
SAY_NOTHING = frozenset({
    "$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "examples", "deprecated", "readOnly", "writeOnly",
    "discriminator", "contentMediaType", "contentEncoding",
})  # fmt: skip
"""Words that bind no value."""
UNKNOWN = frozenset({
    "not", "if", "then", "else", "allOf", "patternProperties", "propertyNames", "contains", "minContains",
    "maxContains", "uniqueItems", "multipleOf", "exclusiveMinimum", "exclusiveMaximum", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "additionalItems",
})  # fmt: skip
"""Words that Gemini knows in neither form."""
FORMATS = frozenset({"date-time", "date", "time", "duration", "enum", "float", "double", "int32", "int64"})
"""Formats that Gemini knows; it refuses others in the subset."""
_NAMED = frozenset({"properties", "$defs", "definitions"})
_VALUES = frozenset({"enum", "default", "example"})


class _Writer:
    """Writes one schema. `lost` are the words that were left out."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._nodes = 0
        self.lost: dict[str, None] = {}

    # the subset

    def subset(self, value: object, depth: int = 0, following: tuple[str, ...] = ()) -> Schema:
        """A schema in the subset. `following` are the references that led here."""
        schema = members(value)
        self._nodes += 1
        if depth > MOST_DEPTH or self._nodes > MOST_NODES:
            self.lost["$ref"] = None
            return {"type": "OBJECT"}
        ref = schema.get("$ref")
        if isinstance(ref, str):
            if ref in following:
                self.lost["$ref (recursive)"] = None
                return {"type": "OBJECT"}
            beside = {name: inner for name, inner in schema.items() if name != "$ref"}
            found = {**members(self._found(ref)), **beside}
            return self.subset(found, depth + 1, (*following, ref))
        schema = self._merged(schema, following)
        taken: Schema = {}
        self._typed(schema, taken)
        for name, inner in schema.items():
            self._word(name, inner, taken, depth, following)
        variants = [one for name in ("anyOf", "oneOf") for one in items(schema.get(name))]
        if variants:
            self._variants(variants, taken, depth, following)
        return _formatted(taken, schema)

    def _found(self, ref: str) -> object:
        """What a reference within the schema points to (RFC 6901)."""
        place: object = self._root
        for step in ref.removeprefix("#").strip("/").split("/"):
            if step:
                place = members(place).get(step.replace("~1", "/").replace("~0", "~"))
        if not ref.startswith("#") or not isinstance(place, dict):
            self.lost["$ref"] = None
            return {}
        return cast("object", place)

    def _merged(self, schema: Schema, following: tuple[str, ...]) -> Schema:
        """The schema with the one that is alone in `allOf`, as generators wrap a reference."""
        inner = items(schema.get("allOf"))
        if len(inner) != 1:
            return schema
        only = members(inner[0])
        ref = only.get("$ref")
        if isinstance(ref, str):
            if ref in following:
                return {name: value for name, value in schema.items() if name != "allOf"}
            only = members(self._found(ref))
        return {**only, **{name: value for name, value in schema.items() if name != "allOf"}}

    def _typed(self, schema: Schema, taken: Schema) -> None:
        """The type; null among several is `nullable`."""
        types = [t for t in items(schema.get("type")) if isinstance(t, str)]
        if "null" in types:
            taken["nullable"] = True
        types = [t.upper() for t in types if t != "null"]
        if len(types) == 1:
            taken["type"] = types[0]
        elif types:
            taken["anyOf"] = [{"type": t} for t in types]
        elif "properties" in schema:
            taken["type"] = "OBJECT"
        elif "null" in items(schema.get("type")):
            taken["type"] = "NULL"

    def _word(self, name: str, value: Any, taken: Schema, depth: int, following: tuple[str, ...]) -> None:
        match name:
            case "properties":
                taken["properties"] = {n: self.subset(v, depth + 1, following) for n, v in members(value).items()}
            case "items" if isinstance(value, dict):
                taken["items"] = self.subset(cast("object", value), depth + 1, following)
            case "enum" | "const":
                self._enum(items(value) if name == "enum" else [value], taken)
            case "nullable" if value is True:
                taken["nullable"] = True
            case _ if name in KEPT:
                taken[name] = value
            case _ if name not in SAY_NOTHING and not _elsewhere(name, value):
                self.lost[name] = None
            case _:
                pass

    def _enum(self, values: list[Any], taken: Schema) -> None:
        """Only words can be listed here."""
        words = [value for value in values if isinstance(value, str)]
        if None in values:
            taken["nullable"] = True
        if len(words) < sum(value is not None for value in values):
            self.lost["enum (of other values than text)"] = None
            return
        if words:
            taken |= {"type": "STRING", "enum": words}

    def _variants(self, variants: list[Any], taken: Schema, depth: int, following: tuple[str, ...]) -> None:
        """Alternatives; null among them is `nullable`, and one that is left alone is no alternative."""
        real = [v for v in variants if members(v).get("type") != "null"]
        if len(real) < len(variants):
            taken["nullable"] = True
        written = [self.subset(v, depth + 1, following) for v in real]
        if len(written) == 1:
            nullable = taken.get("nullable") or written[0].get("nullable")
            taken.update({**written[0], **{n: v for n, v in taken.items() if n != "anyOf"}})
            if nullable:
                taken["nullable"] = True
        elif written:
            taken["anyOf"] = written

    # JSON Schema

    def tidied(self, value: Any, *, names: bool = False) -> Any:
        """A schema of JSON Schema without the words that Gemini does not know. `names`: its members are names."""
        if isinstance(value, list):
            return [self.tidied(one) for one in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        schema = members(cast("object", value))
        if names:
            return {name: self.tidied(inner) for name, inner in schema.items()}
        taken: Schema = {}
        for name, inner in self._merged(schema, ()).items() if "allOf" in schema else schema.items():
            if name == "const":
                taken["enum"] = [inner]
            elif name == "oneOf":
                taken["anyOf"] = [*items(taken.get("anyOf")), *(self.tidied(one) for one in items(inner))]
            elif name in UNKNOWN:
                self.lost[name] = None
            elif name not in SAY_NOTHING or name in _NAMED:
                taken[name] = inner if name in _VALUES else self.tidied(inner, names=name in _NAMED)
        return _formatted(taken, schema)


def _elsewhere(name: str, value: Any) -> bool:
    """Whether a word is read in another place, or says what holds anyhow."""
    return name in ("type", "anyOf", "oneOf", "nullable", "format") or (
        name == "additionalProperties" and value is True
    )


def _formatted(taken: Schema, schema: Schema) -> Schema:
    """The schema with its format: in words, where Gemini does not know it."""
    form = schema.get("format")
    if not isinstance(form, str):
        return taken
    if form in FORMATS:
        taken["format"] = form
    else:
        taken.pop("format", None)
        taken["description"] = f"{taken.get('description') or ''} (format: {form})".strip()
    return taken


def subset(schema: object) -> tuple[Schema, list[str]]:
    """A JSON schema in Gemini's subset of OpenAPI, and the words that were left out."""
    writer = _Writer(members(schema))
    return writer.subset(schema), list(writer.lost)


def tidied(schema: object) -> tuple[Any, list[str]]:
    """A JSON schema as Gemini takes it, and the words that were left out."""
    writer = _Writer(members(schema))
    return writer.tidied(schema), list(writer.lost)
