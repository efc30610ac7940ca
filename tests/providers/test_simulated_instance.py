"""Instances of JSON schemas: small, and valid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.providers.simulated.dice import Dice
from freehold.providers.simulated.instance import DEEP, instance

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "left", "children"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "simulated"),
        ({"type": "string", "maxLength": 3}, "sim"),
        ({"type": "string", "minLength": 12}, "simulatedxxx"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "minimum": 2.5}, 2.5),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.5}, 1 + 2.0**-10),
        ({"type": ["null", "integer"]}, 1),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"enum": ["only"]}, "only"),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]}, 3),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, "a"),
        ({"type": "array"}, ["simulated"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}, [1, True]),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]},
            {"b": "simulated"},
        ),
        ({"type": "object", "required": ["x"]}, {"x": "simulated"}),
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            {"a": 1, "b": 2},
        ),
        ({"$defs": {"a/b": {"const": 1}}, "$ref": "#/$defs/a~1b"}, 1),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, None),
        ({"type": "object", "properties": {"self": {"$ref": "#"}}}, None),
        (True, None),
    ],
)
def test_an_instance_fits_its_schema(schema: Any, value: Any) -> None:
    made = instance(schema, Dice(0))

    if value is None and isinstance(schema, dict) and "properties" in schema:  # contains itself: ends when deep
        for _ in range(DEEP):
            made = made["self"]
        assert made == {}
    else:
        assert (made, type(made)) == (value, type(value))


def test_a_schema_that_contains_itself_ends() -> None:
    made = instance(TREE, Dice(0))

    depth = 0
    while made["left"] is not None:
        assert set(made) == {"name", "left", "children"}
        made, depth = made["left"], depth + 1
    assert 1 <= depth <= DEEP


def test_members_of_an_enum_are_all_chosen_sooner_or_later() -> None:
    schema = {"enum": ["a", "b", "c"]}

    assert {instance(schema, Dice(n)) for n in range(50)} == {"a", "b", "c"}
    assert instance(schema, Dice(1)) == instance(schema, Dice(1))


@given(low=st.integers(-1000, 1000), span=st.integers(0, 1000), step=st.integers(1, 50))
def test_an_integer_is_within_its_limits(low: int, span: int, step: int) -> None:
    high = low + span

    value = instance({"type": "integer", "minimum": low, "maximum": high}, Dice(0))
    assert low <= value <= high

    stepped = instance({"type": "integer", "minimum": low, "maximum": high, "multipleOf": step}, Dice(0))
    assert stepped % step == 0
    assert low <= stepped <= high or not any(n % step == 0 for n in range(low, high + 1))


@given(
    st.recursive(
        st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda t: {"type": t}),
        lambda inner: (
            st.dictionaries(st.text(max_size=5), inner, max_size=4).map(
                lambda p: {"type": "object", "properties": p, "required": list(p), "additionalProperties": False}
            )
            | inner.map(lambda i: {"type": "array", "items": i, "minItems": 1})
        ),
        max_leaves=20,
    )
)
def test_every_part_of_a_nested_instance_has_its_type(schema: dict[str, Any]) -> None:
    kinds = {"string": str, "integer": int, "number": int | float, "boolean": bool, "null": type(None)}

    def check(schema: dict[str, Any], value: Any) -> None:
        if schema["type"] == "object":
            assert value.keys() == schema["properties"].keys()
            for name, inner in schema["properties"].items():
                check(inner, value[name])
        elif schema["type"] == "array":
            assert len(value) == 1
            check(schema["items"], value[0])
        else:
            assert isinstance(value, kinds[schema["type"]])

    check(schema, instance(schema, Dice(0)))
