"""Calls of hooks by their owners: what is wrong with one is an error of the caller.

It is told before any implementation runs: no plugin that implements the hook is to blame for it.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.loading.specs import HookSpecs

__all__ = ["arguments_of"]


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
