"""FastMCP's proxy before a server; run by the Python that has FastMCP: PORT COMMAND..."""

from __future__ import annotations

import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

port, command, *arguments = sys.argv[1:]
proxy = create_proxy(StdioTransport(command=command, args=arguments), name="peer")
proxy.run(transport="http", host="127.0.0.1", port=int(port), show_banner=False)
