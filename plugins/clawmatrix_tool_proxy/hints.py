"""What ``[tool-proxy]`` allows and probably does not mean, for ``config check`` and the doctor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio

from clawmatrix_grants.api import ToolShape
from clawmatrix_grants.hookspecs import register_tool_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core import Beside
    from clawmatrix_tool_proxy.config import ToolProxyConfig

__all__ = ["warn_of_tools"]


def warn_of_tools(table: ToolProxyConfig, beside: Beside) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield names that no tool has, and roots that no command may use."""
    shapes = beside(register_tool_shapes, ToolShape) or ()
    for key, patterns in (("allow", table.allow), ("deny", table.deny)):
        for name in patterns:
            if (words := _unknown(name, shapes)) is not None:
                yield (key,), words
    for root, why in _refused(beside):
        yield ("roots", root), f"no command runs with it: {why}"


def _unknown(name: str, shapes: Sequence[ToolShape]) -> str | None:
    if not shapes or "*" in name or "?" in name:
        return None
    having = [shape for shape in shapes if shape.has(name)]
    if any(shape.name != "*" for shape in having):
        return None
    import difflib  # names without mistakes do without

    near = difflib.get_close_matches(name, [shape.name for shape in shapes], n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    if having:  # a plugin from elsewhere may have it
        return f'"{name}" is no tool that is known before the node runs{hint}'
    return f'no plugin in use has a tool "{name}"{hint}'


def _refused(beside: Beside) -> list[tuple[str, str]]:
    """Return the roots that no command may use; the doctor, in its loop, says it by itself."""
    from clawmatrix_tool_proxy.command_service import roots_without_commands

    if _in_a_loop():
        return []
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(anyio.run, roots_without_commands, beside.config).result()


def _in_a_loop() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True
