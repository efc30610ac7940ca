"""JSON schemas for Gemini: in its subset of OpenAPI, in what it takes of JSON Schema, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.dialects.gemini_generate.openapi import json_schema
from freehold.dialects.gemini_generate.schemas import subset, tidied

PERSON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"Address": {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}}},
    "properties": {
        "name": {"type": "string", "description": "who"},
        "age": {"type": ["integer", "null"], "minimum": 0},
        "home": {"$ref": "#/$defs/Address", "description": "where"},
        "kind": {"const": "person"},
        "mail": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def test_the_subset_says_the_same_in_its_words_and_names_what_it_cannot_say() -> None:
    written, lost = subset(PERSON)

    assert written == {
        "type": "OBJECT",
        "properties": {
            "name": {"type": "STRING", "description": "who"},
            "age": {"type": "INTEGER", "nullable": True, "minimum": 0},
            "home": {
                "type": "OBJECT",
                "properties": {"city": {"type": "STRING", "minLength": 1}},
                "description": "where",
            },
            "kind": {"type": "STRING", "enum": ["person"]},
            "mail": {"type": "STRING", "nullable": True, "description": "(format: email)"},
            "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["a", "b"]}, "minItems": 1},
        },
        "required": ["name"],
    }
    assert lost == ["additionalProperties"]
    types = pytest.importorskip("google.genai.types")
    types.Schema.model_validate(written)


def test_json_schema_stays_as_it_is_but_for_words_that_gemini_does_not_know() -> None:
    written, lost = tidied({**PERSON, "uniqueItems": True, "not": {"type": "string"}, "examples": [1]})

    assert lost == ["uniqueItems", "not"]
    assert written["additionalProperties"] is False
    assert written["$defs"] == PERSON["$defs"]
    assert written["properties"]["home"] == PERSON["properties"]["home"]
    assert written["properties"]["kind"] == {"enum": ["person"]}
    assert "$schema" not in written
    assert "examples" not in written


@pytest.mark.parametrize(
    ("schema", "written", "lost"),
    [
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}, []),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}, []),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}, []),
        ({"type": "integer", "enum": [1, 2]}, {"type": "INTEGER"}, ["enum (of other values than text)"]),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}, []),
        (
            {"allOf": [{"type": "string", "title": "T"}], "description": "d"},
            {"type": "STRING", "title": "T", "description": "d"},
            [],
        ),
        ({"type": "object", "additionalProperties": True}, {"type": "OBJECT"}, []),
        ({"type": "object", "patternProperties": {"x": {}}}, {"type": "OBJECT"}, ["patternProperties"]),
        ({"$ref": "#/$defs/none"}, {}, ["$ref"]),
        ({"$ref": "https://elsewhere.example/schema"}, {}, ["$ref"]),
        ({"properties": {"a": {}}}, {"type": "OBJECT", "properties": {"a": {}}}, []),
    ],
)
def test_each_word_has_its_place_in_the_subset(
    schema: dict[str, Any], written: dict[str, Any], lost: list[str]
) -> None:
    assert subset(schema) == (written, lost)


def test_a_schema_that_holds_itself_ends_where_it_begins_again() -> None:
    node: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node"}, "value": {"type": "string"}},
    }
    written, lost = subset({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert written == {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}, "value": {"type": "STRING"}}}
    assert lost == ["$ref (recursive)"]


def test_references_that_would_grow_without_end_are_cut_off() -> None:
    """Each level holds the next one ten times: a million objects, if they were all written out."""
    levels: dict[str, Any] = {
        f"L{n}": {"type": "object", "properties": {str(i): {"$ref": f"#/$defs/L{n + 1}"} for i in range(10)}}
        for n in range(8)
    }
    written, lost = subset({"$ref": "#/$defs/L0", "$defs": {**levels, "L8": {"type": "string"}}})
    assert lost == ["$ref"]
    assert len(repr(written)) < 5_000_000


def test_the_subset_is_read_as_the_json_schema_that_it_means() -> None:
    assert json_schema(
        {
            "type": "OBJECT",
            "properties": {
                "b": {"type": "STRING", "nullable": True, "format": "enum", "enum": ["x"]},
                "a": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "1"},
                "any_of": {"any_of": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True},
            },
            "propertyOrdering": ["a", "b"],
            "example": {"b": "x"},
        }
    ) == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "any_of": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        },
        "examples": [{"b": "x"}],
    }
    assert list(json_schema({"properties": {"b": {}, "a": {}}, "property_ordering": ["a", "b"]})["properties"]) == [
        "a",
        "b",
    ]


leaves = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "number", "boolean"])}),
    st.fixed_dictionaries({"type": st.just("string"), "enum": st.lists(st.sampled_from("abc"), min_size=1)}),
    st.fixed_dictionaries({"type": st.just(["number", "null"]), "maximum": st.integers()}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("xyz"), inner, min_size=1)}
        ),
    ),
    max_leaves=8,
)


@given(schemas)
def test_what_is_written_in_the_subset_reads_as_what_it_was(schema: dict[str, Any]) -> None:
    written, lost = subset(schema)
    assert lost == []
    assert json_schema(written) == schema


WORDS = ["type", "$ref", "anyOf", "allOf", "properties", "items", "enum", "const", "required", "format", "x"]
odd = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
)


@given(odd)
def test_no_schema_however_odd_breaks_a_writer(value: Any) -> None:
    subset(value)
    tidied(value)
    json_schema(value)
