"""Names that plugins register, compared with those that other plugins and the core have."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from clawmatrix_core import hookspecs
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.specs import CORE
from clawmatrix_core.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from clawmatrix_core.loading.specs import HookSpec

__all__ = ["built_in_schemes", "node_at_rest", "note_collisions"]

_NOBODY = {"node_id": "plugins-check", "secret": "of a node that is never started" * 2}
"""What a node is told that only lends itself to the hooks."""

_NAMED: Sequence[tuple[str, str, Callable[[Any], Iterable[str]]]] = (
    ("address scheme", hookspecs.register_transports.__name__, lambda one: one.schemes),
    ("control method", hookspecs.register_control_methods.__name__, lambda one: [one.name]),
    ("status section", hookspecs.register_status.__name__, lambda one: [one.name]),
    ("offer", hookspecs.register_offers.__name__, lambda one: [one.kind]),
)
"""What the hooks of the core register by name: what it is, the hook, the names of a value."""


def note_collisions(node: Node, commands: Collection[str]) -> None:
    """Ask all plugins of a node what they register, and note which names are taken.

    The node has not started. What is taken is in ``collisions`` of each plugin afterwards, and
    an implementation that raised is a fault of its plugin.

    Args:
        node: a node with the plugins of interest behind the built-in ones.
        commands: the commands of the core.
    """
    for plugin, command in node.plugins.commands():
        if command.name in commands:
            node.plugins.collided("command", command.name or "", CORE, plugin)
    for what, named in _registered(node):
        # Each is an object of its own, so that two equal names count as two.
        node.plugins.unique(what, [(one[0], one) for one in named], lambda one: one[1])


def node_at_rest() -> Node:
    """Return a node with the built-in plugins that is not started: it lends itself to hooks."""
    node = Node(Config.from_mapping(_NOBODY), plugins=())
    node.plugins.load(None)
    return node


def built_in_schemes() -> Collection[str]:
    """Return the address schemes that the transports of built-in plugins have."""
    node = node_at_rest()
    known = [info.name for info in node.plugins.list()]
    node.config.bind(node.plugins.config_sections(), known=known)
    transports = node.hooks.collect(hookspecs.register_transports, object)
    return [
        scheme
        for _, transport in transports
        if isinstance(transport, Transport)
        for scheme in transport.schemes
    ]


def _registered(node: Node) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    specs = {spec.name: spec for spec in node.plugins.manager.specs if spec.kind == "collect"}
    for what, hook, names_of in _NAMED:
        yield what, _own_methods(node, hook) + _names(node, specs.pop(hook).function, names_of)
    for spec in specs.values():
        if spec.owner != CORE and _takes_the_node_only(spec):
            yield f"name of {spec.name}", _names(node, spec.function, _names_of_value)


def _takes_the_node_only(spec: HookSpec) -> bool:
    """Say whether the hook can be called here: nobody knows the values of other parameters."""
    return len(inspect.signature(spec.function).parameters) == 1


def _names(
    node: Node, spec: Callable[..., Any], names_of: Callable[[Any], Iterable[str]]
) -> list[tuple[str, str]]:
    collected = [one for one in node.hooks.collect(spec, object) if _is_right(node, spec, *one)]
    # A plugin may register one name twice, as routes do for two endings of a path.
    return list(
        dict.fromkeys((plugin, name) for plugin, value in collected for name in names_of(value))
    )


def _is_right(node: Node, spec: Callable[..., Any], plugin: str, value: object) -> bool:
    """Have a value look at itself, where it can; what it raises is a fault of its plugin."""
    try:
        if callable(verify := getattr(value, "verify", None)):
            verify()
    except Exception as error:  # noqa: BLE001 - it may raise anything
        node.hooks.report(plugin, spec, error)
        return False
    return True


def _own_methods(node: Node, hook: str) -> list[tuple[str, str]]:
    """Return the control methods that a plugin has without registering them."""
    if hook != hookspecs.register_control_methods.__name__:
        return []
    return [
        (info.name, name)
        for info in node.plugins.active()
        for name in getattr(info.plugin, "own_methods", ())
    ]


def _names_of_value(value: object) -> Iterable[str]:
    """Return the names of what a hook of a plugin registers: of a route, of a model API."""
    path, methods = getattr(value, "path", None), getattr(value, "methods", None)
    if isinstance(path, str) and isinstance(methods, tuple):
        return [f"{method} {path}" for method in methods]
    name = getattr(value, "name", None)
    return [name] if isinstance(name, str) else []
