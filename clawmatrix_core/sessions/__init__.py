"""The keys that two nodes agree on, and how bodies are sealed under them.

Start with ``sessions``: it finds the session of a body, those of links too, and ``Sessions.tick``
replaces and drops sessions. ``rekeying`` has the limits of time and volume for that, and ``table``
the choice of the session to seal under. ``negotiation`` opens a session, ``doorkeeper`` bounds how
many one node may open, ``noise`` is the handshake, ``session`` seals and opens. ``keyring`` has the
secrets of the mesh.
"""
