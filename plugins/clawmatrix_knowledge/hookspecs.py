"""Hooks of this plugin: what others are told, and asked, of workspaces.

The functions here are specifications: pluggy reads their names and parameters, and nothing ever
calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

hookspec = pluggy.HookspecMarker("clawmatrix")

__all__: list[str] = []
