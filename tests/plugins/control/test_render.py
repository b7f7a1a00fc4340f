"""The status for people, as text."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_control.render import (
    Style,
    ping_text,
    render_peers,
    render_status,
    use_colour,
)

NOW = 1_760_000_000.0
PLAIN, COLOUR = Style(), Style(colour=True)


def entry(name: str, status: str = "direct", **fields: Any) -> dict[str, Any]:
    return {
        "nodeId": name,
        "tags": [],
        "offers": {},
        "connected": status != "unreachable",
        "status": status,
        "reachableVia": None,
        "latencyMs": None,
        "lastSeen": None,
        "reason": None,
        **fields,
    }


OFFERS = {"agents": ["main"], "models": ["qwen3"], "pigeons": []}
HOME = entry("home", latencyMs=1.26, tags=["gpu", "linux"], offers=OFFERS)
LAB = entry("laboratory", "relay", reachableVia="hub", latencyMs=148.4)
OLD = entry("old", "unreachable", reason="no route", lastSeen=(NOW - 310) * 1000)


def status_of(*peers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**entry("office"), "peers": list(peers), "lines": [], **fields}


def test_the_status_at_a_glance() -> None:
    text = render_status(
        status_of(HOME, LAB, OLD, offers={"models": ["llama"]}), style=PLAIN, now=NOW
    )
    assert text.splitlines() == [
        "office  2/3 reachable",
        "  models: llama",
        "",
        "● home        direct           1.3 ms",
        "    tags: gpu, linux",
        "    agents: main",
        "    models: qwen3",
        "● laboratory  relay via hub    148 ms",
        "● old         unreachable (no route, last seen 5 min ago)",
    ]


def test_a_node_that_knows_no_other() -> None:
    assert render_status(status_of(), style=PLAIN, now=NOW) == "office  no other node known yet"


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        ([HOME, LAB], "\x1b[32m2/2 reachable\x1b[0m"),
        ([HOME, OLD], "\x1b[33m1/2 reachable\x1b[0m"),
        ([OLD], "\x1b[31m0/1 reachable\x1b[0m"),
    ],
)
def test_the_count_is_green_yellow_or_red(peers: list[dict[str, Any]], expected: str) -> None:
    first = render_status(status_of(*peers), style=COLOUR, now=NOW).splitlines()[0]
    assert first == f"\x1b[1moffice\x1b[0m  {expected}"


def test_the_dots_are_green_yellow_and_red() -> None:
    lines = render_peers([entry("a"), LAB, OLD], style=COLOUR, now=NOW).splitlines()
    assert [line[:5] for line in lines] == ["\x1b[32m", "\x1b[33m", "\x1b[31m"]


def test_a_name_that_is_known_by_hearsay_is_marked() -> None:
    peers = [entry("a", known="hearsay", latencyMs=1.0), entry("b", known="linked")]
    assert render_peers(peers, style=PLAIN, now=NOW).splitlines() == [
        "● a  direct    1.0 ms  (known by hearsay)",
        "● b  direct",
    ]


def test_a_path_without_a_measured_latency_has_none() -> None:
    assert render_peers([entry("a")], style=PLAIN, now=NOW) == "● a  direct"


def test_a_peer_that_was_never_seen() -> None:
    text = render_peers([entry("a", "unreachable")], style=PLAIN, now=NOW)
    assert text == "● a  unreachable (never seen)"


def test_broken_plugins_are_shown() -> None:
    node = {"failed": {"http": "did not start"}, "faults": {"http": 1, "mesh": 2}}
    lines = render_status(status_of(node=node), style=PLAIN, now=NOW).splitlines()
    assert lines[1] == "  plugin http failed: did not start; plugin mesh: 2 faults"


def test_what_peers_say_cannot_steer_the_terminal() -> None:
    evil = "\x1b]0;x\x07\n"
    offers = {"tags": [evil], evil: [evil]}
    peer = entry(evil, "unreachable", tags=[evil], offers=offers, reason=evil)
    relayed = entry("b", "relay", reachableVia=evil)
    lines = [{"text": evil, "colour": evil}]
    text = render_status(status_of(peer, relayed, lines=lines), style=PLAIN, now=NOW)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 8


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"ok": True, "status": "direct", "reachableVia": None, "ms": 1.5}, "direct in 1.5 ms"),
        ({"ok": True, "status": "relay", "reachableVia": "hub", "ms": 40.0}, "via hub in 40 ms"),
        ({"ok": True, "status": "self", "reachableVia": None, "ms": 0.123}, "this node in 0.12 ms"),
        ({"ok": False, "error": "no answer within 5 s"}, "no answer within 5 s"),
    ],
)
def test_a_ping_is_a_line(item: dict[str, Any], expected: str) -> None:
    assert ping_text({"nodeId": "lab", "n": 3, **item}) == f"lab: {expected} (ping 3)"


@pytest.mark.parametrize(
    ("is_terminal", "environ", "expected"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    is_terminal: bool, environ: dict[str, str], expected: bool
) -> None:
    assert use_colour(is_terminal=is_terminal, environ=environ) is expected


def test_lines_of_sections_have_their_colour_on_a_terminal() -> None:
    lines = [{"text": "old was revoked", "colour": "yellow"}, {"text": "7 owls", "colour": None}]
    plain = render_status(status_of(lines=lines), style=PLAIN, now=NOW).splitlines()
    assert plain[1:] == ["  old was revoked", "  7 owls"]
    coloured = render_status(status_of(lines=lines), style=COLOUR, now=NOW).splitlines()
    assert coloured[1:] == ["\x1b[33m  old was revoked\x1b[0m", "  7 owls"]
