"""The names of nodes."""

from __future__ import annotations

import re
from typing import NewType

__all__ = ["NAME_LIMIT", "NodeId", "is_node_id"]

NodeId = NewType("NodeId", str)

NAME_LIMIT = 64
"""Characters that the name of a node may have, and the type and the id of a frame."""

_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_node_id(text: str) -> bool:
    """Say whether a node may have this name: it is shown, logged and put into addresses."""
    return _NODE_ID.fullmatch(text) is not None and set(text) != {"."}
