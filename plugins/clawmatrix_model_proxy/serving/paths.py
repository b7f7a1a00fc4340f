"""Paths behind the base URL of an upstream, with the model's name in them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream

__all__ = ["name_there", "path_there"]


def path_there(model: ModelUpstream, path: str) -> str:
    """Return a path of an API as a model's upstream has it."""
    named = quote(name_there(model, path), safe="/:@") if "{model}" in path else ""
    return path.replace("{model}", named)


def name_there(model: ModelUpstream, path: str) -> str:
    """Return the upstream's name of a model, as it fits into a path.

    What stands before ``{model}`` in the path is not repeated: Google writes its names with
    ``models/`` in front.
    """
    before, found, _ = path.partition("{model}")
    return model.name_there.removeprefix(before) if found else model.name_there
