"""What to do about a link that does not come about, by the short word for why."""

from __future__ import annotations

__all__ = ["OF_MEMBERS", "RECENT", "advice_for"]

RECENT = 900.0
"""Seconds for which a refusal is worth a look."""
OF_MEMBERS = frozenset({"wrong_secret", "twin", "version", "pin_conflict", "revoked"})
"""Reasons that a member has; others are those of strangers, whom every open port gets."""

_SCHEMES = "write wss:// where the other node has tls_cert, else ws://"
_OTHER_PROGRAM = (
    "another program listens there: correct host and port in [mesh] peers, or write wss:// where"
    " it is a node with tls_cert"
)

_PAGE = "docs/reverse-proxies.md has settings that work"

_ADVICE = {
    "not_listening": "start the node there, or correct host and port in [mesh] peers",
    "name": "correct the host in [mesh] peers, or look at this machine's name server",
    "timeout": "is that machine up, and is the address right? A firewall may drop what is sent",
    "tls": _SCHEMES,
    "broken_off": _SCHEMES,
    "untrusted": "set [mesh] ca to the certificate that signed it, dial the name that stands in it,"
    " or renew it where it has expired",
    "not_a_node": _OTHER_PROGRAM,
    "bad_preamble": _OTHER_PROGRAM,
    "bad_websocket": _OTHER_PROGRAM,
    "text_message": _OTHER_PROGRAM,
    "proxy": "correct [mesh] proxy, or have the proxy let this address through",
    "proxy_down": "start the proxy, correct [mesh] proxy, or take it out: the peers are not asked",
    "proxy_package": "`pip install python-socks` into the environment of ClawMatrix",
    "proxy_target": "start the node there, or correct host and port in [mesh] peers",
    "redirected": "write the address that it names into [mesh] peers",
    "no_upgrade": f"have the reverse proxy there pass on Upgrade and Connection; {_PAGE}",
    "wants_password": "write wss://USER:PASSWORD@HOST into [mesh] peers, or have the reverse proxy"
    " ask for no password: nodes prove themselves",
    "forbidden": f"have the reverse proxy or firewall there let this machine in; {_PAGE}",
    "no_such_path": f"correct the path in [mesh] peers, or in the reverse proxy there; {_PAGE}",
    "throttled": "wait, or have the reverse proxy there limit connections less",
    "bad_gateway": f"start the node behind the reverse proxy, or correct its address; {_PAGE}",
    "unavailable": "wait; where it stays so, start the node, and ask its /healthz from the proxy",
    "old_http": f"have the reverse proxy there use HTTP/1.1; {_PAGE}",
    "gateway_tls": "give the proxy ws:// where the node has no tls_cert, else its certificate",
    "address": "correct the address in [mesh] peers",
    "wrong_secret": "give both nodes the same secret: `clawmatrix secret use` where it is wrong,"
    " then `clawmatrix reload`",
    "version": "update ClawMatrix on the older of the two machines",
    "twin": "stop one of the two, and give each node a state folder of its own: a copy of one has"
    " the same key",
    "pin_conflict": "where that node was installed again: `clawmatrix trust accept NODE"
    " FINGERPRINT` on the one that refuses; where not, somebody else uses its name",
    "key_refused": "where this node lost its state or was installed again, on the node that"
    " refuses: `clawmatrix trust accept NODE FINGERPRINT`, with the fingerprint of `clawmatrix"
    " fingerprint` here; or bring back a copy of the state folder from before",
    "revoked": "`clawmatrix revoke --undo NODE` lets it in again, if that is wanted",
    "self": "take this address out of [mesh] peers",
    "silent": "what listens there takes connections and says nothing: is it a node, does it hang?",
    "busy": "it has too many handshakes at once: wait, and look at its log",
    "handshake_lost": "look at the log of the other node, and at what is between the two",
}


def advice_for(reason: str) -> str:
    """Return what to do, in words."""
    return _ADVICE.get(reason, "look at the log of both nodes")
