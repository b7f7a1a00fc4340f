"""Calls of hooks by their owners: what is wrong with one is an error of the caller.

It is told before any implementation runs: no plugin that implements the hook is to blame for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.loading.manager import Implementation
    from clawmatrix_core.loading.specs import HookSpecs

__all__ = ["Taker", "arguments_of", "taker"]

Taker: TypeAlias = tuple[str, Callable[..., object]]
"""A plugin, and what it takes frames with, called with the node and the frame."""


def arguments_of(
    specs: HookSpecs,
    verb: str,
    spec: Callable[..., object],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> dict[str, Any]:
    """Return the arguments of a call of a hook, by name.

    Raises: LocalProtocolError, where no plugin specifies the hook, or it is called in another way.
        TypeError, where an argument is missing or there is one too many.
    """
    name = getattr(spec, "__name__", repr(spec))
    known = specs.get(name)
    if known is None:
        raise LocalProtocolError(
            f"no plugin that is loaded specifies the hook {name}: its owner has to be among the"
            " plugins of the node"
        )
    if known.function != spec:
        raise LocalProtocolError(
            f"the hook {name} belongs to {known.owner}, which specifies it with another function"
        )
    if verb not in known.verbs:
        raise LocalProtocolError(
            f"the hook {name} is called with {known.verbs[0]}, not with {verb}"
        )
    return _signature(spec).bind(*args, **kwargs).arguments


@cache
def _signature(spec: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(spec)


def taker(impl: Implementation, second: str) -> Taker:
    """Return what one hook is called with, for each frame: the node, and what is ``second``.

    Most implementations want both, in this order, and are called without anything in between.
    """
    function, wanted = impl.function, tuple(impl.argnames)
    if wanted == ("node", second):
        return impl.plugin_name, function
    places = [("node", second).index(name) for name in wanted]
    return impl.plugin_name, lambda *both: function(*[both[place] for place in places])
