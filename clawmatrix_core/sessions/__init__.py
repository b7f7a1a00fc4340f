"""The keys that two nodes agree on, and how bodies are sealed under them.

Start with ``sessions``: which keys a body is sealed under, those of links too, and when they are
replaced (``rekeying``). ``negotiation`` opens a session, ``doorkeeper`` bounds how many one node
may open, ``noise`` is the handshake, ``session`` seals and opens. ``keyring`` has the secrets of
the mesh.
"""
