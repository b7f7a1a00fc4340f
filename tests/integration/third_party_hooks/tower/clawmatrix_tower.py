"""A plugin that calls hooks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import clawmatrix_tower_hookspecs as hookspecs

from clawmatrix_core import ControlMethod, hookimpl

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Node


class TowerPlugin:
    """Asks the plugins that extend it, when a command says so."""

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Ring the bell."""

        async def ring(params: dict[str, JSON]) -> JSON:
            chimes = node.hooks.collect(hookspecs.register_chimes, str)
            await node.hooks.notify(hookspecs.bell_rung, hour=params["hour"])
            ringer = await node.hooks.first(hookspecs.bell_ringer)
            return {"chimes": [list(chime) for chime in chimes], "ringer": ringer}

        return [ControlMethod("tower.ring", call=ring)]
