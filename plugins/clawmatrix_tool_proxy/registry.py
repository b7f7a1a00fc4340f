"""What the plugin gives to others: lists of tools, and a way to say that tools changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.asking.failures import ToolFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node, NodeId
    from clawmatrix_tool_proxy.catalog.entries import Catalog
    from clawmatrix_tool_proxy.pinning.pins import Pins

__all__ = ["HasTools", "list_tools", "pins_of", "tools_changed", "when_lists_change"]


class HasTools(ABC):
    """What the object of the ``tool-proxy`` plugin is."""

    @abstractmethod
    async def list_tools(self, peer: str, patience: float) -> Catalog:
        """See ``list_tools`` below."""

    @abstractmethod
    def tools_changed(self) -> None:
        """See ``tools_changed`` below."""

    @abstractmethod
    def when_lists_change(self, call: Callable[[NodeId], None]) -> Callable[[], None]:
        """See ``when_lists_change`` below."""

    @abstractmethod
    def pins(self) -> Pins:
        """See ``pins_of`` below."""


async def list_tools(node: Node, peer: str, *, patience: float = 10.0) -> Catalog:
    """Return the tools of a node that this one may call, as that node last said.

    The list is kept, and followed for five minutes after it was last asked for. It decides
    nothing: only a call does. Raises: ToolFailed, where there is none within ``patience`` seconds.
    """
    return await _plugin(node).list_tools(peer, patience)


def tools_changed(node: Node) -> None:
    """Have ``register_tools`` called again, as a plugin has other tools now.

    Raises: ToolFailed ``no_tools``, where the plugin ``tool-proxy`` does not work.
    """
    _plugin(node).tools_changed()


def when_lists_change(node: Node, call: Callable[[NodeId], None]) -> Callable[[], None]:
    """Have something called with each node whose list is new or gone; return what ends that.

    Raises: ToolFailed ``no_tools``, where the plugin ``tool-proxy`` does not work.
    """
    return _plugin(node).when_lists_change(call)


def pins_of(node: Node) -> Pins:
    """Return which definitions of tools of mounted servers and other nodes are accepted here.

    Raises: ToolFailed ``no_tools``, where the plugin ``tool-proxy`` does not work.
    """
    return _plugin(node).pins()


def _plugin(node: Node) -> HasTools:
    # mypy wants a class that can be made; this one is only compared with.
    plugin = node.plugins.find(HasTools)  # type: ignore[type-abstract]
    if plugin is None:
        words = "the plugin tool-proxy does not work on this node"
        raise ToolFailed("no_tools", words, may_have_run=False)
    return plugin
