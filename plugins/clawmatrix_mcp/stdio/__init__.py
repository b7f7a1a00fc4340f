"""``clawmatrix mcp``: messages of MCP between standard input and output and the node's ``/mcp``.

Start reading with ``pump``. ``lines`` reads and writes standard input and output, ``message``
reads as much of a message as the pump needs, ``place`` finds the node, ``endpoint`` posts to it,
``answers`` reads what comes back, ``session`` keeps the session of clients that have one, and
``subscription`` what others listen for. Nothing here imports the SDK: an agent waits for this
program to start.
"""
