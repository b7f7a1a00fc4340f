"""``mesh``: WebSocket links, membership, heartbeat, reconnect."""

from clawmatrix_mesh.plugin import MeshPlugin

__all__ = ["MeshPlugin"]
