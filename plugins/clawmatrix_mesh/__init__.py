"""Links to other nodes over WebSocket, the members of the mesh, and invitations to it.

Start at ``plugin``, which has the hooks, and ``running``, which wires what runs. Of the rooms,
``invite`` uses ``links``, and ``links`` uses ``members``; ``websocket`` is the transport,
``commands`` and ``checks`` serve the command line.
"""
