"""Annotations of implementations, compared with those of the specifications."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.annotations import misfits, misfits_of_plugin
from clawmatrix_core.loading.manager import PluginManager
from clawmatrix_core.loading.specs import HookSpec, HookSpecs

if TYPE_CHECKING:
    import collections.abc
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import click as c

    from clawmatrix_core import wire
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel import node as node_module
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.routes import PathStatus, Route


def spec(name: str) -> HookSpec:
    found = HookSpecs().get(name)
    assert found is not None
    return found


def told(function: Callable[..., Any]) -> list[str]:
    return [str(misfit) for misfit in misfits(spec(function.__name__), function)]


class Right:
    def register_commands(self) -> list[c.Command]:
        raise NotImplementedError

    def frame_received(self, node: node_module.Node, frame: wire.frames.Frame) -> bool:
        raise NotImplementedError

    def transit_received(self, node, transit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        raise NotImplementedError

    async def routes_changed(self, node: object, changed: collections.abc.Set[NodeId]) -> None:
        raise NotImplementedError

    async def path_status(self, peer: str, probe: bool | None) -> PathStatus | None:
        raise NotImplementedError

    def compute_routes(self, node: Any) -> Mapping[NodeId, Route]:
        raise NotImplementedError


@pytest.mark.parametrize("name", [name for name in vars(Right) if not name.startswith("_")])
def test_annotations_that_fit(name: str) -> None:
    assert told(getattr(Right(), name)) == []


class Wrong:
    def frame_received(self, node: Node, frame: bytes) -> str:
        raise NotImplementedError

    def register_commands(self) -> list[str]:
        raise NotImplementedError

    async def routes_changed(self, node: Node | None, changed: frozenset[int]) -> None:
        raise NotImplementedError

    async def path_status(self, peer: int, probe: str) -> PathStatus | str | None:
        raise NotImplementedError


def test_parameter_and_type_are_named() -> None:
    assert told(Wrong().frame_received) == [
        "frame_received(frame): annotated bytes, the hook gives Frame",
        "frame_received(return): annotated str, the hook wants bool | None",
    ]


def test_what_stands_in_brackets_counts() -> None:
    assert told(Wrong().register_commands) == [
        "register_commands(return): annotated list[str], the hook wants list[Command]"
    ]
    assert told(Wrong().routes_changed) == [
        "routes_changed(changed): annotated frozenset[int], the hook gives frozenset[NodeId]"
    ]


def test_each_parameter_is_looked_at() -> None:
    assert told(Wrong().path_status) == [
        "path_status(peer): annotated int, the hook gives NodeId",
        "path_status(probe): annotated str, the hook gives bool",
        "path_status(return): annotated PathStatus | str | None, the hook wants PathStatus | None",
    ]


def test_two_types_of_one_name_are_told_apart() -> None:
    class Frame: ...

    def frame_received(frame) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    frame_received.__annotations__["frame"] = Frame
    [line] = told(frame_received)
    assert "Frame, the hook gives clawmatrix_core.wire.frames.Frame" in line


def test_an_annotation_that_nobody_can_resolve_is_told_as_such() -> None:
    def frame_received(frame) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    frame_received.__annotations__["frame"] = "Frma"
    [misfit] = misfits(spec("frame_received"), frame_received)
    assert not misfit.resolved
    assert str(misfit).startswith("frame_received(frame): the annotation Frma cannot be resolved")


def test_the_implementations_of_a_plugin_are_found_by_their_hooks() -> None:
    class Plugin:
        @hookimpl(specname="frame_received")
        def take(self, frame: str) -> None: ...

        @hookimpl
        async def node_started(self) -> None: ...

    manager = PluginManager()
    manager.register(Plugin(), "dice")
    manager.register(Wrong(), "other")
    assert [str(misfit) for misfit in misfits_of_plugin(manager, "dice")] == [
        "frame_received(frame): annotated str, the hook gives Frame"
    ]


MODULE = """
    from __future__ import annotations
    import typing

    if typing.TYPE_CHECKING:
        from . import shapes
        from .shapes import Square as Box

    class Plugin:
        def frame_received(self, node: Box, frame: shapes.Square) -> None: ...
"""


def test_relative_imports_for_type_checkers_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "annotated_shapes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shapes.py").write_text("class Square: ...\n")
    (package / "plugin.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    plugin = __import__("annotated_shapes.plugin").plugin.Plugin
    assert told(plugin().frame_received) == [
        "frame_received(node): annotated Square, the hook gives Node",
        "frame_received(frame): annotated Square, the hook gives Frame",
    ]
    for name in [name for name in sys.modules if name.startswith("annotated_shapes")]:
        monkeypatch.delitem(sys.modules, name)
