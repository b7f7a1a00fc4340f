"""Connections that become links: handshakes, heartbeats, dialling, and direct paths.

Start at ``links``, which makes and wires all of it. ``acceptor`` answers and ``connector``
dials; both prove the other end (``channel``, ``handshake``), and leave the link to ``runner``.
``neighbours`` has the links there are, at most one to each node.
"""
