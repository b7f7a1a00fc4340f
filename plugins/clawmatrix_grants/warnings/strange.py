"""Rules about tools that no plugin has, and about arguments that a tool does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_grants.warnings.entries import entries_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from clawmatrix_grants.config import GrantsConfig
    from clawmatrix_grants.tool_shapes import ToolShape
    from clawmatrix_grants.warnings.entries import Entry, Warned

__all__ = ["warn_of_strange"]


def warn_of_strange(
    config: GrantsConfig, shapes: Sequence[ToolShape], now: float
) -> Iterator[Warned]:
    """Yield names and arguments that no tool has; nothing where no plugin tells of any tool."""
    if not shapes:
        return
    for entry in entries_of(config, now):
        if entry.kind != "tools":
            continue
        meant = [(pattern, _meant(entry, pattern, shapes)) for pattern in entry.patterns]
        for pattern, tools in meant:
            if not tools:
                words = f'no plugin in use has a tool "{pattern}"'
                yield entry.path, words + _suggestion(pattern, [one.name for one in shapes])
            elif _is_unknown(pattern, tools):
                words = f'"{pattern}" is no tool that is known before the node runs'
                yield entry.path, words + _suggestion(pattern, [one.name for one in shapes])
        yield from _arguments(entry, [tool for _, tools in meant for tool in tools])


def _is_unknown(name: str, meant: Sequence[ToolShape]) -> bool:
    """Say whether it is known of no tool that it has this name, though any tool may have it."""
    return "*" not in name and all(shape.name == "*" for shape in meant)


def _meant(entry: Entry, pattern: str, shapes: Sequence[ToolShape]) -> list[ToolShape]:
    glob = entry.glob(pattern)
    if glob.fixed is not None:
        return [shape for shape in shapes if shape.has(glob.fixed)]
    return [shape for shape in shapes if shape.name.endswith("*") or glob.matches(shape.name)]


def _arguments(entry: Entry, tools: Sequence[ToolShape]) -> Iterator[Warned]:
    """Yield the arguments that no tool takes, or that not every tool takes which is denied."""
    told = [(tool.name, tool.arguments) for tool in tools if tool.arguments is not None]
    known = {argument for _, arguments in told for argument in arguments}
    for name in entry.when if told else ():
        without = [tool for tool, arguments in told if name not in arguments]
        if len(without) == len(tools):
            yield (*entry.path, "when", name), "no such argument" + _suggestion(name, known)
        elif without and entry.effect == "deny":
            words = f"{', '.join(without)} does not take it, and is denied whatever the arguments"
            yield (*entry.path, "when", name), words


def _suggestion(name: str, known: Collection[str]) -> str:
    import difflib  # rules without mistakes do without

    near = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
