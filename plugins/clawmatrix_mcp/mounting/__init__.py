"""MCP servers whose tools become tools of this node.

Start with ``mounts``: the servers of the configuration, each run by a ``mounted``. ``config`` is
one server's table, ``definitions`` makes of what a server says of its tools what this node says of
them, and ``tools`` runs a call. ``connection`` is the SDK's client over the streams of ``stdio`` or
``http``; the two and ``metering`` hold a server to what it may send. These import the SDK, so they
are imported in a worker thread when the first server starts.
"""
