"""MCP, both ways: servers of this machine as tools, and the mesh's tools for clients of MCP.

``plugin`` has the hooks, ``config`` the table ``[mcp]``. ``mounting`` runs the servers, whose
tools become tools of this node; ``offering`` answers MCP clients. The SDK is imported when the
first of either is wanted, in a worker thread.
"""
