"""The texts of ``clawmatrix help TOPIC``: short answers to the first questions of newcomers."""

from __future__ import annotations

__all__ = ["TOPICS"]

TOPICS = {
    "two-machines": """\
Two machines: one that the other can reach, here relay.example.

On relay.example:
    clawmatrix init --node-id relay
    clawmatrix run
In a second shell there, while the node runs:
    clawmatrix invite --address relay.example

On the other machine; it asks for the token that `invite` printed:
    clawmatrix join --node-id office
    clawmatrix run

On either machine:
    clawmatrix status
    clawmatrix doctor
""",
    "reverse-proxy": """\
A reverse proxy: nginx, HAProxy, Caddy or Cloudflare holds the certificate.

The node listens where only the proxy reaches it. In its configuration:
    [mesh]
    listen = "127.0.0.1:19000"
    proxies = ["127.0.0.1/32"]
    advertise = ["wss://mesh.example"]

The proxy passes on WebSocket connections. docs/reverse-proxies.md has its settings.
Look for mistakes, then restart the node:
    clawmatrix config check
    clawmatrix doctor
""",
    "grants": """\
Grants: other nodes use a tool of this node only when a grant lets them.

Expose the tools and a folder, in the configuration of this node, and restart it:
    [tool-proxy]
    allow = ["read", "list"]
    roots = { docs = "/srv/docs" }

Let the node home use them. The command asks you to compare its key:
    clawmatrix grants add home --tools read,list

See the result, and ask about one call:
    clawmatrix grants show home
    clawmatrix grants check home read --arg path=docs/plan.md
""",
    "client": """\
A client: any program that speaks the API of OpenAI or Anthropic.

While the node runs, list the models, and set the variables that SDKs read:
    clawmatrix models
    eval "$(clawmatrix env)"

Start the program in the same shell, and give it the name of a model from the list.
An agent that speaks MCP uses the tools of the mesh. Its configuration:
    clawmatrix mcp config claude-code

docs/clients.md has the settings of each client that was tried.
""",
    "plugin": """\
A plugin: a Python class that adds to the node.

Write the distribution of a plugin that works, and check it:
    clawmatrix plugins new dice
    clawmatrix plugins check ./clawmatrix-dice

Install it with pip into the environment of the node, name it in the configuration
(`plugins`), and restart the node. See whether it works:
    clawmatrix plugins list

docs/writing-plugins.md builds two plugins, step by step.
""",
}
"""A text for each topic. Its first line is the summary; its commands are indented."""
