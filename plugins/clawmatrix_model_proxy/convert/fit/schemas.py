"""JSON schemas of tools and of answers, with what an API wants to find in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_model_proxy.convert.fit.plain_schemas import plain_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.neutral.request import ResponseFormat, Tool
    from clawmatrix_model_proxy.neutral.rules import SchemaRules

__all__ = ["fitting_format", "fitting_tool"]

Schema = dict[str, Any]

_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Keywords whose value has schemas by their names."""
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_ALONE = frozenset({"items", "additionalProperties", "not"})
_TYPES: dict[str, type] = {**dict.fromkeys(_MAPS, dict), "required": list}
"""Keywords whose value is of one type. Some makers write ``[]`` for no properties, and ``true`` at
a property that is required, as drafts of long ago had it."""
_NO_NULL = frozenset({"type", "required", "description", "title", "enum"}) | _MAPS | _LISTS | _ALONE
"""Keywords that some makers of schemas write as ``null`` where there is nothing to say."""


def fitting_tool(tool: Tool, rules: SchemaRules) -> Tool:
    """Return a tool whose schema has what the API wants, and is called strict if it is."""
    if tool.free:
        return tool
    schema = _fitting(tool.parameters or {}, rules, closed=rules.closed and tool.strict is True)
    if rules.plain:
        schema = plain_schema(schema)
    if rules.typed and schema.get("type") != "object":
        schema = {"type": "object", **{k: v for k, v in schema.items() if k != "type"}}
    if rules.properties and not isinstance(schema.get("properties"), dict):
        schema["properties"] = {}
    return attrs.evolve(tool, parameters=schema, strict=_strict(tool.strict, schema, rules))


def fitting_format(form: ResponseFormat, rules: SchemaRules) -> ResponseFormat:
    """Return the shape of an answer, with a schema that the API takes."""
    if form.schema is None:
        return form
    schema = _fitting(form.schema, rules, closed=rules.closed)
    return attrs.evolve(form, schema=schema, strict=_strict(form.strict, schema, rules))


def _strict(strict: bool | None, schema: Schema, rules: SchemaRules) -> bool | None:
    return False if strict and rules.all_required and not _is_strict(schema) else strict


def _fitting(schema: Schema, rules: SchemaRules, *, closed: bool) -> Schema:
    """Return a schema, and all within, with what is missing there and without ``null``."""

    def fit(one: Schema) -> Schema:
        found = _changed(one, fit)
        kind = found.get("type")
        if rules.items and _is(kind, "array") and not ("items" in found or "prefixItems" in found):
            found["items"] = {}
        if closed and _is(kind, "object"):
            found.setdefault("additionalProperties", False)
        return found

    return fit(schema)


def _changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return a schema in which those one level down are changed, without what says nothing."""
    found: Schema = {}
    for name, value in schema.items():
        wanted = _TYPES.get(name)
        if (value is None and name in _NO_NULL) or (wanted and not isinstance(value, wanted)):
            continue
        if name == "items" and isinstance(value, list):
            value = {"anyOf": value} if value else {}
        if name in _MAPS:
            value = {k: change(one) if isinstance(one, dict) else one for k, one in value.items()}
        elif isinstance(value, dict) and name in _ALONE:
            value = change(value)
        elif isinstance(value, list) and name in _LISTS:
            value = [change(one) if isinstance(one, dict) else one for one in value]
        found[name] = value
    return found


def _is(said: object, kind: str) -> bool:
    return said == kind or (isinstance(said, list) and kind in said)


def _is_strict(schema: Schema) -> bool:
    """Say whether no property may be left out, and no other may be there."""
    if _is(schema.get("type"), "object"):
        there, required = schema.get("properties") or {}, schema.get("required") or []
        if schema.get("additionalProperties") is not False or {*there} - {*map(str, required)}:
            return False
    right = True

    def look(one: Schema) -> Schema:
        nonlocal right
        right = right and _is_strict(one)
        return one

    _changed(schema, look)
    return right
