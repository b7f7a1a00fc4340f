"""What it means that something answers a dial with a status of HTTP in place of a WebSocket.

Mostly that is a reverse proxy in front of the node, whose settings are not right yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import shown_address

if TYPE_CHECKING:
    from websockets.http11 import Response

__all__ = ["explain_proxy_status", "explain_status"]

_UPGRADE = (
    "no_upgrade",
    "it got no request for a WebSocket: a reverse proxy has to pass on the headers Upgrade and"
    " Connection",
)
_BEHIND = "a reverse proxy there does not reach the node behind it: is the node up, and is its"

_SAID: dict[int, tuple[str, str]] = {
    400: (_UPGRADE[0], f"{_UPGRADE[1]}; a server for TLS says so too where ws:// is dialled"),
    401: (
        "wants_password",
        "a reverse proxy there wants a user and a password: write wss://USER:PASSWORD@HOST, or"
        " have it ask none for this path",
    ),
    403: ("forbidden", "a reverse proxy or firewall there does not let this node in"),
    404: (
        "no_such_path",
        "it has no node at this path: the address and the reverse proxy have to name the same one",
    ),
    426: _UPGRADE,
    429: ("throttled", "a reverse proxy there takes no more connections from here for now"),
    502: ("bad_gateway", f"{_BEHIND} address right in the proxy?"),
    503: (
        "unavailable",
        "the node stops or starts, or a reverse proxy there has no node that it may pass to",
    ),
    504: ("bad_gateway", f"{_BEHIND} address right in the proxy?"),
    505: (
        "old_http",
        "a reverse proxy passes the request on as HTTP/1.0: it has to use HTTP/1.1 (nginx:"
        " proxy_http_version 1.1)",
    ),
    521: ("bad_gateway", f"{_BEHIND} port open to the proxy?"),
    522: ("bad_gateway", f"{_BEHIND} port open to the proxy?"),
    523: ("bad_gateway", f"{_BEHIND} address right in the proxy?"),
    525: ("gateway_tls", "the reverse proxy and the node behind it agree on no TLS"),
    526: ("gateway_tls", "the reverse proxy does not trust the certificate of the node behind it"),
}

_PROXY_SAID: dict[int, tuple[str, str]] = {
    403: ("proxy", "it does not let this address or port through"),
    405: ("proxy", "it takes no CONNECT: it is no HTTP proxy, or is not allowed to be one"),
    407: (
        "proxy",
        "it wants a user and a password: http://USER:PASSWORD@HOST:PORT in [mesh] proxy",
    ),
    502: ("proxy_target", "it does not reach that address (is a node listening there?)"),
    503: ("proxy_target", "it does not reach that address (is a node listening there?)"),
    504: ("proxy_target", "it gets no answer from that address"),
}

_LOCATION_LENGTH = 200


def explain_status(response: Response, target: str) -> tuple[str, str]:
    """Return a short word for an answer that opens no WebSocket, and a sentence about it."""
    status = response.status_code
    answers = f"{target} answers HTTP {status}"
    if status in (301, 302, 303, 307, 308):
        where = _location(response)
        text = f"it sends everybody on to {where or 'another address'}: dial that one"
        return "redirected", f"{answers}: {text}"
    reason, text = _SAID.get(status, ("", ""))
    if reason:
        return reason, f"{answers}: {text}"
    return "not_a_node", f"{target} is not a ClawMatrix node: it answers HTTP {status}"


def explain_proxy_status(status: int, target: str) -> tuple[str, str]:
    """Return the same for what a proxy answers that is to connect to the target."""
    reason, text = _PROXY_SAID.get(status, ("proxy", ""))
    said = f"the proxy does not connect to {target}: it answers HTTP {status}"
    return reason, f"{said}: {text}" if text else said


def _location(response: Response) -> str:
    """Return where a redirect leads, as an address of a node; the other end wrote that text."""
    places = response.headers.get_all("Location")
    place = places[0] if len(places) == 1 else ""
    if len(place) > _LOCATION_LENGTH or not place.isprintable() or " " in place:
        return ""
    for scheme, ours in (("https://", "wss://"), ("http://", "ws://")):
        if place.lower().startswith(scheme):
            return shown_address(ours + place[len(scheme) :].partition("?")[0])
    return place.partition("?")[0] if place.startswith("/") else ""
