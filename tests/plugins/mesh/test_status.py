"""The lines about the mesh in the status for people."""

from __future__ import annotations

from typing import Any

from clawmatrix_mesh.status import mesh_lines

NOW = 1_760_000_000.0
NOTHING: dict[str, Any] = {
    "revoked": [],
    "waiting": [],
    "dialling": [],
    "refused": [],
    "keyRefused": [],
    "flapping": [],
    "lost": [],
}


def test_nodes_that_were_put_out_are_named() -> None:
    gone = {"nodeId": "old", "by": "home", "at": (NOW - 310) * 1000, "revoked": True}
    back = {**gone, "nodeId": "lab", "revoked": False}
    lost = {**gone, "nodeId": "laptop", "reason": "left in a train"}
    assert mesh_lines({**NOTHING, "revoked": [gone, back, lost]}, NOW) == [
        "old was revoked by home 5 min ago",
        "laptop was revoked by home 5 min ago: left in a train",
    ]


def test_a_few_of_the_revocations_that_wait_are_named() -> None:
    one = {"nodeId": "lab", "called": "lab", "known": True, "by": "home", "at": (NOW - 310) * 1000}
    waiting = [{**one, "reason": "", "revoked": revoked} for revoked in (True, False)]
    assert mesh_lines({**NOTHING, "waiting": waiting}, NOW) == [
        "lab was revoked by home 5 min ago: it waits",
        "lab was let in again by home 5 min ago: it waits",
        "clawmatrix revocations list",
    ]
    lines = mesh_lines({**NOTHING, "waiting": waiting * 4}, NOW)
    assert lines[3:] == ["5 more wait: clawmatrix revocations list"]
