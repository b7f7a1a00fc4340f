"""The text of a new configuration: templates of its tables, with values put in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

__all__ = ["fill_template", "toml_key", "toml_value"]

_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


def fill_template(template: str, values: Mapping[str, object], table: str = "") -> str:
    """Return the template with values in the place of its commented lines.

    The first line ``# key = …`` becomes ``key = value``. Without such a line the value goes to
    the end, below the header of the table. A mapping becomes a table of its own at the end.
    None and empty values leave the template as it is.
    """
    text, inner = template, ""
    for key, value in values.items():
        if value is None or value in ((), [], {}):
            continue
        if isinstance(value, Mapping):
            lines = [f"{toml_key(name)} = {toml_value(one)}" for name, one in value.items()]
            inner += "\n".join(["", f"[{table}.{key}]", *lines, ""])
            continue
        line = f"{key} = {toml_value(value)}"
        commented = re.search(rf"(?m)^# {re.escape(key)} = .*$", text)
        if commented is not None:
            text = text[: commented.start()] + line + text[commented.end() :]
        else:
            text = f"{_with_header(text, table)}{line}\n"
    return text + inner


def _with_header(text: str, table: str) -> str:
    header = f"[{table}]"
    return text if not table or header in text.splitlines() else f"{text}{header}\n"


def toml_key(name: str) -> str:
    """Return the name of an option as TOML."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_value(value: object) -> str:
    """Return text, or a list of texts, as TOML. Raises: TypeError, for another kind of value."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"a template takes text and lists of text, not {value!r}")
