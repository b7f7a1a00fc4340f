"""Connections over stream sockets: what a transport over TCP or Unix sockets has in common.

Start with ``connection``, which carries messages over a connected socket. ``listener`` accepts
at a bound one, and ``framing`` is the bytes between the two ends.
"""
