"""The lines about the mesh in the status for people."""

from __future__ import annotations

from clawmatrix_mesh.status import mesh_lines

NOW = 1_760_000_000.0


def test_nodes_that_were_put_out_are_named() -> None:
    gone = {"nodeId": "old", "by": "home", "at": (NOW - 310) * 1000, "revoked": True}
    back = {**gone, "nodeId": "lab", "revoked": False}
    lost = {**gone, "nodeId": "laptop", "reason": "left in a train"}
    assert mesh_lines({"revoked": [gone, back, lost]}, NOW) == [
        "old was revoked by home 5 min ago",
        "laptop was revoked by home 5 min ago: left in a train",
    ]
