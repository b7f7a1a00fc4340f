"""Schemas of tools whose outermost level is an object's, for APIs that take nothing else there."""

from __future__ import annotations

from typing import Any

__all__ = ["plain_schema"]

Schema = dict[str, Any]

_BRANCHES = ("anyOf", "oneOf", "allOf")
_DEFINED = "#/"
_STEPS = 8
"""Steps in which what is referred to is looked for."""


def plain_schema(schema: Schema) -> Schema:
    """Return a schema whose outermost level names its properties itself.

    What branches have is put together: all their properties, and as required what is so in each
    of them. That allows whatever the branches allow, and more.
    """
    schema = _resolved(schema, schema)
    if not any(isinstance(schema.get(name), list) for name in _BRANCHES):
        return schema
    found = {name: value for name, value in schema.items() if name not in _BRANCHES}
    properties: Schema = {}
    required = _texts(found.get("required"))
    for name in _BRANCHES:
        branches = _branches(schema, name)
        for one in branches:
            properties.update(_object(one.get("properties")))
        required += _wanted([_texts(one.get("required")) for one in branches], name)
    found["properties"] = {**properties, **_object(found.get("properties"))}
    if required:
        found["required"] = list(dict.fromkeys(required))
    return found


def _branches(schema: Schema, name: str) -> list[Schema]:
    branches = schema.get(name)
    found = branches if isinstance(branches, list) else ()
    return [plain_schema(_resolved(one, schema)) for one in found if isinstance(one, dict)]


def _wanted(wanted: list[list[str]], name: str) -> list[str]:
    """Return what is required: of all branches together, or of each of them."""
    flat = [one for names in wanted for one in names]
    if name == "allOf":
        return flat
    everywhere = set(flat).intersection(*wanted)
    return [one for one in flat if one in everywhere]


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _object(value: object) -> Schema:
    return value if isinstance(value, dict) else {}


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """Return a schema with what its ``$ref`` into the whole stands for; one to nothing is left out.

    What is referred to may refer again, a few times.
    """
    for _ in range(_STEPS):
        where = schema.get("$ref")
        if where is None:
            break
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**_object(_found(whole, where)), **rest}
    return {name: value for name, value in schema.items() if name != "$ref"}


def _found(whole: Schema, where: object) -> object:
    found: object = whole
    steps = where.removeprefix(_DEFINED).split("/") if isinstance(where, str) else [""]
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found
