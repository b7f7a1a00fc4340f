"""The configuration of a node under test, which remembers what the node was told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clawmatrix_core.config.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ToldConfig", "toml_text"]


class ToldConfig(Config):
    """A configuration from code that can be changed, and written as a file.

    Attributes:
        told: the keys and tables it was made of.
    """

    def __init__(self, raw: Mapping[str, object], *rest: Any) -> None:
        super().__init__(raw, *rest)
        self.told = dict(raw)

    def with_changes(self, changes: Mapping[str, object]) -> Config:
        """Return the configuration with other keys; the keys of a table go into that table.

        A key whose new value is None is left out.
        """
        told = {**self.told}
        for key, value in changes.items():
            old = told.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                told[key] = _without_none({**old, **value})
            else:
                told[key] = value
        return ToldConfig.from_mapping(_without_none(told))


def _without_none(table: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in table.items() if value is not None}


def toml_text(table: Mapping[str, object]) -> str:
    """Return a configuration as TOML. Raises: TypeError, for a value that TOML does not have."""
    return "".join(
        f"{json.dumps(key)} = {_toml(value)}\n" for key, value in table.items() if value is not None
    )


def _toml(value: object) -> str:
    match value:
        case dict():
            inner = [f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None]
            return f"{{{', '.join(inner)}}}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool() | int() | float():
            return json.dumps(value)
    raise TypeError(f"{value!r} cannot be written as TOML")
