"""The status for people. Values in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import ago
from clawmatrix_core.cli import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON

__all__ = [
    "Style",
    "ping_text",
    "reload_lines",
    "render_peers",
    "render_status",
    "use_colour",
]


_CODES = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}
_DOTS = {"direct": "green", "relay": "yellow", "unreachable": "red"}


@attrs.frozen
class Style:
    """How text is marked: with colour, or not at all."""

    colour: bool = False

    def paint(self, text: str, how: str) -> str:
        """Return the text in a colour, or bold or dim."""
        return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if self.colour and text else text


def use_colour(*, is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """Say whether to colour what goes to the stream."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def render_status(status: JSON, *, style: Style, now: float) -> str:
    """Return the node, how many of its peers it reaches, and a line for each.

    ``status`` is what the control method gives with ``text``; ``now`` is wall-clock seconds, for
    how long ago things were.
    """
    name = style.paint(printable(status["nodeId"]), "bold")
    lines = [f"{name}  {_reachable(status['peers'], style)}"]
    lines += _details(status, "  ", style)
    if broken := _broken(status.get("node") or {}):
        lines.append(style.paint(f"  {broken}", "red"))
    lines += [_line(line, style) for line in status["lines"]]
    if peers := render_peers(status["peers"], style=style, now=now):
        lines += ["", peers]
    return "\n".join(lines)


def render_peers(peers: Sequence[JSON], *, style: Style, now: float) -> str:
    """Return a line for each peer, and below it what it offers."""
    names = [printable(peer["nodeId"]) for peer in peers]
    paths = [_path(peer, now) for peer in peers]
    latencies = [_latency(peer["latencyMs"]) for peer in peers]
    name_width = max(map(len, names), default=0)
    path_width = max((len(p) for p, ms in zip(paths, latencies, strict=True) if ms), default=0)
    lines = []
    for peer, name, path, latency in zip(peers, names, paths, latencies, strict=True):
        dot = style.paint("●", _DOTS.get(peer["status"], "red"))
        tail = f"{path:{path_width}}  {latency:>8}" if latency else path
        if peer.get("known") == "hearsay":
            tail += f"  {style.paint('(known by hearsay)', 'yellow')}"
        lines.append(f"{dot} {style.paint(f'{name:{name_width}}', 'bold')}  {tail}")
        lines += _details(peer, "    ", style)
    return "\n".join(lines)


def ping_text(item: JSON) -> str:
    """Return the line for one ping."""
    name, n = printable(item["nodeId"]), item["n"]
    if not item["ok"]:
        return f"{name}: {printable(item['error'])} (ping {n})"
    ways = {"self": "this node", "relay": f"via {printable(item['reachableVia'] or '?')}"}
    return (
        f"{name}: {ways.get(item['status'], item['status'])} in {_latency(item['ms'])} (ping {n})"
    )


def reload_lines(answer: JSON) -> list[str]:
    """Return what a reload did, in lines."""
    reloaded, restart = answer["reloaded"], answer["restart"]
    lines = [f"reloaded: {', '.join(reloaded)}"] if reloaded else []
    lines += [f"needs a restart: {', '.join(restart)}"] if restart else []
    lines += [f"not in force: plugin {fault}" for fault in answer["faults"]]
    return lines or [f"nothing has changed in {answer['path']}"]


def _reachable(peers: Sequence[JSON], style: Style) -> str:
    if not peers:
        return "no other node known yet"
    count = sum(1 for peer in peers if peer["connected"])
    how = "green" if count == len(peers) else "yellow" if count else "red"
    return style.paint(f"{count}/{len(peers)} reachable", how)


def _path(peer: JSON, now: float) -> str:
    match peer["status"]:
        case "direct":
            return "direct"
        case "relay":
            return f"relay via {printable(peer['reachableVia'] or '?')}"
    seen = peer["lastSeen"]
    last = "never seen" if seen is None else f"last seen {ago(max(0.0, now - seen / 1000))}"
    why = printable(peer["reason"] or "")
    return f"unreachable ({', '.join(filter(None, (why, last)))})"


def _latency(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    digits = 2 if milliseconds < 1 else 1 if milliseconds < 10 else 0
    return f"{milliseconds:.{digits}f} ms"


def _details(entry: JSON, indent: str, style: Style) -> list[str]:
    lines = []
    for kind, values in (("tags", entry["tags"]), *entry["offers"].items()):
        if values:
            text = ", ".join(printable(str(value)) for value in values)
            lines.append(f"{indent}{style.paint(f'{printable(kind)}:', 'dim')} {text}")
    return lines


def _line(line: JSON, style: Style) -> str:
    """Return a line of a plugin's section."""
    text = f"  {printable(line['text'])}"
    return style.paint(text, line["colour"]) if line["colour"] in _CODES else text


def _broken(node: JSON) -> str:
    failed, faults = node.get("failed") or {}, node.get("faults") or {}
    parts = [f"plugin {name} failed: {why}" for name, why in failed.items()]
    parts += [f"plugin {name}: {n} faults" for name, n in faults.items() if name not in failed]
    return printable("; ".join(parts))
