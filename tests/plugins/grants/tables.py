"""What the tests of the grants share: configurations with these tables, read."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from clawmatrix_core import Config
from clawmatrix_grants.plugin import GrantsPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_grants.api import ToolShape

__all__ = ["mistakes", "read", "warnings"]


def read(text: str) -> Config:
    """Return a configuration with the tables of the grants. Raises: ConfigError."""
    core = {"node_id": "office", "secret": "s" * 40}
    config = Config.from_mapping({**core, **tomllib.loads(text)})
    config.bind(GrantsPlugin().register_config())
    return config


def mistakes(text: str, shapes: Sequence[ToolShape] = ()) -> list[str]:
    """Return which tests of a configuration fail, and why."""
    return read(text).mistakes_beside(_giving(shapes))


def warnings(text: str, shapes: Sequence[ToolShape] = ()) -> list[str]:
    """Return what is warned of in a configuration."""
    return read(text).warnings_beside(_giving(shapes))


def _giving(shapes: Sequence[ToolShape]) -> Any:
    def registered(spec: object, kind: type) -> Sequence[ToolShape]:
        return shapes

    return registered
