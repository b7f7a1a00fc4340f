"""What status says, from values."""

from __future__ import annotations

from typing import Any

from clawmatrix_control.status import NodeFacts, offered, peer_json, status_json
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.loading.plugin_info import PluginInfo
from clawmatrix_core.members.directory import NodeRecord, Peer, SignedRecord
from clawmatrix_core.wire.routes import PathStatus


def record(name: str, **fields: Any) -> NodeRecord:
    return NodeRecord(NodeId(name), "", "", 1, 1, "i", **fields)


def peer(name: str, **fields: Any) -> Peer:
    return Peer(record(name, **fields), SignedRecord("", ""), 0.0)


FACTS = NodeFacts("office", "0.1.0", 12.345, ("lab", "home"), {"b": 2, "a": 1}, ())


def test_a_peer_that_is_reached_directly() -> None:
    offers = {"models": [{"id": "qwen3"}, {"id": "llama"}], "agents": [{"id": "main"}]}
    home = peer("home", offers=offers, tags=("gpu",), version="0.2.0", protocol=(1, 2))
    path = PathStatus("direct", None, 12.3456, 1760000000.5, 0.25)
    assert peer_json(home, path, "hearsay") == {
        "nodeId": "home",
        "agents": ["main"],
        "models": ["qwen3", "llama"],
        "tags": ["gpu"],
        "known": "hearsay",
        "connected": True,
        "status": "direct",
        "reachableVia": None,
        "latencyMs": 12.3,
        "lastSeen": 1760000000500,
        "reason": None,
        "evidenceAgeMs": 250,
        "version": "0.2.0",
        "protocol": [1, 2],
    }


def test_a_peer_behind_a_relay_is_connected() -> None:
    entry = peer_json(peer("lab"), PathStatus("relay", NodeId("hub"), 48.0), "linked")
    assert (entry["connected"], entry["status"], entry["reachableVia"]) == (True, "relay", "hub")


def test_a_peer_out_of_reach_says_why() -> None:
    entry = peer_json(peer("old"), PathStatus("unreachable", reason="no route"), "linked")
    assert (entry["connected"], entry["reason"]) == (False, "no route")
    for unknown in ("latencyMs", "lastSeen", "evidenceAgeMs", "version"):
        assert entry[unknown] is None


def test_only_ids_are_shown_and_each_once() -> None:
    entries: list[dict[str, Any]] = [{"id": "b"}, {"id": "a"}, {"id": "b"}, {"id": 3}, {}]
    assert offered(record("x", offers={"models": entries}), "models") == ["b", "a"]
    assert offered(record("x"), "models") == []
    assert offered(None, "models") == []


def test_the_status_has_the_node_its_peers_and_the_sections() -> None:
    own = record("office", offers={"models": [{"id": "m"}]})
    status = status_json(FACTS, own, ("gpu",), [{"nodeId": "home"}], {"mesh": {"x": 1}})
    assert status == {
        "nodeId": "office",
        "version": "0.1.0",
        "agents": [],
        "models": ["m"],
        "tags": ["gpu"],
        "peers": [{"nodeId": "home"}],
        "node": {
            "uptime": 12.3,
            "protocol": [1, 1],
            "links": ["home", "lab"],
            "exchanges": 0,
            "refused": {"a": 1, "b": 2},
            "faults": {},
            "failed": {},
        },
        "mesh": {"x": 1},
    }


def test_plugins_with_faults_are_named() -> None:
    plugins = (
        PluginInfo("mesh", state="active"),
        PluginInfo("http", state="active", faults=3),
        PluginInfo("own", state="failed", reason="did not start", faults=1),
    )
    facts = NodeFacts("office", "0.1.0", 0.0, (), {}, plugins)
    node = status_json(facts, None, (), [], {})["node"]
    assert node["faults"] == {"http": 3, "own": 1}
    assert node["failed"] == {"own": "did not start"}
    assert node["protocol"] is None


def test_a_section_cannot_replace_what_is_there() -> None:
    status = status_json(FACTS, None, (), [], {"nodeId": "forged", "peers": 1, "mesh": 2})
    assert (status["nodeId"], status["peers"], status["mesh"]) == ("office", [], 2)
