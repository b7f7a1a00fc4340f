"""How a host, or another plugin, learns where the other nodes reach this one.

Importing this module loads neither the plugin nor anything that listens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core import Node

__all__ = ["ListensForNodes", "mesh_addresses"]


class ListensForNodes(ABC):
    """What the object of a plugin is that listens for other nodes."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """The addresses that are bound now."""


def mesh_addresses(node: Node) -> tuple[str, ...]:
    """Return the URLs at which this node listens for others, with the ports that are bound.

    They are those of ``[mesh] listen`` and ``listen_url``, such as ``ws://127.0.0.1:19000``: where
    the configuration has port 0, the port that the system chose. There are none before the start
    and after the end, and where the node listens nowhere.
    """
    # mypy wants a class that can be made; this one is only compared with.
    plugin = node.plugins.find(ListensForNodes)  # type: ignore[type-abstract]
    return () if plugin is None else plugin.addresses
