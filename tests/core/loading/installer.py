"""Distributions with plugins, put where this process finds them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from clawmatrix_core.kernel.registry import PluginRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.loading.plugin_info import PluginInfo

GOOD = """
from clawmatrix_core.hookspecs import hookimpl

class Plugin:
    @hookimpl
    async def node_started(self, node): ...

    @hookimpl
    def frame_received(self, frame): ...
"""


class Installer:
    """Puts distributions with plugins where this process finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def module(self, name: str) -> str:
        return f"{self.folder.name}_{name}"  # a module of its own for each test

    def __call__(
        self,
        name: str,
        source: str | None = GOOD,
        *,
        distribution: str | None = None,
        value: str | None = None,
        requires: tuple[str, ...] = (),
        specs: str | None = None,
    ) -> None:
        """Install a distribution.

        Args:
            name: the name of its plugin.
            source: the module of the plugin, None where there is none.
            distribution: its name.
            value: what the entry point names; a class ``Plugin`` of the module otherwise.
            requires: the requirements in its metadata.
            specs: a module of hook specifications, which the plugin owns.
        """
        module = self.module(name)
        if source is not None:
            (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        title = distribution or f"clawmatrix-{name}"
        info = self.folder / f"{title.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {title}", "Version: 1.2"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        points = f"[clawmatrix.plugins]\n{name} = {value or module + ':Plugin'}\n"
        if specs is not None:
            module = f"{module}_{info.stem.partition('-')[0]}_specs"
            (self.folder / f"{module}.py").write_text(textwrap.dedent(specs))
            points += f"[clawmatrix.hookspecs]\n{name} = {module}\n"
        (info / "entry_points.txt").write_text(points)


def load(*chosen: object, disabled: tuple[str, ...] = ()) -> PluginRegistry:
    registry = PluginRegistry()
    registry.load(list(chosen), disabled)
    return registry


def the(name: str, *, disabled: tuple[str, ...] = ()) -> PluginInfo:
    info = load(name, disabled=disabled).get(name)
    assert info is not None
    return info
