"""Offers the tools of the mesh to MCP clients, at ``/mcp`` of the local HTTP server.

Start with ``offer``, which knows what is offered: ``seen`` says of which nodes, ``tables`` is what
it comes to. ``calls`` runs one call, with ``progress`` while it runs, and ``results`` writes what
comes of it. ``cluster`` has the tools that find and call others where there are many.
``endpoint`` is the application of HTTP, ``bodies`` looks at messages before they are decoded,
``refusing`` has its errors, ``sessions`` bounds what clients open, and ``news`` tells
clients that the list changed. ``offering`` is what the plugin has; it imports the rest on first
use, in a worker thread. ``server``, ``handlers``, ``resource_handlers`` and ``shown`` import the
SDK.
"""
